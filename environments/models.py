"""Workspaces, members, environments, versions and events."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from environments import catalogue_models  # noqa: F401 (its tables are this room's too)
from environments.definition import Definition
from environments.origin import LONGEST_ADDRESS, LONGEST_AGENT, LONGEST_TOKEN, here
from environments.outbox import announce, group_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CATALOGUE = "curated"  # the name of the workspace that holds the curated environments


class Workspace(models.Model):
    """The place people share. The curated catalogue is the one that everybody can read."""

    # It is the first part of an image's name, where engines take lower-case letters only.
    name = models.CharField(
        max_length=63, unique=True, validators=[RegexValidator(r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    )
    title = models.CharField(max_length=120)
    curated = models.BooleanField(default=False)
    anonymous_pull = models.BooleanField(
        default=False,
        help_text="Whoever reaches the studio may pull this workspace's images without signing in.",
    )
    registry = models.CharField(
        max_length=200,
        blank=True,
        validators=[
            RegexValidator(
                r"^(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+|[a-z0-9-]+(?=:))(?::\d{1,5})?"
                r"(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$",
                "That is no address of a container registry, such as registry.example.com/ml.",
            )
        ],
        help_text="Where images are pushed to as well, such as registry.example.com/ml.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["curated"], condition=Q(curated=True), name="one_catalogue")
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.IntegerChoices):
    """What a member may do; a higher role may do all that a lower one may."""

    READER = 1, "reader"
    CONTRIBUTOR = 2, "contributor"
    OWNER = 3, "owner"


class Member(models.Model):
    """A person in a workspace. Members of the catalogue from contributor up are its curators."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.PositiveSmallIntegerField(choices=Role.choices, default=Role.READER)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "user"], name="one_membership_a_workspace")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}"


class Connection(models.Model):
    """Credentials of a workspace for a registry, index or channel: encrypted, and shown to nobody (rule 43)."""

    class Kind(models.TextChoices):
        """What is behind the address."""

        REGISTRY = "registry", "Container registry"
        INDEX = "index", "Package index (pip)"
        CHANNEL = "channel", "Conda channel"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="connections")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    address = models.CharField(max_length=400)
    user = models.CharField(max_length=255, blank=True)
    sealed = models.TextField(help_text="The password or token, encrypted.")
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["kind", "address"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "kind", "address"], name="one_connection_an_address")
        ]

    def __str__(self) -> str:
        return self.address


class EnvironmentQuerySet(models.QuerySet["Environment"]):
    """Environments as the lists need them."""

    def listed(self) -> Self:
        """Those that a list shows: neither archived nor anonymous (rules 32, 33)."""
        return self.filter(archived_at=None, anonymous=False)


