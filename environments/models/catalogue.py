"""Proposals for the catalogue, the steps of their review, and deprecations of what it holds."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from environments.models.environments import Environment, Version


class Stage(models.TextChoices):
    """The stage of a proposal: waiting ⇄ changes → published | refused | withdrawn."""

    WAITING = "waiting"
    CHANGES = "changes"
    PUBLISHED = "published"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


OPEN = [Stage.WAITING, Stage.CHANGES]


class Proposal(models.Model):
    """A version of a workspace's environment, proposed as a version of a curated one."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="proposals")
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="proposals")
    name = models.CharField(max_length=255, help_text="The name of the curated environment.")
    as_new = models.BooleanField(help_text="Publishing creates the curated environment.")
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.WAITING)
    # Grows with every step. A decision names the revision that was reviewed, so a stale one is refused.
    revision = models.PositiveIntegerField(default=1)
    description = models.TextField(
        blank=True, help_text="Of the curated environment; empty: the version's own."
    )
    tags = models.JSONField(default=dict, help_text="Of the curated environment.")
    warnings = models.PositiveIntegerField(default=0, help_text="The number of findings above notes.")
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    proposed_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField()
    # The catalogue's latest version when this was published.
    before = models.ForeignKey(Version, null=True, on_delete=models.SET_NULL, related_name="+")
    published = models.ForeignKey(
        Version, null=True, on_delete=models.SET_NULL, related_name="published_from"
    )

    class Meta:
        ordering = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["environment"],
                condition=Q(stage__in=["waiting", "changes"]),
                name="proposal_open_uniq",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["stage", "changed_at", "id"], name="proposal_stage_idx")]

    def __str__(self) -> str:
        return f"{self.version} for {self.name}"

    @property
    def open(self) -> bool:
        """Whether it is undecided."""
        return self.stage in OPEN


class ProposalStep(models.Model):
    """One action in the review of a proposal, with its comment. The table is append-only."""

    class Action(models.TextChoices):
        """The action; one that leads to a stage has the stage's name."""

        PROPOSED = "proposed"
        ANSWERED = "answered"
        CHANGES = "changes"
        PUBLISHED = "published"
        REFUSED = "refused"
        WITHDRAWN = "withdrawn"

    proposal = models.ForeignKey(Proposal, on_delete=models.CASCADE, related_name="steps")
    action = models.CharField(max_length=10, choices=Action.choices)
    version = models.ForeignKey(Version, null=True, on_delete=models.SET_NULL, related_name="+")
    comment = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.by} {self.action} {self.proposal_id}"


class Deprecation(models.Model):
    """The end of a curated environment, or of one version: from which day, the reason, and the successor."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="deprecations")
    # None: all versions.
    version = models.ForeignKey(
        Version, null=True, blank=True, on_delete=models.CASCADE, related_name="deprecations"
    )
    on = models.DateField(help_text="The day from which it may be retired.")
    reason = models.TextField()
    successor = models.ForeignKey(
        Environment, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["on", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["environment"], condition=Q(version=None), name="deprecation_environment_uniq"
            ),
            models.UniqueConstraint(
                fields=["version"], condition=Q(version__isnull=False), name="deprecation_version_uniq"
            ),
        ]

    def __str__(self) -> str:
        return str(self.version or self.environment)
