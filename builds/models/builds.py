"""Builds, their steps, and the requests that wait for them."""

import uuid
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from builds.models.images import Image
from environments.models import Version, Workspace


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the duration in seconds; None if it has not ended. A clock that was set back does not make it negative."""
    return max(0.0, (end - start).total_seconds()) if start and end else None


class BuildState(models.TextChoices):
    """The state of a build: queued → running → succeeded | failed | cancelled."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = [BuildState.QUEUED, BuildState.RUNNING]


class Build(models.Model):
    """One attempt, or several, to build an image from a version."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="builds")
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="builds")
    hash = models.CharField(max_length=32, db_index=True)
    state = models.CharField(max_length=10, choices=BuildState.choices, default=BuildState.QUEUED)
    rebuild = models.BooleanField(default=False)
    reused = models.BooleanField(default=False, help_text="The image existed after all; nothing was built.")
    background = models.BooleanField(
        default=False,
        help_text="No person waits for it: idle workers build it, and stop as soon as others request a build.",
    )
    image = models.ForeignKey(Image, null=True, on_delete=models.SET_NULL, related_name="builds")

    # The worker that builds it. All its writes are conditional on the claim: a worker that lost it changes nothing.
    claim = models.UUIDField(null=True)
    worker = models.CharField(max_length=120, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    reserved_until = models.DateTimeField(
        null=True, help_text="Its requester builds it: no worker claims it before then."
    )
    cancel_requested = models.BooleanField(default=False)
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The owner who stopped it for everyone.",
    )

    # Outcome
    queued_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)  # one sentence: what happened
    error_help = models.TextField(blank=True)  # one sentence: what to do
    error_fault = models.CharField(max_length=10, blank=True)  # author, outside or studio
    error_line = models.PositiveIntegerField(null=True)  # of the log
    causes = models.JSONField(default=list)  # further causes in the log: [{code, message, help, fault, line}]

    details = models.JSONField(
        default=dict,
        help_text="What else is known of a failure: raw text, conflict, and line and text in the definition.",
    )

    # Cursors of the log and of this row: viewers wait for the revision to grow.
    revision = models.PositiveBigIntegerField(default=0)
    log_seq = models.PositiveIntegerField(default=0)
    log_lines = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-queued_at"]
        constraints: ClassVar = [
            # Two people who press Build at the same time get one build.
            models.UniqueConstraint(
                fields=["workspace", "hash"],
                condition=Q(state__in=["queued", "running"]),
                name="build_active_uniq",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "heartbeat_at"]),
            models.Index(fields=["ended_at"], name="build_ended_at_idx"),
            models.Index(fields=["workspace", "queued_at"], name="build_queued_at_idx"),
            models.Index(fields=["workspace", "state", "queued_at"], name="build_state_idx"),
            models.Index(fields=["workspace", "hash", "queued_at"], name="build_hash_idx"),
            # Covers the statistics of a period: they read no row.
            models.Index(
                fields=["workspace", "queued_at", "state", "reused", "started_at", "ended_at", "error_code"],
                condition=Q(ended_at__isnull=False),
                name="build_statistics_idx",
            ),
            models.Index(
                fields=["workspace", "state", "queued_at"],
                condition=Q(state__in=["queued", "running"]),
                name="build_queue_order_idx",
            ),
            models.Index(
                fields=["workspace", "-ended_at"],
                condition=Q(state="succeeded", reused=False),
                name="build_duration_idx",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} ({self.state})"

    @property
    def active(self) -> bool:
        """Whether it is queued or running."""
        return self.state in ACTIVE

    @property
    def seconds(self) -> float | None:
        """The duration from claim to end; None before the end."""
        return seconds_between(self.started_at, self.ended_at)


class BuildRequest(models.Model):
    """A request for a version's image: answered at once by an image, or waiting for a build."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="requests")
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="requests")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    build = models.ForeignKey(Build, null=True, on_delete=models.CASCADE, related_name="requests")
    image = models.ForeignKey(Image, null=True, on_delete=models.SET_NULL, related_name="requests")
    reused = models.BooleanField(default=False)
    joined = models.BooleanField(default=False, help_text="The build was already queued or running.")
    created_at = models.DateTimeField(auto_now_add=True)
    cancelled_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True, help_text="The time the requester saw the outcome.")
    awaited_at = models.DateTimeField(null=True, help_text="The time a program first saw the build running.")
    log_read_at = models.DateTimeField(null=True, help_text="The time a program had read the whole log.")

    class Meta:
        ordering = ["pk"]
        indexes: ClassVar = [
            models.Index(fields=["user", "workspace", "build"], name="buildrequest_user_idx"),
            models.Index(
                fields=["workspace", "created_at", "reused", "joined"], name="buildrequest_statistics_idx"
            ),
            models.Index(fields=["user", "-id"], condition=Q(seen_at=None), name="buildrequest_unseen_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.user} waits for {self.version}"


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
            models.UniqueConstraint(fields=["build", "attempt", "position"], name="step_position_uniq")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def seconds(self) -> float | None:
        """The duration; None while it runs."""
        return seconds_between(self.started_at, self.ended_at)
