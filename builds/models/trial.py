"""That an image was started once and imported what was asked for: how that stands, and what came of it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class TrialState(models.TextChoices):
    """Where a trial is: waiting → running → passed | failed | untried."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    UNTRIED = "untried"  # there was nothing to try it with; `words` say what


PENDING = [TrialState.WAITING, TrialState.RUNNING]


class Trial(models.Model):
    """What came of starting an image: one row a digest, whoever has that image."""

    digest = models.CharField(max_length=71, unique=True)  # of the image's manifest
    state = models.CharField(max_length=10, choices=TrialState.choices, default=TrialState.WAITING)
    asked_at = models.DateTimeField(auto_now_add=True)
    # Who is at it: what a worker writes goes through its claim, as with builds.
    claim = models.UUIDField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    # What came of it
    ended_at = models.DateTimeField(null=True)
    words = models.TextField(blank=True, help_text="Why it was not tried.")
    python = models.CharField(max_length=20, blank=True)
    imported = models.PositiveIntegerField(default=0, help_text="Modules.")
    problems = models.JSONField(default=list)  # [{package, module, words}]
    skipped = models.JSONField(default=list)  # packages that have nothing to import

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["state", "asked_at"],
                condition=Q(state__in=["waiting", "running"]),
                name="trials_to_make",
            )
        ]

    def __str__(self) -> str:
        return f"trial of {self.digest} ({self.state})"

    @property
    def pending(self) -> bool:
        """Whether it has yet to end."""
        return self.state in PENDING
