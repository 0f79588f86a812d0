"""Look-ups of base images, and rebases: images that are put on another base."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from builds.models.images import DEFAULT_PLATFORMS, Image
from environments.models import Workspace


class BaseCheck(models.Model):
    """The digest of a workspace's base at the last look-up, which each workspace makes with its own credentials."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="base_checks")
    reference = models.CharField(max_length=400)
    platforms = models.CharField(max_length=100, default=DEFAULT_PLATFORMS)
    digest = models.CharField(max_length=71, blank=True, help_text="What the reference means now.")
    created_at = models.DateTimeField(null=True, help_text="When that was created, if it says so.")
    newer = models.CharField(max_length=128, blank=True, help_text="A tag with a newer patch.")
    checked_at = models.DateTimeField(null=True, help_text="The last successful look-up.")
    requested_at = models.DateTimeField(null=True, help_text="Somebody waits for a look-up since then.")
    next_at = models.DateTimeField(null=True, help_text="No worker looks it up before then.")
    problem = models.CharField(max_length=400, blank=True, help_text="The reason the last look-up failed.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "reference", "platforms"], name="basecheck_reference_uniq"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["next_at"], name="basecheck_next_idx")]

    def __str__(self) -> str:
        return f"{self.reference}@{self.digest} for {self.workspace_id}"


class RebaseState(models.TextChoices):
    """The state of a rebase: planning → ready → running → done; or cancelled, or failed."""

    PLANNING = "planning"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


WORKED_ON = [RebaseState.PLANNING, RebaseState.RUNNING]


class Rebase(models.Model):
    """Images of a base that are put on another: planned by a worker, shown, and then run by a worker."""

    workspace = models.ForeignKey(
        Workspace, null=True, on_delete=models.CASCADE, related_name="rebases", help_text="None: all of them."
    )
    base = models.CharField(max_length=400, help_text="The reference of the base that the images are on.")
    base_digest = models.CharField(max_length=71, blank=True, help_text="Only images on this digest.")
    target = models.CharField(max_length=400, help_text="The reference of the base to put them on.")
    rebuild = models.BooleanField(default=False, help_text="Build the images that cannot be rebased.")
    state = models.CharField(max_length=10, choices=RebaseState.choices, default=RebaseState.PLANNING)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    requested_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    cancel_requested = models.BooleanField(default=False)
    problem = models.TextField(blank=True, help_text="The reason it failed.")
    # The worker that plans or runs it. Its writes are conditional on the claim, as with builds.
    claim = models.UUIDField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        indexes: ClassVar = [
            models.Index(
                fields=["state"],
                condition=models.Q(state__in=["planning", "running"]),
                name="rebase_waiting_idx",
            )
        ]

    def __str__(self) -> str:
        return f"rebase of {self.base} ({self.state})"

    @property
    def active(self) -> bool:
        """Whether a worker has it, or will have it."""
        return self.state in WORKED_ON


class Fate(models.TextChoices):
    """The fate of an image: rebase → rebased, rebuild → rebuilding, refused, or moved by somebody else."""

    REBASE = "rebase"
    REBASED = "rebased"
    REBUILD = "rebuild"
    REBUILDING = "rebuilding"
    REFUSED = "refused"
    MOVED = "moved"


class RebasedImage(models.Model):
    """An image in a rebase, and its history: which digest it was, on which base, and which it became."""

    rebase = models.ForeignKey(Rebase, on_delete=models.CASCADE, related_name="images")
    image = models.ForeignKey(Image, null=True, on_delete=models.SET_NULL, related_name="+")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    hash = models.CharField(max_length=32)
    fate = models.CharField(max_length=10, choices=Fate.choices, default=Fate.REBASE)
    reason_code = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=600, blank=True)
    digest_before = models.CharField(max_length=71)
    digest_after = models.CharField(max_length=71, blank=True)
    base_before = models.CharField(max_length=400)
    base_digest_before = models.CharField(max_length=71)
    base_after = models.CharField(max_length=400, blank=True)
    base_digest_after = models.CharField(max_length=71, blank=True)
    at = models.DateTimeField(null=True, help_text="When it was rebased.")
    named = models.BooleanField(default=False, help_text="Its names have moved too.")

    class Meta:
        ordering = ["pk"]
        indexes: ClassVar = [
            models.Index(fields=["rebase", "fate", "id"], name="rebasedimage_fate_idx"),
            models.Index(fields=["workspace", "hash", "fate"], name="rebasedimage_hash_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.digest_before} ({self.fate})"


class LastBaseCheck(models.Model):
    """The last time that bases in use were queued for look-ups: a single row. The worker that updates it queues them."""

    started_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"queued at {self.started_at}"
