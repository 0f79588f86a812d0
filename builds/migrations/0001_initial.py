import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("environments", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BaseImage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reference", models.CharField(max_length=400, unique=True)),
                ("digest", models.CharField(max_length=71)),
                ("checked_at", models.DateTimeField()),
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
                ("current", models.BooleanField(default=True)),
                ("built_at", models.DateTimeField(auto_now_add=True)),
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
        migrations.AddField(
            model_name="build",
            name="image",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="builds",
                to="builds.image",
            ),
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("name", "ecosystem", "version"), name="package_version_uniq"
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
    ]
