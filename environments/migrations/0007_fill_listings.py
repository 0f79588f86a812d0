"""Write the lists' rows of environments that are there already; on PostgreSQL, let an index find parts of words."""

import logging

from django.db import Error, migrations, transaction

log = logging.getLogger(__name__)
AT_ONCE = 1000


def fill(apps, schema_editor):
    Environment = apps.get_model("environments", "Environment")
    Listing = apps.get_model("environments", "Listing")
    rows = []
    for environment in Environment.objects.filter(anonymous=False).iterator(AT_ONCE):
        newest = environment.versions.order_by("-created_at", "-pk")
        version = newest.filter(archived_at=None).first() or newest.first()
        if version is None:
            continue
        tags = [word for tag in version.tags.items() for word in tag]
        words = [environment.name, version.description, *tags, version.base, version.source, version.hash]
        rows.append(
            Listing(
                environment=environment,
                workspace_id=environment.workspace_id,
                version=version,
                archived=version.archived_at is not None,
                name=environment.name.lower(),
                changed_at=version.created_at,
                kind=version.kind,
                base=version.base,
                packages=version.packages,
                words="\n".join(map(str, words)).lower(),
            )
        )
        if len(rows) == AT_ONCE:
            Listing.objects.bulk_create(rows)
            rows.clear()
    Listing.objects.bulk_create(rows)


def index_words(apps, schema_editor):
    """Make a trigram index where the extension can be had; without it the search reads all rows."""
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            for column in ("words", "name"):
                schema_editor.execute(
                    f"CREATE INDEX listed_{column}_parts ON environments_listing USING gin ({column} gin_trgm_ops)"
                )
    except Error as problem:
        log.warning("The search has no index, since PostgreSQL gives no pg_trgm: %s", str(problem).strip())


class Migration(migrations.Migration):
    dependencies = [("environments", "0006_listings")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunPython(index_words, migrations.RunPython.noop),
    ]
