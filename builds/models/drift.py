"""Drift: what would change in an environment if it were built today."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from builds.models.images import Image
from environments.models import Environment, Version


class Drift(models.Model):
    """The last check of an environment that is watched: a member watches it, or it is curated."""

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="drift")
    watched = models.BooleanField(default=True)
    watched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    due_at = models.DateTimeField(db_index=True)
    claimed_at = models.DateTimeField(null=True)
    # The last outcome
    version = models.ForeignKey(Version, null=True, on_delete=models.SET_NULL, related_name="+")
    image = models.ForeignKey(Image, null=True, on_delete=models.SET_NULL, related_name="+")
    checked_at = models.DateTimeField(null=True)
    changes = models.JSONField(default=list)  # [{name, before, after}]
    base_changed = models.BooleanField(default=False)
    problem = models.TextField(blank=True, help_text="The reason there is no answer.")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(watched=True), name="drift_due_idx"),
        ]

    def __str__(self) -> str:
        return f"drift of {self.environment}"

    @property
    def drifted(self) -> bool:
        """Whether the last check saw a change."""
        return bool(self.changes) or self.base_changed
