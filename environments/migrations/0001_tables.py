"""All tables, as they were when the first migrations were put together: a database that has run those is at this one."""

import uuid

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("environments", "0001_initial"),
        ("environments", "0003_source_files"),
        ("environments", "0004_workspace_cutoff"),
        ("environments", "0005_workspace_compression"),
        ("environments", "0006_workspace_bytecode"),
        ("environments", "0007_environment_repository"),
        ("environments", "0008_ignored_findings"),
        ("environments", "0009_invitations"),
        ("environments", "0010_delivery_answer"),
        ("environments", "0011_proposal_description_tags"),
        ("environments", "0012_version_entries"),
        ("environments", "0013_saved_views_and_pins"),
        ("environments", "0014_version_labels"),
        ("environments", "0015_tour"),
        ("environments", "0016_inbox"),
        ("environments", "0017_anonymous_submitted_at"),
        ("environments", "0018_workspace_opened_protected_labels"),
        ("environments", "0019_shares"),
        ("environments", "0020_uploaded_blobs"),
        ("environments", "0021_badge_keys"),
        ("environments", "0022_workspace_receives_shares"),
        ("environments", "0023_workspace_import_test"),
    ]

    initial = True

    dependencies = [
        ("auth", "__first__"),
    ]

    operations = [
        migrations.CreateModel(
            name="Workspace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=63,
                        unique=True,
                        validators=[django.core.validators.RegexValidator("^[a-z0-9]+(-[a-z0-9]+)*$")],
                    ),
                ),
                ("title", models.CharField(max_length=120)),
                ("curated", models.BooleanField(default=False)),
                (
                    "anonymous_pull",
                    models.BooleanField(
                        default=False,
                        help_text="Anyone who reaches the studio may pull this workspace's images without signing in.",
                    ),
                ),
                (
                    "registry",
                    models.CharField(
                        blank=True,
                        help_text="A registry that images are also pushed to, such as registry.example.com/ml.",
                        max_length=200,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^(?:localhost|[a-z0-9-]+(?:\\.[a-z0-9-]+)+|[a-z0-9-]+(?=:))(?::\\d{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$",
                                "That is no address of a container registry, such as registry.example.com/ml.",
                            )
                        ],
                    ),
                ),
                (
                    "cutoff",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="How old packages must be, as a definition's cutoff; empty for no limit.",
                    ),
                ),
                (
                    "compression",
                    models.CharField(
                        blank=True,
                        choices=[("gzip", "Gzip"), ("zstd", "Zstd"), ("both", "Both")],
                        help_text="The compression of its new images; empty for the studio's.",
                        max_length=10,
                    ),
                ),
                (
                    "bytecode",
                    models.CharField(
                        blank=True,
                        choices=[("imported", "Imported"), ("all", "All"), ("none", "None")],
                        help_text="Which modules are compiled for its new images; empty for the studio's choice.",
                        max_length=10,
                    ),
                ),
                (
                    "import_test",
                    models.CharField(
                        blank=True,
                        choices=[("after", "After"), ("on", "On"), ("off", "Off")],
                        help_text="When the packages of its images are imported; empty for the studio's choice.",
                        max_length=5,
                    ),
                ),
                (
                    "opened",
                    models.BooleanField(
                        default=False,
                        help_text="Opened for sharing: Azure's clients use it as the registry of this name.",
                    ),
                ),
                (
                    "receives_shares",
                    models.BooleanField(
                        default=True,
                        help_text="Versions that other workspaces share with this one wait for its owners.",
                    ),
                ),
                (
                    "protected_labels",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="The labels that only owners set, move and remove.",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("curated", True)),
                        fields=("curated",),
                        name="workspace_catalogue_uniq",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Environment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                (
                    "repository",
                    models.CharField(
                        editable=False,
                        help_text="Its name in container registries, after the workspace's.",
                        max_length=128,
                    ),
                ),
                (
                    "anonymous",
                    models.BooleanField(
                        default=False,
                        help_text="Its versions were submitted inline, and are never listed (rule 32).",
                    ),
                ),
                ("archived_at", models.DateTimeField(blank=True, null=True)),
                (
                    "ignored_findings",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="The codes of the findings that its pages fold away.",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="environments",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "name"), name="environment_name_uniq"),
                    models.UniqueConstraint(
                        fields=("workspace", "repository"), name="environment_repository_uniq"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Version",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.CharField(max_length=64)),
                ("number", models.PositiveIntegerField(help_text="1, 2, 3 … in the order of creation.")),
                ("hash", models.CharField(db_index=True, max_length=32)),
                ("data", models.JSONField(help_text="The definition, without the files of a build context.")),
                (
                    "source",
                    models.TextField(
                        blank=True, help_text="The text that the definition was read from, unchanged."
                    ),
                ),
                (
                    "source_path",
                    models.CharField(blank=True, help_text="The file that the text is of.", max_length=1000),
                ),
                ("source_format", models.CharField(blank=True, max_length=40)),
                ("kind", models.CharField(max_length=20)),
                ("base", models.CharField(blank=True, max_length=400)),
                (
                    "packages",
                    models.PositiveIntegerField(default=0, help_text="The number of requested packages."),
                ),
                ("description", models.TextField(blank=True)),
                ("tags", models.JSONField(blank=True, default=dict)),
                ("archived_at", models.DateTimeField(blank=True, null=True)),
                (
                    "submitted_at",
                    models.DateTimeField(
                        db_index=True,
                        help_text="When an anonymous version was last submitted; null with a name.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                (
                    "based_on",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="derived",
                        to="environments.version",
                    ),
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
                        related_name="versions",
                        to="environments.environment",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
                "constraints": [
                    models.UniqueConstraint(fields=("environment", "version"), name="version_name_uniq"),
                    models.UniqueConstraint(fields=("environment", "number"), name="version_number_uniq"),
                ],
            },
        ),
        migrations.CreateModel(
            name="BadgeKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(help_text="Where the badge is shown.", max_length=80)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
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
                        related_name="badge_keys",
                        to="environments.environment",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("verb", models.CharField(max_length=60)),
                ("group", models.CharField(max_length=20)),
                ("subject", models.CharField(max_length=400)),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                ("details", models.JSONField(default=dict)),
                ("address", models.CharField(blank=True, max_length=64)),
                ("agent", models.CharField(blank=True, max_length=200)),
                ("token", models.CharField(blank=True, max_length=150)),
                ("at", models.DateTimeField(auto_now_add=True, db_index=True)),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="environments.environment",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["-at", "-pk"],
                "indexes": [
                    models.Index(fields=["environment", "-at", "-id"], name="event_environment_idx"),
                    models.Index(fields=["workspace", "-at", "-id"], name="event_time_idx"),
                    models.Index(fields=["workspace", "actor", "-at", "-id"], name="event_actor_idx"),
                    models.Index(fields=["workspace", "group", "-at", "-id"], name="event_group_idx"),
                    models.Index(fields=["workspace", "verb", "-at", "-id"], name="event_verb_idx"),
                ],
            },
        ),
        migrations.CreateModel(
            name="NoticePreferences",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("by_mail", models.BooleanField(default=True)),
                ("kinds", models.JSONField(default=dict)),
                ("mailed_kinds", models.JSONField(default=dict)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notice_preferences",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Proposal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(help_text="The name of the curated environment.", max_length=255)),
                ("as_new", models.BooleanField(help_text="Publishing creates the curated environment.")),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("changes", "Changes"),
                            ("published", "Published"),
                            ("refused", "Refused"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("revision", models.PositiveIntegerField(default=1)),
                (
                    "description",
                    models.TextField(
                        blank=True, help_text="Of the curated environment; empty: the version's own."
                    ),
                ),
                ("tags", models.JSONField(default=dict, help_text="Of the curated environment.")),
                (
                    "warnings",
                    models.PositiveIntegerField(default=0, help_text="The number of findings above notes."),
                ),
                ("proposed_at", models.DateTimeField(auto_now_add=True)),
                ("changed_at", models.DateTimeField()),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="proposals",
                        to="environments.environment",
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "before",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="environments.version",
                    ),
                ),
                (
                    "published",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="published_from",
                        to="environments.version",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="proposals",
                        to="environments.version",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [models.Index(fields=["stage", "changed_at", "id"], name="proposal_stage_idx")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("stage__in", ["waiting", "changes"])),
                        fields=("environment",),
                        name="proposal_open_uniq",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Tour",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "pulled_at",
                    models.DateTimeField(help_text="The first pull through the registry.", null=True),
                ),
                (
                    "compared_at",
                    models.DateTimeField(help_text="The first comparison of two versions.", null=True),
                ),
                ("dismissed_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tour",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SourceFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.CharField(max_length=1000)),
                ("text", models.TextField(blank=True)),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="source_files",
                        to="environments.version",
                    ),
                ),
            ],
            options={
                "ordering": ["path"],
                "constraints": [
                    models.UniqueConstraint(fields=("version", "path"), name="source_file_path_uniq")
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
        migrations.CreateModel(
            name="ProposalStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("proposed", "Proposed"),
                            ("answered", "Answered"),
                            ("changes", "Changes"),
                            ("published", "Published"),
                            ("refused", "Refused"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        max_length=10,
                    ),
                ),
                ("comment", models.TextField(blank=True)),
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
                    "proposal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="environments.proposal",
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
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Deprecation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("on", models.DateField(help_text="The day from which it may be retired.")),
                ("reason", models.TextField()),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("retired_at", models.DateTimeField(null=True)),
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
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deprecations",
                        to="environments.environment",
                    ),
                ),
                (
                    "successor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="environments.environment",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deprecations",
                        to="environments.version",
                    ),
                ),
            ],
            options={
                "ordering": ["on", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("version", None)),
                        fields=("environment",),
                        name="deprecation_environment_uniq",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("version__isnull", False)),
                        fields=("version",),
                        name="deprecation_version_uniq",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VersionLabel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=64)),
                ("set_at", models.DateTimeField()),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="labels",
                        to="environments.environment",
                    ),
                ),
                (
                    "set_by",
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
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="labels",
                        to="environments.version",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(fields=("environment", "name"), name="version_label_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address", models.CharField(max_length=400)),
                ("sealed", models.TextField(help_text="The secret, encrypted.")),
                ("groups", models.JSONField(default=list)),
                ("active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("blocked_until", models.DateTimeField(null=True)),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0, help_text="Failed attempts since the last success."
                    ),
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
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhooks",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("not sent", "not to be sent"),
                            ("waiting", "Waiting"),
                            ("sent", "Sent"),
                            ("given up", "Given Up"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("next_at", models.DateTimeField(help_text="The time of the next attempt.", null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("tried_at", models.DateTimeField(null=True)),
                (
                    "ended_at",
                    models.DateTimeField(help_text="The time it was delivered or given up.", null=True),
                ),
                (
                    "code",
                    models.PositiveSmallIntegerField(
                        help_text="The HTTP status of the last answer.", null=True
                    ),
                ),
                (
                    "milliseconds",
                    models.PositiveIntegerField(help_text="The duration of the last attempt.", null=True),
                ),
                ("problem", models.CharField(blank=True, max_length=400)),
                (
                    "answer",
                    models.TextField(blank=True, help_text="The beginning of the last answer's body."),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="environments.event"
                    ),
                ),
                (
                    "webhook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="environments.webhook",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
                "indexes": [
                    models.Index(fields=["webhook", "-created_at"], name="delivery_webhook_idx"),
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["webhook", "next_at"],
                        name="delivery_due_idx",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Usage",
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
                        choices=[("run", "Run"), ("model", "Model"), ("deployment", "Deployment")],
                        max_length=10,
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                ("link", models.CharField(blank=True, max_length=2000)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField(help_text="The time of the last report.")),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "environment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="uses",
                        to="environments.environment",
                    ),
                ),
                (
                    "reported_by",
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
                        db_index=False,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="uses",
                        to="environments.version",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uses",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["environment", "-last_at", "-id"], name="usage_last_at_idx"),
                    models.Index(fields=["workspace", "kind", "name"], name="usage_workspace_name_idx"),
                    models.Index(
                        condition=models.Q(("ended_at", None)),
                        fields=["environment", "version"],
                        name="usage_active_idx",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("version", "workspace", "kind", "name"), name="usage_name_uniq"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UploadedBlob",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("upload", models.CharField(help_text="The first two parts of the name.", max_length=1024)),
                ("name", models.CharField(max_length=1024)),
                (
                    "block",
                    models.CharField(
                        blank=True, help_text="A block's id; empty for the file itself.", max_length=88
                    ),
                ),
                ("digest", models.CharField(max_length=64)),
                ("size", models.PositiveBigIntegerField()),
                ("metadata", models.JSONField(blank=True, default=dict)),
                (
                    "completed",
                    models.BooleanField(default=False, help_text="Whether its upload ended with it."),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uploads",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["name", "block"],
                "indexes": [models.Index(fields=["workspace", "upload"], name="uploaded_blob_upload")],
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "name", "block"), name="uploaded_blob_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="Share",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(help_text="The image that goes with it.", max_length=71)),
                (
                    "to",
                    models.CharField(
                        help_text="The name of the other workspace, as it was typed.", max_length=63
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="The environment's name that the sender suggests.", max_length=255
                    ),
                ),
                ("message", models.TextField(blank=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("accepted", "Accepted"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("shared_at", models.DateTimeField(auto_now_add=True)),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "shared_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "accepted",
                    models.ForeignKey(
                        help_text="The copy.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="accepted_from",
                        to="environments.version",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="shares",
                        to="environments.version",
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="received_shares",
                        to="environments.workspace",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        help_text="The sender's.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sent_shares",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["workspace", "-id"], name="share_sent_idx"),
                    models.Index(fields=["target", "state", "-id"], name="share_received_idx"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "waiting")),
                        fields=("version", "to"),
                        name="share_waiting_uniq",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(help_text="The parameters of the list's URL.", max_length=1000)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="saved_views",
                        to=settings.AUTH_USER_MODEL,
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
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "workspace", "name"), name="savedview_name_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="Member",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "reader"), (2, "contributor"), (3, "owner")], default=1
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "user"), name="member_workspace_user_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "reader"), (2, "contributor"), (3, "owner")]
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "used_by",
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
                        related_name="invitations",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="Connection",
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
                            ("registry", "Container registry"),
                            ("index", "Package index (pip)"),
                            ("channel", "Conda channel"),
                        ],
                        max_length=10,
                    ),
                ),
                ("address", models.CharField(max_length=400)),
                ("user", models.CharField(blank=True, max_length=255)),
                ("sealed", models.TextField(help_text="The password or token, encrypted.")),
                ("changed_at", models.DateTimeField()),
                (
                    "changed_by",
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
                        related_name="connections",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["kind", "address"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace", "kind", "address"), name="connection_address_uniq"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AccessToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("hint", models.CharField(max_length=16)),
                (
                    "scope",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "pull images"), (2, "read"), (3, "read and write")], default=2
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="access_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="access_tokens",
                        to="environments.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="ListEntry",
            fields=[
                (
                    "environment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="list_entry",
                        serialize=False,
                        to="environments.environment",
                    ),
                ),
                ("archived", models.BooleanField(default=False)),
                ("name", models.CharField(max_length=255)),
                ("changed_at", models.DateTimeField()),
                ("kind", models.CharField(max_length=20)),
                ("base", models.CharField(blank=True, max_length=400)),
                ("packages", models.PositiveIntegerField(default=0)),
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="list_entry",
                        to="environments.version",
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
                    models.Index(fields=["workspace", "archived"], name="listentry_archived_idx"),
                    models.Index(
                        fields=["workspace", "changed_at", "environment"], name="listentry_changed_at_idx"
                    ),
                    models.Index(fields=["workspace", "name"], name="listentry_name_idx"),
                    models.Index(fields=["workspace", "packages", "name"], name="listentry_packages_idx"),
                    models.Index(fields=["workspace", "kind", "name"], name="listentry_kind_idx"),
                    models.Index(fields=["workspace", "base", "name"], name="listentry_base_idx"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Identity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("issuer", models.CharField(max_length=300)),
                ("subject", models.CharField(max_length=255)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="identities",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("issuer", "subject"), name="identity_subject_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=40)),
                ("subject", models.CharField(max_length=400)),
                ("text", models.TextField(blank=True)),
                (
                    "address",
                    models.CharField(blank=True, help_text="A path in the studio: /w/…", max_length=800),
                ),
                (
                    "own",
                    models.BooleanField(default=False, help_text="About something that this person started."),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "read_at",
                    models.DateTimeField(help_text="The time the person opened or dismissed it.", null=True),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("not sent", "not to be sent"),
                            ("waiting", "Waiting"),
                            ("sent", "Sent"),
                            ("given up", "Given Up"),
                        ],
                        default="not sent",
                        max_length=10,
                    ),
                ),
                (
                    "next_at",
                    models.DateTimeField(help_text="The time of the next attempt to mail it.", null=True),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "ended_at",
                    models.DateTimeField(help_text="The time it was mailed or given up.", null=True),
                ),
                ("problem", models.CharField(blank=True, max_length=400)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["user", "-id"], name="notice_user_idx"),
                    models.Index(
                        condition=models.Q(("read_at", None)),
                        fields=["user", "-id"],
                        name="notice_unread_idx",
                    ),
                    models.Index(
                        condition=models.Q(("state", "waiting")), fields=["next_at"], name="notice_due_idx"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Pin",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pins",
                        to="environments.environment",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pins",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("user", "environment"), name="pin_uniq")],
            },
        ),
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
    ]
