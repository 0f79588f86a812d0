"""Images, builds, the requests that wait for them, their steps and their logs."""

import uuid
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from builds import preview_models, trial_models  # noqa: F401 (their tables are this room's too)
from environments.definition import Definition, ImageReference
from environments.models import Version, Workspace


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return how long something took; None where it has not ended. A clock that was set back makes no time negative."""
    return max(0.0, (end - start).total_seconds()) if start and end else None


class Image(models.Model):
    """What a definition's hash was built into. One is current; older ones stay addressable by digest."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="images")
    hash = models.CharField(max_length=32, db_index=True)
    repository = models.CharField(max_length=200)  # azureml/azureml_<hash>
    digest = models.CharField(max_length=71, db_index=True)  # of the manifest
    size = models.BigIntegerField(help_text="Bytes of all layers, compressed.")
    layers = models.JSONField(default=list)  # [{digest, size, what}]
    pushed_to = models.CharField(
        max_length=420, blank=True, help_text="Its name in the workspace's registry, where it has one."
    )
    lock = models.JSONField(null=True)
    packages = models.PositiveIntegerField(default=0)
    misfits = models.JSONField(
        null=True, help_text="What `pip check` would say of it, a sentence each; null where nobody looked."
    )
    base = models.CharField(max_length=400)
    base_digest = models.CharField(max_length=71)
    base_created_at = models.DateTimeField(null=True, help_text="When the base was made, where it says so.")
    floating = models.BooleanField(
        default=False, help_text="The base is looked up by a tag that moves (rule 18)."
    )
    interpreter = models.CharField(max_length=400, blank=True)
    python = models.CharField(max_length=20, blank=True)
    current = models.BooleanField(default=True)
    built_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-built_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "hash"], condition=Q(current=True), name="one_current_image"
            ),
            models.UniqueConstraint(fields=["workspace", "hash", "digest"], name="one_image_a_digest"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "built_at", "id"], name="images_by_age"),
            models.Index(fields=["workspace", "used_at", "id"], name="images_by_use"),
            models.Index(fields=["workspace", "size", "id"], name="images_by_size"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The image's whole name in this studio: workspace/azureml/azureml_<hash>."""
        return f"{self.workspace.name}/{self.repository}"

    def use(self) -> bool:
        """Note that somebody uses it, which keeps it from the next clean-up; False where it has just gone."""
        return bool(Image.objects.filter(pk=self.pk).update(used_at=timezone.now()))


class ImageLayer(models.Model):
    """A layer of an image, by which the images that share it are found. `builds.layers` writes them with the image."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="shares")
    digest = models.CharField(max_length=71)
    size = models.BigIntegerField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["digest", "image"], name="images_of_a_layer")]

    def __str__(self) -> str:
        return f"{self.digest} in {self.image_id}"


class Package(models.Model):
    """A package in one version, whatever images it is in: a name has few of them, so that they can be compared."""

    ecosystem = models.CharField(max_length=10)  # pypi, conda; python for the interpreter itself
    name = models.CharField(max_length=200)  # normalised
    version = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "ecosystem", "version"], name="one_package_a_version")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class ImagePackage(models.Model):
    """A package in an image. `builds.packages` writes them from the lock, with the image."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="holds")
    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="held", db_index=False)
    size = models.BigIntegerField(default=0)
    requested = models.BooleanField(default=False)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["package", "image"], name="images_of_a_package")]

    def __str__(self) -> str:
        return f"{self.package} in {self.image_id}"


class BaseImage(models.Model):
    """What a floating base was when it was last looked up (rule 18): an image by its reference, or a Dockerfile."""

    reference = models.CharField(max_length=400, unique=True)
    digest = models.CharField(max_length=71)
    checked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.reference}@{self.digest}"

    @staticmethod
    def reference_of(definition: Definition) -> str:
        """Return under what a definition's base stands here: the whole reference, or the Dockerfile's hash."""
        if definition.image is None:
            return f"Dockerfile {definition.hash}"
        return str(ImageReference.parse(definition.image))