class Environment(models.Model):
    """A name in a workspace, under which versions stand."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="environments")
    name = models.CharField(max_length=255)
    anonymous = models.BooleanField(default=False)
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = EnvironmentQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "name"], name="one_environment_a_name")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def shown_name(self) -> str:
        """The name as the page shows it: curated ones without their prefix."""
        return self.name.removeprefix("AzureML-") if self.workspace.curated else self.name

    def latest(self) -> "Version | None":
        """Return the most recently created version that is not archived (rule 31)."""
        return self.versions.filter(archived_at=None).order_by("-created_at", "-pk").first()


class Version(models.Model):
    """An immutable definition under an environment. Only description and tags may change (rule 30)."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="versions")
    version = models.CharField(max_length=64)
    number = models.PositiveIntegerField(help_text="1, 2, 3 … in the order of creation.")
    hash = models.CharField(max_length=32, db_index=True)  # computed once, at saving (rule 7)
    data = models.JSONField(help_text="The definition.")
    source = models.TextField(blank=True, help_text="The text that was given, as it was given.")
    source_format = models.CharField(max_length=40, blank=True)
    kind = models.CharField(max_length=20)
    base = models.CharField(max_length=400, blank=True)
    packages = models.PositiveIntegerField(default=0, help_text="How many packages were asked for.")
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict, blank=True)
    based_on = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="derived"
    )
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["environment", "version"], name="one_version_a_name"),
            models.UniqueConstraint(fields=["environment", "number"], name="one_version_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.environment.name}:{self.version}"

    @property
    def definition(self) -> Definition:
        """The definition as a value."""
        return Definition.model_validate(self.data)


class Use(models.Model):
    """A run, model or deployment that reported which version it uses (rule 34). `environments.uses` writes it."""

    class Kind(models.TextChoices):
        """What it is that uses a version."""

        RUN = "run", _("Run")
        MODEL = "model", _("Model")
        DEPLOYMENT = "deployment", _("Deployment")

    # Where it belongs; that may be another workspace than the environment's: everybody uses curated ones.
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="uses", db_index=False)
    # What was ever used cannot be deleted: a run's environment can be found again.
    environment = models.ForeignKey(
        Environment, on_delete=models.RESTRICT, related_name="uses", db_index=False
    )
    version = models.ForeignKey(Version, on_delete=models.RESTRICT, related_name="uses", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=255)
    link = models.CharField(max_length=2000, blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(help_text="When it was last reported.")
    ended_at = models.DateTimeField(null=True, blank=True)
    reported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "workspace", "kind", "name"], name="one_use_a_name")
        ]
        indexes: ClassVar = [
            models.Index(fields=["environment", "-last_at", "-id"], name="uses_by_age"),
            models.Index(fields=["workspace", "kind", "name"], name="uses_of_a_name"),
            models.Index(
                fields=["environment", "version"], condition=Q(ended_at=None), name="uses_that_go_on"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def active(self) -> bool:
        """Whether it goes on: what it uses is then neither archived nor deleted."""
        return self.ended_at is None


class Identity(models.Model):
    """A person as an OpenID Connect provider knows them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_identity_a_subject")
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.issuer}"


class Scope(models.IntegerChoices):
    """What a token may be used for; a higher scope includes the lower ones."""

    PULL = 1, "pull images"
    READ = 2, "read"
    WRITE = 3, "read and write"


class AccessToken(models.Model):
    """A password for programs: it may do what its scope and its owner may, until it expires or is revoked."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_tokens"
    )
    name = models.CharField(max_length=120)
    digest = models.CharField(max_length=64, unique=True)  # sha256: the secret itself is nowhere
    hint = models.CharField(max_length=16)  # its first characters, to tell one from another
    scope = models.PositiveSmallIntegerField(choices=Scope.choices, default=Scope.READ)
    workspace = models.ForeignKey(
        Workspace, null=True, blank=True, on_delete=models.CASCADE, related_name="access_tokens"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class Listing(models.Model):
    """An environment as lists show and search it: `environments.lists.keep_listed` writes it with each change.

    What a list sorts by stands in one narrow row, so that a hundred thousand of them cost no more than ten.
    """

    environment = models.OneToOneField(
        Environment, on_delete=models.CASCADE, primary_key=True, related_name="listing"
    )
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    version = models.OneToOneField(Version, on_delete=models.CASCADE, related_name="listing")
    archived = models.BooleanField(default=False)
    name = models.CharField(max_length=255)  # in lower case
    changed_at = models.DateTimeField()
    kind = models.CharField(max_length=20)
    base = models.CharField(max_length=400, blank=True)
    packages = models.PositiveIntegerField(default=0)
    words = models.TextField(help_text="All that the search looks at, in lower case.")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["workspace", "archived"], name="listed_archived"),
            models.Index(fields=["workspace", "changed_at", "environment"], name="listed_by_change"),
            models.Index(fields=["workspace", "name"], name="listed_by_name"),
            models.Index(fields=["workspace", "packages", "name"], name="listed_by_packages"),
            models.Index(fields=["workspace", "kind", "name"], name="listed_by_kind"),
            models.Index(fields=["workspace", "base", "name"], name="listed_by_base"),
        ]

    def __str__(self) -> str:
        return str(self.version)


class Event(models.Model):
    """Who did what to which thing: the activity page and the audit log. Rows are only ever added.

    A trigger of the database refuses everything else, so what has events is not deleted either.
    """

    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.PROTECT, related_name="events")
    environment = models.ForeignKey(
        Environment, null=True, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=60)  # "version.created", "build.requested" …
    about = models.CharField(max_length=20)  # the EventGroup of the verb
    subject = models.CharField(max_length=400)  # the thing as people name it: "forecast:3"
    before = models.JSONField(null=True)  # {field: value}, of what was changed or is no more
    after = models.JSONField(null=True)  # {field: value}, of what was changed or made
    details = models.JSONField(default=dict)
    # Where it came from; empty for what workers do, a command has no address
    address = models.CharField(max_length=LONGEST_ADDRESS, blank=True)
    agent = models.CharField(max_length=LONGEST_AGENT, blank=True)
    token = models.CharField(max_length=LONGEST_TOKEN, blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-at", "-pk"]
        # Each filter of the activity page has an index that ends in the page's order.
        indexes: ClassVar = [
            models.Index(fields=["workspace", "-at", "-id"], name="events_by_time"),
            models.Index(fields=["workspace", "actor", "-at", "-id"], name="events_by_person"),
            models.Index(fields=["workspace", "about", "-at", "-id"], name="events_by_group"),
            models.Index(fields=["workspace", "verb", "-at", "-id"], name="events_by_verb"),
            models.Index(fields=["environment", "-at", "-id"], name="events_by_environment"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"


def record(
    verb: str,
    subject: str,
    *,
    workspace: Workspace | None,
    actor: "User | None" = None,
    environment: Environment | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **details: object,
) -> Event:
    """Add an event to the activity of a workspace, in the transaction that changes what it tells of.

    `before` and `after` are the fields that changed; what is made has no before, what goes no after.
    """
    with transaction.atomic():
        event = Event.objects.create(
            workspace=workspace,
            environment=environment,
            actor=actor,
            verb=verb,
            about=group_of(verb),
            subject=subject[:400],
            before=before,
            after=after,
            details=details,
            **here().as_fields(),
        )
        announce(event)
    return event
