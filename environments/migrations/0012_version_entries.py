"""A row for each version that searches read, and the packages that versions request."""

import logging
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import Error, migrations, models, transaction

from environments.definition.packages.requested import as_lines, frameworks_of, requested_packages

log = logging.getLogger(__name__)
AT_ONCE = 200


def create_trigram_index(apps: Any, schema_editor: Any) -> None:
    """Index parts of words where the server offers pg_trgm; without it the search reads every row."""
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(schema_editor.connection.alias):
            schema_editor.execute(
                "CREATE INDEX versionentry_search_text_trgm_idx ON environments_versionentry "
                "USING gin (search_text gin_trgm_ops)"
            )
    except Error as error:
        log.warning("The search has no index: PostgreSQL has no pg_trgm: %s", str(error).strip())


def drop_trigram_index(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS versionentry_search_text_trgm_idx")


def fill(apps: Any, schema_editor: Any) -> None:
    """Give every version of a listed environment its entry and the packages that it requests."""
    versions = apps.get_model("environments", "Version").objects.select_related("environment")
    latest = set(apps.get_model("environments", "ListEntry").objects.values_list("version_id", flat=True))
    entry = apps.get_model("environments", "VersionEntry")
    package = apps.get_model("environments", "RequestedPackage")
    entries, packages = [], []
    for row in versions.filter(environment__anonymous=False).iterator(chunk_size=AT_ONCE):
        python = row.data.get("python", {})
        requested = requested_packages(python.get("pip", ()), python.get("conda", ()))
        packages += [
            package(
                version=row,
                ecosystem=spec.ecosystem,
                name=spec.name,
                exact=spec.exact,
                constraint=spec.constraint,
            )
            for spec in requested
        ]
        tags = [f"{name}={value}" if value else name for name, value in row.tags.items()]
        name = row.environment.name
        texts = [name, f"{name}:{row.version}", row.description, *tags, row.base, row.source, row.hash]
        entries.append(
            entry(
                version=row,
                environment=row.environment,
                workspace_id=row.environment.workspace_id,
                number=row.number,
                latest=row.pk in latest,
                archived=row.archived_at is not None,
                hash=row.hash,
                kind=row.kind,
                base=row.base,
                created_by_id=row.created_by_id,
                tags=as_lines(tags),
                frameworks=as_lines(frameworks_of([spec.name for spec in requested], row.tags)),
                search_text="\n".join(texts).lower(),
            )
        )
        if len(entries) >= AT_ONCE:
            entry.objects.bulk_create(entries)
            package.objects.bulk_create(packages, batch_size=500)
            entries, packages = [], []
    entry.objects.bulk_create(entries)
    package.objects.bulk_create(packages, batch_size=500)


class Migration(migrations.Migration):
    dependencies = [
        ("environments", "0011_proposal_description_tags"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="VersionEntry",
            fields=[
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="entry",
                        serialize=False,
                        to="environments.version",
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                (
                    "latest",
                    models.BooleanField(
                        default=False, help_text="Lists show this version of its environment."
                    ),
                ),
                ("archived", models.BooleanField(default=False)),
                ("hash", models.CharField(max_length=32)),
                ("kind", models.CharField(max_length=20)),
                ("base", models.CharField(blank=True, max_length=400)),
                (
                    "tags",
                    models.TextField(
                        blank=True, help_text="name=value in lower case, each between line ends."
                    ),
                ),
                (
                    "frameworks",
                    models.TextField(blank=True, help_text="In lower case, each between line ends."),
                ),
                (
                    "search_text",
                    models.TextField(help_text="Everything that words are searched in, in lower case."),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="version_entries",
                        to="environments.environment",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["workspace", "latest", "archived"], name="versionentry_latest_idx"),
                    models.Index(fields=["hash"], name="versionentry_hash_idx"),
                ],
            },
        ),
        migrations.CreateModel(
            name="RequestedPackage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ecosystem", models.CharField(max_length=10)),
                ("name", models.CharField(max_length=200)),
                ("exact", models.CharField(blank=True, help_text="The pinned version.", max_length=200)),
                ("constraint", models.CharField(blank=True, max_length=400)),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="requested_packages",
                        to="environments.version",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["name", "version"], name="requestedpackage_name_idx")],
            },
        ),
        migrations.RunPython(create_trigram_index, drop_trigram_index),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RemoveField(model_name="listentry", name="search_text"),
    ]
