"""Trials: an image is started once, and its requested packages are imported."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class TrialState(models.TextChoices):
    """The state of a trial: waiting → running → passed | failed | untried."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    UNTRIED = "untried"  # it could not be tried; `reason` says why


PENDING = [TrialState.WAITING, TrialState.RUNNING]


class Trial(models.Model):
    """The outcome of starting an image: one row for each digest, shared by all its images."""

    digest = models.CharField(max_length=71, unique=True)  # of the image's manifest
    state = models.CharField(max_length=10, choices=TrialState.choices, default=TrialState.WAITING)
    requested_at = models.DateTimeField(auto_now_add=True)
    # The worker that runs it. Its writes are conditional on the claim, as with builds.
    claim = models.UUIDField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    # Outcome
    ended_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True, help_text="The reason it was not tried.")
    python = models.CharField(max_length=20, blank=True)
    imported = models.PositiveIntegerField(default=0, help_text="Modules.")
    problems = models.JSONField(default=list)  # [{package, module, error}]
    skipped = models.JSONField(default=list)  # packages without a module to import

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["state", "requested_at"],
                condition=Q(state__in=["waiting", "running"]),
                name="trial_pending_idx",
            )
        ]

    def __str__(self) -> str:
        return f"trial of {self.digest} ({self.state})"

    @property
    def pending(self) -> bool:
        """Whether it is waiting or running."""
        return self.state in PENDING


class SmokeTest(models.Model):
    """The outcome of a definition's own command in an image: one row for each digest and command."""

    digest = models.CharField(max_length=71)  # of the image's manifest or index
    command = models.CharField(max_length=64, help_text="The sha256 of the command's text.")
    state = models.CharField(max_length=10, choices=TrialState.choices)
    ended_at = models.DateTimeField(auto_now=True)
    seconds = models.FloatField(default=0)
    ending = models.CharField(max_length=600, blank=True, help_text="How it ended, or why it was not run.")
    output = models.TextField(blank=True, help_text="The end of its output.")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["digest", "command"], name="smoketest_uniq")]

    def __str__(self) -> str:
        return f"smoke test of {self.digest} ({self.state})"
