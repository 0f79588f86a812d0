"""Healing: runs over environments that an advisory affects, and what became of each."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from builds.models.advisories import Advisory
from builds.models.builds import Build
from environments.models import Environment, Version, Workspace
from environments.models.catalogue import Proposal


class HealState(models.TextChoices):
    """The state of an item: waiting → planned (of a rehearsal), or → building → testing → healed | proposed | ready.

    It ends as refused or failed where that is impossible, and as current where nothing was to do.
    """

    WAITING = "waiting"
    PLANNING = "planning"
    PLANNED = "planned"
    BUILDING = "building"
    TESTING = "testing"
    READY = "ready"  # built, but not tested or not to be saved: somebody decides
    HEALED = "healed"
    PROPOSED = "proposed"
    CURRENT = "current"
    REFUSED = "refused"
    FAILED = "failed"


OPEN_STATES = [HealState.WAITING, HealState.PLANNING, HealState.BUILDING, HealState.TESTING]


class HealRun(models.Model):
    """One request to heal the latest versions of environments that these advisories affect."""

    advisories = models.ManyToManyField(Advisory, related_name="heal_runs")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    requested_at = models.DateTimeField(auto_now_add=True)
    dry_run = models.BooleanField(default=True, help_text="Nothing is built or saved.")
    report_only = models.BooleanField(
        default=False, help_text="Images are built and tested; nothing is saved."
    )
    untested = models.BooleanField(default=False, help_text="Saves what no worker could test.")
    workspace = models.ForeignKey(
        Workspace,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Where changes of curated environments are built, and proposed from.",
    )
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"heal run {self.pk}"


class HealItem(models.Model):
    """An environment of a run: the version that is affected, what changes, and what became of it."""

    run = models.ForeignKey(HealRun, on_delete=models.CASCADE, related_name="items")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="heal_items")
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="heal_items")
    after = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="derived",
        help_text="The item of the environment that this one was started from: it comes first.",
    )
    state = models.CharField(max_length=10, choices=HealState.choices, default=HealState.WAITING)
    claim = models.UUIDField(null=True)
    claimed_at = models.DateTimeField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    requirements = models.JSONField(default=list)  # [[before, after]]
    changes = models.JSONField(default=list)  # of the lock: [{name, before, after}]
    reason = models.TextField(blank=True, help_text="Why it was refused, failed, or waits for somebody.")
    base = models.CharField(
        max_length=400, blank=True, help_text="Its base image, if that brings what is affected: rebase it."
    )
    candidate = models.ForeignKey(Version, null=True, on_delete=models.SET_NULL, related_name="+")
    build = models.ForeignKey(Build, null=True, on_delete=models.SET_NULL, related_name="+")
    published = models.ForeignKey(Version, null=True, on_delete=models.SET_NULL, related_name="+")
    proposal = models.ForeignKey(Proposal, null=True, on_delete=models.SET_NULL, related_name="+")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "environment"], name="healitem_environment_uniq")
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["state", "id"],
                condition=Q(state__in=["waiting", "planning", "building", "testing"]),
                name="healitem_open_idx",
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} ({self.state})"

    @property
    def open(self) -> bool:
        """Whether something is still to be done."""
        return self.state in OPEN_STATES