class State(models.TextChoices):
    """Where a build is: queued → running → succeeded | failed | cancelled."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = [State.QUEUED, State.RUNNING]


class Build(models.Model):
    """The making of one image."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="builds")
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="builds")
    hash = models.CharField(max_length=32, db_index=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    rebuild = models.BooleanField(default=False)
    reused = models.BooleanField(default=False, help_text="The image was there after all; nothing was made.")
    image = models.ForeignKey(Image, null=True, on_delete=models.SET_NULL, related_name="builds")

    # Who is building it. All that a worker writes goes through the claim: a worker that lost it changes nothing.
    claim = models.UUIDField(null=True)
    worker = models.CharField(max_length=120, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    reserved_until = models.DateTimeField(
        null=True, help_text="Who asked for it builds it too: no worker takes it before then."
    )
    cancel_requested = models.BooleanField(default=False)
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who ended it for everybody that waited.",
    )

    # How it went
    queued_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)  # one sentence: what happened
    error_help = models.TextField(blank=True)  # and what to do
    error_fault = models.CharField(max_length=10, blank=True)  # author, outside or studio
    error_line = models.PositiveIntegerField(null=True)  # of the log
    causes = models.JSONField(default=list)  # what else the log shows: [{code, message, help, fault, line}]

    # Where the log and this row are: viewers wait for the revision to move.
    revision = models.PositiveBigIntegerField(default=0)
    log_seq = models.PositiveIntegerField(default=0)
    log_lines = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-queued_at"]
        constraints: ClassVar = [
            # Two people who press Build at once get one build.
            models.UniqueConstraint(
                fields=["workspace", "hash"],
                condition=Q(state__in=["queued", "running"]),
                name="one_active_build",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "heartbeat_at"]),
            models.Index(fields=["ended_at"], name="when_it_ended"),
            models.Index(fields=["workspace", "queued_at"], name="builds_by_age"),
            models.Index(fields=["workspace", "state", "queued_at"], name="builds_of_a_state"),
            models.Index(fields=["workspace", "hash", "queued_at"], name="builds_of_a_hash"),
            # All that the figures of a period are made of: no row is read for them.
            models.Index(
                fields=["workspace", "queued_at", "state", "reused", "started_at", "ended_at", "error_code"],
                condition=Q(ended_at__isnull=False),
                name="builds_in_figures",
            ),
            models.Index(
                fields=["workspace", "state", "queued_at"],
                condition=Q(state__in=["queued", "running"]),
                name="whose_turn_it_is",
            ),
            models.Index(
                fields=["workspace", "-ended_at"],
                condition=Q(state="succeeded", reused=False),
                name="how_long_it_took",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} ({self.state})"

    @property
    def active(self) -> bool:
        """Whether it has yet to end."""
        return self.state in ACTIVE

    @property
    def seconds(self) -> float | None:
        """How long it took, from claim to end; None before that."""
        return seconds_between(self.started_at, self.ended_at)


class WorkspaceLimits(models.Model):
    """What a workspace may have of its own; an empty field takes the default of the settings.

    Its row is also what a worker holds while it counts the workspace's builds and takes one of them.
    """

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="limits")
    at_once = models.PositiveIntegerField(null=True, blank=True)
    queued = models.PositiveIntegerField(null=True, blank=True)
    seconds = models.PositiveIntegerField(null=True, blank=True)
    disk = models.PositiveBigIntegerField(null=True, blank=True, help_text="Bytes that a build may add.")
    served_at = models.DateTimeField(
        null=True, editable=False, help_text="When a worker last took a build of it."
    )

    class Meta:
        verbose_name_plural = "workspace limits"

    def __str__(self) -> str:
        return f"limits of {self.workspace}"

    def given(self) -> dict[str, int]:
        """Return the limits that this workspace has of its own."""
        own = {name: getattr(self, name) for name in ("at_once", "queued", "seconds", "disk")}
        return {name: value for name, value in own.items() if value is not None}


class Request(models.Model):
    """Somebody who asked for a version's image: answered at once, or waiting for a build."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="requests")
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="requests")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    build = models.ForeignKey(Build, null=True, on_delete=models.CASCADE, related_name="requests")
    image = models.ForeignKey(Image, null=True, on_delete=models.SET_NULL, related_name="requests")
    reused = models.BooleanField(default=False)
    joined = models.BooleanField(default=False, help_text="The build was under way already.")
    created_at = models.DateTimeField(auto_now_add=True)
    cancelled_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True, help_text="When they had seen how the build ended.")

    class Meta:
        ordering = ["pk"]
        indexes: ClassVar = [
            models.Index(fields=["user", "workspace", "build"], name="requests_of_a_person"),
            models.Index(fields=["workspace", "created_at", "reused", "joined"], name="requests_in_figures"),
            models.Index(fields=["user", "-id"], condition=Q(told_at=None), name="not_told_yet"),
        ]

    def __str__(self) -> str:
        return f"{self.user} waits for {self.version}"


class LastSweep(models.Model):
    """When a worker last began to sweep the store by itself. There is one row, and who moves it sweeps."""

    begun_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"swept at {self.begun_at}"


class Step(models.Model):
    """A part of a build, with its own part of the log."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="steps")
    attempt = models.PositiveSmallIntegerField()
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=20)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    cached = models.BooleanField(default=False)
    failed = models.BooleanField(default=False)
    first_line = models.PositiveIntegerField()
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    unit = models.CharField(max_length=20, blank=True)
    parts = models.JSONField(default=list)  # a Dockerfile's steps: [{name, line, seconds, cached, failed}]

    class Meta:
        ordering = ["attempt", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["build", "attempt", "position"], name="one_step_a_position")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it goes on."""
        return seconds_between(self.started_at, self.ended_at)


class LogChunk(models.Model):
    """A run of whole lines of a build's log. Chunks are only ever added; `seq` is a viewer's cursor."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="chunks")
    seq = models.PositiveIntegerField()
    step = models.CharField(max_length=20, blank=True)
    first_line = models.PositiveIntegerField()
    text = models.TextField()

    class Meta:
        ordering = ["seq"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["build", "seq"], name="one_chunk_a_seq")]

    def __str__(self) -> str:
        return f"{self.build_id} #{self.seq}"


class LogBlock(models.Model):
    """A run of chunks of a log that has ended, packed into one row; `builds.logs` reads both alike."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="blocks")
    first_seq = models.PositiveIntegerField()
    last_seq = models.PositiveIntegerField()
    first_line = models.PositiveIntegerField()
    last_line = models.PositiveIntegerField()
    packed = models.BinaryField()

    class Meta:
        ordering = ["first_seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["build", "first_seq"], name="one_block_a_run")
        ]

    def __str__(self) -> str:
        return f"{self.build_id} #{self.first_seq} to #{self.last_seq}"
