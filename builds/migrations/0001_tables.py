"""All tables, as they were when the first migrations were put together: a database that has run those is at this one."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("builds", "0001_initial"),
        ("builds", "0003_pushed_tags"),
        ("builds", "0004_image_bytecode"),
        ("builds", "0005_platforms_of_images"),
        ("builds", "0006_build_details"),
        ("builds", "0007_build_background"),
        ("builds", "0008_log_times"),
        ("builds", "0009_tags_of_labels"),
        ("builds", "0010_advisories"),
        ("builds", "0011_image_made_at"),
        ("builds", "0012_logs_read_by_programs"),
        ("builds", "0013_provenance"),
        ("builds", "0014_smoke_tests"),
        ("builds", "0015_rebases"),
        ("builds", "0016_package_license"),
        ("builds", "0017_policies"),
        ("builds", "0018_fill_policy_facts"),
        ("builds", "0019_healing"),
        ("builds", "0020_drift"),
        ("builds", "0021_distributions_of_conda_packages"),
        ("builds", "0022_indexes_for_exposure"),
        ("builds", "0023_packages_of_bases"),
        ("builds", "0024_heal_items_know_the_base"),
    ]

    initial = True

    dependencies = [
        ("auth", "__first__"),
        ("environments", "0001_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="Advisory",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        help_text="The name shown: CVE before GHSA before others.",
                        max_length=100,
                        unique=True,
                    ),
                ),
                ("summary", models.CharField(blank=True, max_length=300)),
                ("details", models.TextField(blank=True)),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("unknown", "Unknown"),
                            ("low", "Low"),
                            ("medium", "Medium"),
                            ("high", "High"),
                            ("critical", "Critical"),
                        ],
                        default="unknown",
                        max_length=10,
                    ),
                ),
                ("score", models.FloatField(help_text="CVSS, 0 to 10.", null=True)),
                ("published_at", models.DateTimeField(db_index=True, null=True)),
                ("modified_at", models.DateTimeField(null=True)),
                ("url", models.CharField(blank=True, max_length=500)),
            ],
            options={
                "verbose_name_plural": "advisories",
            },
        ),
        migrations.CreateModel(
            name="AdvisorySource",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("url", models.CharField(blank=True, max_length=500, unique=True)),
                (
                    "etag",
                    models.CharField(blank=True, help_text="Of what was imported last.", max_length=200),
                ),
                ("checked_at", models.DateTimeField(null=True)),
                ("imported_at", models.DateTimeField(null=True)),
                ("records", models.PositiveIntegerField(default=0)),
                ("problem", models.CharField(blank=True, max_length=400)),
            ],
        ),
        migrations.CreateModel(
            name="BaseContents",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("base_digest", models.CharField(max_length=71, unique=True)),
                (
                    "release",
                    models.CharField(
                        blank=True, help_text="debian:12; empty for none that is known.", max_length=30
                    ),
                ),
                ("packages", models.PositiveIntegerField(default=0)),
                (
                    "hides",
                    models.BooleanField(
                        default=False,
                        help_text="Environments that are put on it hide what it has in their folder.",
                    ),
                ),
                (
                    "format",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="What was read: 1 the distribution, 2 Python's and conda's packages too.",
                    ),
                ),
                ("read_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name_plural": "contents of bases",
            },
        ),
        migrations.CreateModel(
            name="BaseImage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reference", models.CharField(max_length=500, unique=True)),
                ("digest", models.CharField(max_length=71)),
                ("checked_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="LastBaseCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("started_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="LastSweep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("started_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                ("key_id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("public_pem", models.TextField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "revoked_at",
                    models.DateTimeField(
                        help_text="From then on, its signatures count for nothing.", null=True
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "key_id"],
            },
        ),
        migrations.CreateModel(
            name="AdvisoryName",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                (
                    "advisory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="names",
                        to="builds.advisory",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AdvisoryRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                ("digest", models.CharField(help_text="SHA-256 of what was read of it.", max_length=64)),
                ("aliases", models.JSONField(default=list)),
                ("summary", models.CharField(blank=True, max_length=300)),
                ("details", models.TextField(blank=True)),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("unknown", "Unknown"),
                            ("low", "Low"),
                            ("medium", "Medium"),
                            ("high", "High"),
                            ("critical", "Critical"),
                        ],
                        default="unknown",
                        max_length=10,
                    ),
                ),
                ("score", models.FloatField(null=True)),
                ("published_at", models.DateTimeField(null=True)),
                ("modified_at", models.DateTimeField(null=True)),
                ("url", models.CharField(blank=True, max_length=500)),
                (
                    "advisory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="records",
                        to="builds.advisory",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="imported",
                        to="builds.advisorysource",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Image",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hash", models.CharField(db_index=True, max_length=32)),
                ("repository", models.CharField(max_length=200)),
                ("digest", models.CharField(db_index=True, max_length=71)),
                ("size", models.BigIntegerField(help_text="Bytes of all layers, compressed.")),
                ("layers", models.JSONField(default=list)),
                (
                    "pushed_to",
                    models.CharField(
                        blank=True,
                        help_text="Its name in the workspace's registry, if it was pushed there.",
                        max_length=420,
                    ),
                ),
                ("lock", models.JSONField(null=True)),
                ("packages", models.PositiveIntegerField(default=0)),
                (
                    "conflicts",
                    models.JSONField(
                        help_text="Broken requirements as `pip check` reports them; null if not checked.",
                        null=True,
                    ),
                ),
                ("base", models.CharField(max_length=400)),
                ("base_digest", models.CharField(max_length=71)),
                (
                    "base_contents",
                    models.CharField(
                        blank=True,
                        help_text="The packages that it has of its base: the base's digest, or the key of a part of it.",
                        max_length=71,
                    ),
                ),
                (
                    "base_created_at",
                    models.DateTimeField(
                        help_text="The creation time of the base, if it records one.", null=True
                    ),
                ),
                (
                    "floating",
                    models.BooleanField(default=False, help_text="The tag of the base moves (rule 18)."),
                ),
                ("interpreter", models.CharField(blank=True, max_length=400)),
                ("python", models.CharField(blank=True, max_length=20)),
                (
                    "bytecode",
                    models.JSONField(
                        help_text="Who compiled its modules: provider (machine, uv, base, none), python, identity; null if none.",
                        null=True,
                    ),
                ),
                (
                    "platforms",
                    models.CharField(
                        default="linux/amd64",
                        help_text="By name, with commas; several are an index.",
                        max_length=100,
                    ),
                ),
                (
                    "policy_facts",
                    models.JSONField(
                        help_text="What policies check and no row holds: origins, built, as_of, exceptions; null if unknown.",
                        null=True,
                    ),
                ),
                ("current", models.BooleanField(default=True)),
                ("built_at", models.DateTimeField(auto_now_add=True)),
                (
                    "made_at",
                    models.DateTimeField(
                        auto_now_add=True,
                        help_text="Of its first build; `built_at` is that of the last with the same bytes.",
                    ),
                ),
                ("used_at", models.DateTimeField(auto_now_add=True)),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="images",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["-built_at"],
                "indexes": [
                    models.Index(fields=["workspace", "repository"], name="image_repository_idx"),
                    models.Index(fields=["workspace", "built_at", "id"], name="image_built_at_idx"),
                    models.Index(fields=["workspace", "used_at", "id"], name="image_used_at_idx"),
                    models.Index(fields=["workspace", "size", "id"], name="image_size_idx"),
                    models.Index(fields=["base_digest"], name="image_base_digest_idx"),
                    models.Index(fields=["base_contents"], name="image_contents_idx"),
                    models.Index(
                        fields=["workspace", "base_contents", "current", "id"],
                        name="image_workspace_contents_idx",
                    ),
                    models.Index(
                        fields=["hash", "workspace", "current", "base_contents", "made_at", "id"],
                        name="image_hash_contents_idx",
                    ),
                    models.Index(
                        condition=models.Q(("current", False)), fields=["made_at"], name="image_replaced_idx"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("current", True)),
                        fields=("workspace", "hash"),
                        name="image_current_uniq",
                    ),
                    models.UniqueConstraint(fields=("workspace", "hash", "digest"), name="image_digest_uniq"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Build",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("hash", models.CharField(db_index=True, max_length=32)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("rebuild", models.BooleanField(default=False)),
                (
                    "reused",
                    models.BooleanField(
                        default=False, help_text="The image existed after all; nothing was built."
                    ),
                ),
                (
                    "background",
                    models.BooleanField(
                        default=False,
                        help_text="No person waits for it: idle workers build it, and stop as soon as others request a build.",
                    ),
                ),
                ("claim", models.UUIDField(null=True)),
                ("worker", models.CharField(blank=True, max_length=120)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("heartbeat_at", models.DateTimeField(null=True)),
                (
                    "reserved_until",
                    models.DateTimeField(
                        help_text="Its requester builds it: no worker claims it before then.", null=True
                    ),
                ),
                ("cancel_requested", models.BooleanField(default=False)),
                ("queued_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("error_code", models.CharField(blank=True, max_length=60)),
                ("error", models.TextField(blank=True)),
                ("error_help", models.TextField(blank=True)),
                ("error_fault", models.CharField(blank=True, max_length=10)),
                ("error_line", models.PositiveIntegerField(null=True)),
                ("causes", models.JSONField(default=list)),
                (
                    "details",
                    models.JSONField(
                        default=dict,
                        help_text="What else is known of a failure: raw text, conflict, and line and text in the definition.",
                    ),
                ),
                ("revision", models.PositiveBigIntegerField(default=0)),
                ("log_seq", models.PositiveIntegerField(default=0)),
                ("log_lines", models.PositiveIntegerField(default=0)),
                (
                    "stopped_by",
                    models.ForeignKey(
                        help_text="The owner who stopped it for everyone.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="builds",
                        to="environments.version",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="builds",
                        to="environments.workspace",
                    ),
                ),
                (
                    "image",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="builds",
                        to="builds.image",
                    ),
                ),
            ],
            options={
                "ordering": ["-queued_at"],
                "indexes": [
                    models.Index(fields=["state", "heartbeat_at"], name="builds_buil_state_649ea8_idx"),
                    models.Index(fields=["ended_at"], name="build_ended_at_idx"),
                    models.Index(fields=["workspace", "queued_at"], name="build_queued_at_idx"),
                    models.Index(fields=["workspace", "state", "queued_at"], name="build_state_idx"),
                    models.Index(fields=["workspace", "hash", "queued_at"], name="build_hash_idx"),
                    models.Index(
                        condition=models.Q(("ended_at__isnull", False)),
                        fields=[
                            "workspace",
                            "queued_at",
                            "state",
                            "reused",
                            "started_at",
                            "ended_at",
                            "error_code",
                        ],
                        name="build_statistics_idx",
                    ),
                    models.Index(
                        condition=models.Q(("state__in", ["queued", "running"])),
                        fields=["workspace", "state", "queued_at"],
                        name="build_queue_order_idx",
                    ),
                    models.Index(
                        condition=models.Q(("reused", False), ("state", "succeeded")),
                        fields=["workspace", "-ended_at"],
                        name="build_duration_idx",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["queued", "running"])),
                        fields=("workspace", "hash"),
                        name="build_active_uniq",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HealRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("requested_at", models.DateTimeField(auto_now_add=True)),
                ("dry_run", models.BooleanField(default=True, help_text="Nothing is built or saved.")),
                (
                    "report_only",
                    models.BooleanField(
                        default=False, help_text="Images are built and tested; nothing is saved."
                    ),
                ),
                (
                    "untested",
                    models.BooleanField(default=False, help_text="Saves what no worker could test."),
                ),
                ("ended_at", models.DateTimeField(null=True)),
                ("advisories", models.ManyToManyField(related_name="heal_runs", to="builds.advisory")),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        help_text="Where changes of curated environments are built, and proposed from.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Drift",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("watched", models.BooleanField(default=True)),
                ("due_at", models.DateTimeField(db_index=True)),
                ("claimed_at", models.DateTimeField(null=True)),
                ("checked_at", models.DateTimeField(null=True)),
                ("changes", models.JSONField(default=list)),
                ("base_changed", models.BooleanField(default=False)),
                ("problem", models.TextField(blank=True, help_text="The reason there is no answer.")),
                (
                    "environment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drift",
                        to="environments.environment",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="environments.version",
                    ),
                ),
                (
                    "watched_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "image",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="builds.image",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("watched", True)), fields=["due_at"], name="drift_due_idx"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="BuildRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reused", models.BooleanField(default=False)),
                (
                    "joined",
                    models.BooleanField(default=False, help_text="The build was already queued or running."),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("cancelled_at", models.DateTimeField(null=True)),
                (
                    "seen_at",
                    models.DateTimeField(help_text="The time the requester saw the outcome.", null=True),
                ),
                (
                    "awaited_at",
                    models.DateTimeField(
                        help_text="The time a program first saw the build running.", null=True
                    ),
                ),
                (
                    "log_read_at",
                    models.DateTimeField(help_text="The time a program had read the whole log.", null=True),
                ),
                (
                    "build",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="requests",
                        to="builds.build",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="requests",
                        to="environments.version",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="requests",
                        to="environments.workspace",
                    ),
                ),
                (
                    "image",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="requests",
                        to="builds.image",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [
                    models.Index(fields=["user", "workspace", "build"], name="buildrequest_user_idx"),
                    models.Index(
                        fields=["workspace", "created_at", "reused", "joined"],
                        name="buildrequest_statistics_idx",
                    ),
                    models.Index(
                        condition=models.Q(("seen_at", None)),
                        fields=["user", "-id"],
                        name="buildrequest_unseen_idx",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ImageLayer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=71)),
                ("size", models.BigIntegerField()),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="layer_rows",
                        to="builds.image",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["digest", "image"], name="imagelayer_digest_idx")],
            },
        ),
        migrations.CreateModel(
            name="ImagePlatform",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("platform", models.CharField(max_length=40)),
                ("digest", models.CharField(max_length=71)),
                ("size", models.BigIntegerField(help_text="Bytes of its layers, compressed.")),
                ("base_digest", models.CharField(max_length=71)),
                ("python", models.CharField(blank=True, max_length=20)),
                ("packages", models.PositiveIntegerField(default=0)),
                ("lock", models.JSONField(null=True)),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="platform_rows",
                        to="builds.image",
                    ),
                ),
            ],
            options={
                "ordering": ["platform"],
                "constraints": [
                    models.UniqueConstraint(fields=("image", "platform"), name="imageplatform_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="LogBlock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("first_seq", models.PositiveIntegerField()),
                ("last_seq", models.PositiveIntegerField()),
                ("first_line", models.PositiveIntegerField()),
                ("last_line", models.PositiveIntegerField()),
                ("packed", models.BinaryField()),
                (
                    "build",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="blocks", to="builds.build"
                    ),
                ),
            ],
            options={
                "ordering": ["first_seq"],
                "constraints": [
                    models.UniqueConstraint(fields=("build", "first_seq"), name="logblock_first_seq_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="LogChunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seq", models.PositiveIntegerField()),
                ("step", models.CharField(blank=True, max_length=20)),
                ("first_line", models.PositiveIntegerField()),
                ("text", models.TextField()),
                (
                    "at",
                    models.DateTimeField(
                        help_text="When it was written, by the database's clock.", null=True
                    ),
                ),
                (
                    "build",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="chunks", to="builds.build"
                    ),
                ),
            ],
            options={
                "ordering": ["seq"],
                "constraints": [models.UniqueConstraint(fields=("build", "seq"), name="logchunk_seq_uniq")],
            },
        ),
        migrations.CreateModel(
            name="Package",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ecosystem", models.CharField(max_length=10)),
                ("name", models.CharField(max_length=200)),
                ("version", models.CharField(max_length=200)),
                (
                    "release",
                    models.CharField(
                        blank=True,
                        help_text="The distribution of a debian package, by its source: debian:12.",
                        max_length=30,
                    ),
                ),
                (
                    "license",
                    models.CharField(
                        blank=True,
                        help_text="Its licence as an SPDX expression; empty for unknown.",
                        max_length=400,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("name", "ecosystem", "version", "release"), name="package_version_uniq"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ImagePackage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("size", models.BigIntegerField(default=0)),
                ("requested", models.BooleanField(default=False)),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="package_rows",
                        to="builds.image",
                    ),
                ),
                (
                    "package",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="image_rows",
                        to="builds.package",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["package", "image"], name="imagepackage_package_idx")],
            },
        ),
        migrations.CreateModel(
            name="BasePackage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "base_digest",
                    models.CharField(
                        help_text="Or the key of a part of it: `base_contents` of images.", max_length=71
                    ),
                ),
                (
                    "folder",
                    models.CharField(
                        blank=True,
                        help_text="Within the folder of environments, which images hide or write to; empty for all others.",
                        max_length=100,
                    ),
                ),
                (
                    "package",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="base_rows",
                        to="builds.package",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["package", "base_digest"], name="basepackage_package_idx")],
                "constraints": [
                    models.UniqueConstraint(fields=("base_digest", "package"), name="basepackage_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="PackageAdvisory",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "fixed_in",
                    models.JSONField(default=list, help_text="Versions that fix it, smallest first."),
                ),
                (
                    "advisory",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="packages",
                        to="builds.advisory",
                    ),
                ),
                (
                    "package",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="advisories",
                        to="builds.package",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("advisory", "package"), name="packageadvisory_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="PackageDistribution",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(db_index=True, max_length=200)),
                ("version", models.CharField(max_length=200)),
                (
                    "package",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="distributions",
                        to="builds.package",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("package", "name", "version"), name="packagedistribution_uniq"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PastImage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hash", models.CharField(max_length=32)),
                ("digest", models.CharField(max_length=71)),
                (
                    "base_digest",
                    models.CharField(blank=True, help_text="What it had of its base.", max_length=71),
                ),
                ("built_at", models.DateTimeField()),
                (
                    "until",
                    models.DateTimeField(help_text="The time it was deleted, or replaced before that."),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="past_images",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["workspace", "hash"], name="pastimage_hash_idx"),
                    models.Index(fields=["base_digest"], name="pastimage_base_idx"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PastPackage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="package_rows",
                        to="builds.pastimage",
                    ),
                ),
                (
                    "package",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="past_rows",
                        to="builds.package",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["package", "image"], name="pastpackage_package_idx")],
            },
        ),
        migrations.CreateModel(
            name="PolicyException",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("package", "Package"),
                            ("advisory", "Advisory"),
                            ("environment", "Environment"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        help_text="A package, name==version, an id, an environment.", max_length=255
                    ),
                ),
                (
                    "rule",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("vulnerability", "Vulnerability"),
                            ("licence", "Licence"),
                            ("cool-down", "Cool Down"),
                            ("source", "Source"),
                            ("origin", "Origin"),
                            ("base-age", "Base Age"),
                            ("import-test", "Import Test"),
                        ],
                        help_text="Empty for all.",
                        max_length=20,
                    ),
                ),
                ("reason", models.CharField(max_length=1000)),
                ("until", models.DateField(help_text="Its last day; empty for no end.", null=True)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="policy_exceptions",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["kind", "subject", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace", "kind", "subject", "rule"), name="policyexception_uniq"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PolicyRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "rule",
                    models.CharField(
                        choices=[
                            ("vulnerability", "Vulnerability"),
                            ("licence", "Licence"),
                            ("cool-down", "Cool Down"),
                            ("source", "Source"),
                            ("origin", "Origin"),
                            ("base-age", "Base Age"),
                            ("import-test", "Import Test"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "level",
                    models.CharField(
                        choices=[("off", "Off"), ("warn", "Warn"), ("block", "Block")],
                        default="off",
                        max_length=5,
                    ),
                ),
                (
                    "starts_on",
                    models.DateField(
                        help_text="Its first day; a rule that blocks warns before it.", null=True
                    ),
                ),
                ("options", models.JSONField(default=dict)),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="policy_rules",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "rule"), name="policyrule_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="PushedTag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "label",
                    models.CharField(blank=True, help_text="Empty for versions and `latest`.", max_length=64),
                ),
                (
                    "registry",
                    models.CharField(
                        blank=True, help_text="Where it was pushed; empty before that.", max_length=200
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        blank=True, help_text="The image that it was last pushed for.", max_length=71
                    ),
                ),
                ("next_at", models.DateTimeField(help_text="No worker pushes it before then.", null=True)),
                (
                    "attempts",
                    models.PositiveIntegerField(
                        default=0, help_text="Failed attempts since the last success."
                    ),
                ),
                ("problem", models.CharField(blank=True, max_length=400)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pushed_tags",
                        to="environments.environment",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pushed_tags",
                        to="environments.version",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("version__isnull", False)),
                        fields=("version",),
                        name="pushedtag_version_uniq",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("version__isnull", True)),
                        fields=("environment", "label"),
                        name="pushedtag_label_uniq",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Rebase",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "base",
                    models.CharField(
                        help_text="The reference of the base that the images are on.", max_length=400
                    ),
                ),
                (
                    "base_digest",
                    models.CharField(blank=True, help_text="Only images on this digest.", max_length=71),
                ),
                (
                    "target",
                    models.CharField(help_text="The reference of the base to put them on.", max_length=400),
                ),
                (
                    "rebuild",
                    models.BooleanField(default=False, help_text="Build the images that cannot be rebased."),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("planning", "Planning"),
                            ("ready", "Ready"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        default="planning",
                        max_length=10,
                    ),
                ),
                ("requested_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("cancel_requested", models.BooleanField(default=False)),
                ("problem", models.TextField(blank=True, help_text="The reason it failed.")),
                ("claim", models.UUIDField(null=True)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("heartbeat_at", models.DateTimeField(null=True)),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        help_text="None: all of them.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rebases",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["planning", "running"])),
                        fields=["state"],
                        name="rebase_waiting_idx",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="RebasedImage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hash", models.CharField(max_length=32)),
                (
                    "fate",
                    models.CharField(
                        choices=[
                            ("rebase", "Rebase"),
                            ("rebased", "Rebased"),
                            ("rebuild", "Rebuild"),
                            ("rebuilding", "Rebuilding"),
                            ("refused", "Refused"),
                            ("moved", "Moved"),
                        ],
                        default="rebase",
                        max_length=10,
                    ),
                ),
                ("reason_code", models.CharField(blank=True, max_length=40)),
                ("reason", models.CharField(blank=True, max_length=600)),
                ("digest_before", models.CharField(max_length=71)),
                ("digest_after", models.CharField(blank=True, max_length=71)),
                ("base_before", models.CharField(max_length=400)),
                ("base_digest_before", models.CharField(max_length=71)),
                ("base_after", models.CharField(blank=True, max_length=400)),
                ("base_digest_after", models.CharField(blank=True, max_length=71)),
                ("at", models.DateTimeField(help_text="When it was rebased.", null=True)),
                ("named", models.BooleanField(default=False, help_text="Its names have moved too.")),
                (
                    "image",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="builds.image",
                    ),
                ),
                (
                    "rebase",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="images", to="builds.rebase"
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [
                    models.Index(fields=["rebase", "fate", "id"], name="rebasedimage_fate_idx"),
                    models.Index(fields=["workspace", "hash", "fate"], name="rebasedimage_hash_idx"),
                ],
            },
        ),
        migrations.CreateModel(
            name="RebuildPreview",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("requested_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("changes", models.JSONField(default=list)),
                ("base_changed", models.BooleanField(default=False)),
                ("problem", models.TextField(blank=True, help_text="The reason there is no answer.")),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="builds.image"
                    ),
                ),
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="environments.version",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Referrer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        help_text="The index or manifest of the image that it is about.", max_length=71
                    ),
                ),
                ("digest", models.CharField(max_length=71)),
                ("size", models.PositiveIntegerField()),
                ("artifact_type", models.CharField(max_length=100)),
                ("content", models.CharField(help_text="The digest of its document.", max_length=71)),
                ("annotations", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="referrers",
                        to="builds.image",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [models.Index(fields=["content"], name="referrer_content_idx")],
                "constraints": [models.UniqueConstraint(fields=("image", "digest"), name="referrer_uniq")],
            },
        ),
        migrations.CreateModel(
            name="SmokeTest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=71)),
                ("command", models.CharField(help_text="The sha256 of the command's text.", max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("passed", "Passed"),
                            ("failed", "Failed"),
                            ("untried", "Untried"),
                        ],
                        max_length=10,
                    ),
                ),
                ("ended_at", models.DateTimeField(auto_now=True)),
                ("seconds", models.FloatField(default=0)),
                (
                    "ending",
                    models.CharField(
                        blank=True, help_text="How it ended, or why it was not run.", max_length=600
                    ),
                ),
                ("output", models.TextField(blank=True, help_text="The end of its output.")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("digest", "command"), name="smoketest_uniq")],
            },
        ),
        migrations.CreateModel(
            name="Step",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("attempt", models.PositiveSmallIntegerField()),
                ("position", models.PositiveSmallIntegerField()),
                ("name", models.CharField(max_length=20)),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("cached", models.BooleanField(default=False)),
                ("failed", models.BooleanField(default=False)),
                ("first_line", models.PositiveIntegerField()),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("unit", models.CharField(blank=True, max_length=20)),
                ("parts", models.JSONField(default=list)),
                (
                    "build",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="steps", to="builds.build"
                    ),
                ),
            ],
            options={
                "ordering": ["attempt", "position"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("build", "attempt", "position"), name="step_position_uniq"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Triage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("accepted", "Accepted"),
                            ("not_affected", "Not Affected"),
                            ("pending", "Pending"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "justification",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("code_not_present", "Code Not Present"),
                            ("code_not_reachable", "Code Not Reachable"),
                            ("requires_configuration", "Requires Configuration"),
                            ("requires_dependency", "Requires Dependency"),
                            ("requires_environment", "Requires Environment"),
                            ("protected_by_compiler", "Protected By Compiler"),
                            ("protected_at_runtime", "Protected At Runtime"),
                            ("protected_at_perimeter", "Protected At Perimeter"),
                            ("protected_by_mitigating_control", "Protected By Mitigating Control"),
                        ],
                        max_length=40,
                    ),
                ),
                ("reason", models.CharField(max_length=2000)),
                ("until", models.DateField(help_text="Its last day; empty for no end.", null=True)),
                ("at", models.DateTimeField(auto_now=True)),
                (
                    "advisory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="triages",
                        to="builds.advisory",
                    ),
                ),
                (
                    "by",
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
                        help_text="Also a version's.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="triages",
                        to="environments.environment",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="triages",
                        to="environments.version",
                    ),
                ),
            ],
            options={
                "ordering": ["advisory", "pk"],
                "constraints": [
                    models.UniqueConstraint(fields=("advisory", "version"), name="triage_version_uniq"),
                    models.UniqueConstraint(
                        condition=models.Q(("version", None)),
                        fields=("advisory", "environment"),
                        name="triage_environment_uniq",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("environment", None), ("version", None)),
                        fields=("advisory",),
                        name="triage_studio_uniq",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("version", None), ("environment__isnull", False), _connector="OR"
                        ),
                        name="triage_scope_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Trial",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=71, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("passed", "Passed"),
                            ("failed", "Failed"),
                            ("untried", "Untried"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("requested_at", models.DateTimeField(auto_now_add=True)),
                ("claim", models.UUIDField(null=True)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("heartbeat_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("reason", models.TextField(blank=True, help_text="The reason it was not tried.")),
                ("python", models.CharField(blank=True, max_length=20)),
                ("imported", models.PositiveIntegerField(default=0, help_text="Modules.")),
                ("problems", models.JSONField(default=list)),
                ("skipped", models.JSONField(default=list)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["waiting", "running"])),
                        fields=["state", "requested_at"],
                        name="trial_pending_idx",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="WorkspaceLimits",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at_once", models.PositiveIntegerField(blank=True, null=True)),
                ("queued", models.PositiveIntegerField(blank=True, null=True)),
                ("seconds", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "disk",
                    models.PositiveBigIntegerField(
                        blank=True, help_text="Bytes a build may add to the disk.", null=True
                    ),
                ),
                (
                    "served_at",
                    models.DateTimeField(
                        editable=False, help_text="The time a worker last claimed a build of it.", null=True
                    ),
                ),
                (
                    "workspace",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="limits",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "workspace limits",
            },
        ),
        migrations.CreateModel(
            name="AffectedPackage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ecosystem", models.CharField(max_length=10)),
                (
                    "release",
                    models.CharField(blank=True, help_text="Of a distribution: debian:12.", max_length=30),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "ranges",
                    models.JSONField(
                        default=list,
                        help_text="Events of each range, as [kind, version]; introduced, fixed, last_affected, limit.",
                    ),
                ),
                ("versions", models.JSONField(default=list)),
                (
                    "record",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="affected",
                        to="builds.advisoryrecord",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["name", "ecosystem"], name="affected_name_idx")],
            },
        ),
        migrations.CreateModel(
            name="BaseCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reference", models.CharField(max_length=400)),
                ("platforms", models.CharField(default="linux/amd64", max_length=100)),
                (
                    "digest",
                    models.CharField(blank=True, help_text="What the reference means now.", max_length=71),
                ),
                (
                    "created_at",
                    models.DateTimeField(help_text="When that was created, if it says so.", null=True),
                ),
                (
                    "newer",
                    models.CharField(blank=True, help_text="A tag with a newer patch.", max_length=128),
                ),
                ("checked_at", models.DateTimeField(help_text="The last successful look-up.", null=True)),
                (
                    "requested_at",
                    models.DateTimeField(help_text="Somebody waits for a look-up since then.", null=True),
                ),
                ("next_at", models.DateTimeField(help_text="No worker looks it up before then.", null=True)),
                (
                    "problem",
                    models.CharField(
                        blank=True, help_text="The reason the last look-up failed.", max_length=400
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="base_checks",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["next_at"], name="basecheck_next_idx")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace", "reference", "platforms"), name="basecheck_reference_uniq"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HealItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("planning", "Planning"),
                            ("planned", "Planned"),
                            ("building", "Building"),
                            ("testing", "Testing"),
                            ("ready", "Ready"),
                            ("healed", "Healed"),
                            ("proposed", "Proposed"),
                            ("current", "Current"),
                            ("refused", "Refused"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("claim", models.UUIDField(null=True)),
                ("claimed_at", models.DateTimeField(null=True)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("requirements", models.JSONField(default=list)),
                ("changes", models.JSONField(default=list)),
                (
                    "reason",
                    models.TextField(
                        blank=True, help_text="Why it was refused, failed, or waits for somebody."
                    ),
                ),
                (
                    "base",
                    models.CharField(
                        blank=True,
                        help_text="Its base image, if that brings what is affected: rebase it.",
                        max_length=400,
                    ),
                ),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "after",
                    models.ForeignKey(
                        help_text="The item of the environment that this one was started from: it comes first.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="derived",
                        to="builds.healitem",
                    ),
                ),
                (
                    "build",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="builds.build",
                    ),
                ),
                (
                    "candidate",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="environments.version",
                    ),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="heal_items",
                        to="environments.environment",
                    ),
                ),
                (
                    "proposal",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="environments.proposal",
                    ),
                ),
                (
                    "published",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="environments.version",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="heal_items",
                        to="environments.version",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="items", to="builds.healrun"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["waiting", "planning", "building", "testing"])),
                        fields=["state", "id"],
                        name="healitem_open_idx",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("run", "environment"), name="healitem_environment_uniq")
                ],
            },
        ),
    ]
