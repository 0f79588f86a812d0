"""Workspaces and their members."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

CATALOGUE = "curated"  # the name of the workspace that holds the curated environments


class Compression(models.TextChoices):
    """The compression of images' layers; `both` is an index of an image in each."""

    GZIP = "gzip"
    ZSTD = "zstd"
    BOTH = "both"


class Bytecode(models.TextChoices):
    """Which modules are compiled for images: those that imports reach from the requested packages, all, or none."""

    IMPORTED = "imported"
    ALL = "all"
    NONE = "none"


class ImportTest(models.TextChoices):
    """When the packages of images are imported in a container: right after the build, as a part of it, or never."""

    AFTER = "after"
    ON = "on"
    OFF = "off"


class Workspace(models.Model):
    """A group of people with their environments and images. Everybody can read the curated catalogue."""

    # The first part of an image's name, in which engines accept lower-case letters only.
    name = models.CharField(
        max_length=63, unique=True, validators=[RegexValidator(r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    )
    title = models.CharField(max_length=120)
    curated = models.BooleanField(default=False)
    anonymous_pull = models.BooleanField(
        default=False,
        help_text="Anyone who reaches the studio may pull this workspace's images without signing in.",
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
        help_text="A registry that images are also pushed to, such as registry.example.com/ml.",
    )
    cutoff = models.JSONField(
        default=dict,
        blank=True,
        help_text="How old packages must be, as a definition's cutoff; empty for no limit.",
    )
    compression = models.CharField(
        max_length=10,
        blank=True,
        choices=Compression.choices,
        help_text="The compression of its new images; empty for the studio's.",
    )
    bytecode = models.CharField(
        max_length=10,
        blank=True,
        choices=Bytecode.choices,
        help_text="Which modules are compiled for its new images; empty for the studio's choice.",
    )
    import_test = models.CharField(
        max_length=5,
        blank=True,
        choices=ImportTest.choices,
        help_text="When the packages of its images are imported; empty for the studio's choice.",
    )
    opened = models.BooleanField(
        default=False, help_text="Opened for sharing: Azure's clients use it as the registry of this name."
    )
    receives_shares = models.BooleanField(
        default=True, help_text="Versions that other workspaces share with this one wait for its owners."
    )
    protected_labels = models.JSONField(
        default=list, blank=True, help_text="The labels that only owners set, move and remove."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["curated"], condition=Q(curated=True), name="workspace_catalogue_uniq"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.IntegerChoices):
    """A member's role; a higher role includes the rights of the lower ones."""

    READER = 1, "reader"
    CONTRIBUTOR = 2, "contributor"
    OWNER = 3, "owner"


class Member(models.Model):
    """A user's membership of a workspace. The catalogue's contributors and owners are its curators."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.PositiveSmallIntegerField(choices=Role.choices, default=Role.READER)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "user"], name="member_workspace_user_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}"


class Invitation(models.Model):
    """A link that makes its first user a member. Only a digest of its secret is stored."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    role = models.PositiveSmallIntegerField(choices=Role.choices)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{Role(self.role).label} of {self.workspace}"
