"""Previews of rebuilds: requested by a page, made by a worker."""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from environments.models import Version


class RebuildPreview(models.Model):
    """The changes that a rebuild of a version's image would make at the time of the request."""

    version = models.OneToOneField(Version, on_delete=models.CASCADE, related_name="+")
    image = models.ForeignKey("builds.Image", on_delete=models.CASCADE, related_name="+")
    requested_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    changes = models.JSONField(default=list)  # [{name, before, after}]
    base_changed = models.BooleanField(default=False)
    problem = models.TextField(blank=True, help_text="The reason there is no answer.")

    def __str__(self) -> str:
        return f"a rebuild of {self.version}"

    def start(self) -> bool:
        """Record that a worker has started; return False if one had already."""
        return bool(RebuildPreview.objects.filter(pk=self.pk, started_at=None).update(started_at=Now()))

    def record(self, outcome: dict[str, Any]) -> None:
        """Record the outcome, unless the preview was requested again in the meantime."""
        rows = RebuildPreview.objects.filter(pk=self.pk, requested_at=self.requested_at)
        rows.update(ended_at=Now(), **outcome)
