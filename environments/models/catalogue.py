"""What is proposed for the catalogue, who said what about it, and what is to go from it."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class Stage(models.TextChoices):
    """Where a proposal is: waiting ⇄ changes → published | refused | withdrawn."""

    WAITING = "waiting"
    CHANGES = "changes"
    PUBLISHED = "published"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


OPEN = [Stage.WAITING, Stage.CHANGES]


class Proposal(models.Model):
    """A version of a workspace's environment that is to become a version of a curated one."""

    environment = models.ForeignKey(
        "environments.Environment", on_delete=models.CASCADE, related_name="proposals"
    )
    version = models.ForeignKey("environments.Version", on_delete=models.CASCADE, related_name="proposals")
    name = models.CharField(max_length=255, help_text="Of the curated environment.")
    as_new = models.BooleanField(help_text="There is to be a curated environment of that name only now.")
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.WAITING)
    # Moves with every step: whoever decides says what they had seen.
    turn = models.PositiveIntegerField(default=1)
    warnings = models.PositiveIntegerField(default=0, help_text="Findings that are more than notes.")
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    proposed_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField()
    before = models.ForeignKey(
        "environments.Version", null=True, on_delete=models.SET_NULL, related_name="+"
    )  # the catalogue's latest version when this was published
    published = models.ForeignKey(
        "environments.Version", null=True, on_delete=models.SET_NULL, related_name="published_from"
    )

    class Meta:
        ordering = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["environment"],
                condition=Q(stage__in=["waiting", "changes"]),
                name="one_open_proposal",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["stage", "changed_at", "id"], name="proposals_by_age")]

    def __str__(self) -> str:
        return f"{self.version} for {self.name}"

    @property
    def open(self) -> bool:
        """Whether it has yet to be decided."""
        return self.stage in OPEN


class ProposalStep(models.Model):
    """What somebody did about a proposal, and said. Rows are only ever added."""

    class What(models.TextChoices):
        """What was done; what ends in a stage is called like it."""

        PROPOSED = "proposed"
        ANSWERED = "answered"
        CHANGES = "changes"
        PUBLISHED = "published"
        REFUSED = "refused"
        WITHDRAWN = "withdrawn"

    proposal = models.ForeignKey(Proposal, on_delete=models.CASCADE, related_name="steps")
    what = models.CharField(max_length=10, choices=What.choices)
    version = models.ForeignKey(
        "environments.Version", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    words = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.by} {self.what} {self.proposal_id}"


class Deprecation(models.Model):
    """That a curated environment, or one version of it, is to be used no more: from when, why, and what instead."""

    environment = models.ForeignKey(
        "environments.Environment", on_delete=models.CASCADE, related_name="deprecations"
    )
    version = models.ForeignKey(
        "environments.Version", null=True, blank=True, on_delete=models.CASCADE, related_name="deprecations"
    )  # None: all of them
    on = models.DateField(help_text="The day from which it may be retired.")
    reason = models.TextField()
    successor = models.ForeignKey(
        "environments.Environment", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["on", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["environment"], condition=Q(version=None), name="one_deprecation_an_environment"
            ),
            models.UniqueConstraint(
                fields=["version"], condition=Q(version__isnull=False), name="one_deprecation_a_version"
            ),
        ]

    def __str__(self) -> str:
        return str(self.version or self.environment)
