"""Environments and their versions."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models

from environments.definition import Definition
from environments.definition.syntax.registry_names import LATEST, repository_name
from environments.models.workspaces import Workspace
from environments.stored_files import restored

ANONYMOUS = "CliV2AnonymousEnvironment"  # the name that Azure's clients fetch anonymous versions by


class EnvironmentQuerySet(models.QuerySet["Environment"]):
    """Environments as the lists need them."""

    def named(self) -> Self:
        """Return the environments that people gave a name: anonymous ones are never listed (rule 32)."""
        return self.filter(anonymous=False)

    def listed(self) -> Self:
        """Return the environments that lists show: neither archived nor anonymous (rules 32, 33)."""
        return self.named().filter(archived_at=None)


class VersionQuerySet(models.QuerySet["Version"]):
    """Versions as the lists need them."""

    def named(self) -> Self:
        """Return the versions of environments that people gave a name (rule 32)."""
        return self.filter(environment__anonymous=False)


class Environment(models.Model):
    """A name in a workspace that versions belong to."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="environments")
    name = models.CharField(max_length=255)
    repository = models.CharField(
        max_length=128, editable=False, help_text="Its name in container registries, after the workspace's."
    )
    anonymous = models.BooleanField(
        default=False, help_text="Its versions were submitted inline, and are never listed (rule 32)."
    )
    archived_at = models.DateTimeField(null=True, blank=True)
    ignored_findings = models.JSONField(
        default=list, blank=True, help_text="The codes of the findings that its pages fold away."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = EnvironmentQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "name"], name="environment_name_uniq"),
            models.UniqueConstraint(fields=["workspace", "repository"], name="environment_repository_uniq"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save it with its repository name, which is settled with the name."""
        if not self.repository:
            self.repository = repository_name(self.name, curated=self.workspace.curated)
        super().save(*args, **kwargs)

    @property
    def shown_name(self) -> str:
        """The name on pages: that of a curated environment without its prefix."""
        return self.name.removeprefix("AzureML-") if self.workspace.curated else self.name

    @property
    def editable(self) -> bool:
        """Whether its next version can be defined: not in the catalogue (rule 29), nor without a name (rule 32)."""
        return not self.workspace.curated and not self.anonymous

    def latest(self, *, without_content: bool = False) -> "Version | None":
        """Return the most recently created version that is not archived (rule 31).

        `without_content` leaves definition and source in the database until they are read.
        """
        versions = self.versions.filter(archived_at=None).order_by("-created_at", "-pk")
        return (versions.defer(*CONTENT) if without_content else versions).first()

    def version_called(self, name: str, *, without_content: bool = False) -> "Version | None":
        """Return the version that a name means: `latest`, a version's own name, or a label."""
        if name == LATEST:
            return self.latest(without_content=without_content)
        versions = self.versions.defer(*CONTENT) if without_content else self.versions.all()
        return versions.filter(version=name).first() or versions.filter(labels__name=name).first()


CONTENT = ("data", "source")  # the long columns of a version


class Version(models.Model):
    """An immutable definition of an environment. Only description and tags may change (rule 30)."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="versions")
    version = models.CharField(max_length=64)
    number = models.PositiveIntegerField(help_text="1, 2, 3 … in the order of creation.")
    hash = models.CharField(max_length=32, db_index=True)  # computed once, on saving (rule 7)
    data = models.JSONField(help_text="The definition, without the files of a build context.")
    source = models.TextField(blank=True, help_text="The text that the definition was read from, unchanged.")
    source_path = models.CharField(max_length=1000, blank=True, help_text="The file that the text is of.")
    source_format = models.CharField(max_length=40, blank=True)
    kind = models.CharField(max_length=20)
    base = models.CharField(max_length=400, blank=True)
    packages = models.PositiveIntegerField(default=0, help_text="The number of requested packages.")
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict, blank=True)
    based_on = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="derived"
    )
    archived_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(
        null=True, db_index=True, help_text="When an anonymous version was last submitted; null with a name."
    )
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = VersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["environment", "version"], name="version_name_uniq"),
            models.UniqueConstraint(fields=["environment", "number"], name="version_number_uniq"),
        ]

    def __str__(self) -> str:
        return f"{self.environment.name}:{self.version}"

    @property
    def definition(self) -> Definition:
        """The definition as a value."""
        return restored(self.data)

    @property
    def outline(self) -> Definition:
        """The definition, but of a build context only the names and the Dockerfile: large files stay where they are."""
        return restored(self.data, outline=True)


class SourceFile(models.Model):
    """A file that a version's definition was read from, beside the text that is its source."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="source_files")
    path = models.CharField(max_length=1000)
    text = models.TextField(blank=True)

    class Meta:
        ordering = ["path"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "path"], name="source_file_path_uniq")
        ]

    def __str__(self) -> str:
        return self.path


class VersionLabel(models.Model):
    """A name that people give to a version and move to another: `prod`. `environments.versions.labels` writes it."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="labels")
    name = models.CharField(max_length=64)
    # A version with a label cannot be deleted: what is deployed by the label would be gone.
    version = models.ForeignKey(Version, on_delete=models.RESTRICT, related_name="labels")
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    set_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["environment", "name"], name="version_label_uniq")
        ]

    def __str__(self) -> str:
        return self.name
