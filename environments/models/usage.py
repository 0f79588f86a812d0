"""Runs, models and deployments that use a version."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from environments.models.environments import Environment, Version
from environments.models.workspaces import Workspace


class Usage(models.Model):
    """A run, model or deployment that reported the version it uses (rule 34). `environments.versions.uses` writes it."""

    class Kind(models.TextChoices):
        """The thing that uses a version."""

        RUN = "run", _("Run")
        MODEL = "model", _("Model")
        DEPLOYMENT = "deployment", _("Deployment")

    # The workspace of the user of the version: often another than the environment's, since everybody uses curated ones.
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="uses", db_index=False)
    # A version that was ever used cannot be deleted: a run's environment stays traceable.
    environment = models.ForeignKey(
        Environment, on_delete=models.RESTRICT, related_name="uses", db_index=False
    )
    version = models.ForeignKey(Version, on_delete=models.RESTRICT, related_name="uses", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=255)
    link = models.CharField(max_length=2000, blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(help_text="The time of the last report.")
    ended_at = models.DateTimeField(null=True, blank=True)
    reported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "workspace", "kind", "name"], name="usage_name_uniq")
        ]
        indexes: ClassVar = [
            models.Index(fields=["environment", "-last_at", "-id"], name="usage_last_at_idx"),
            models.Index(fields=["workspace", "kind", "name"], name="usage_workspace_name_idx"),
            models.Index(
                fields=["environment", "version"], condition=Q(ended_at=None), name="usage_active_idx"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def active(self) -> bool:
        """Whether it has not ended: a version in use is neither archived nor deleted."""
        return self.ended_at is None
