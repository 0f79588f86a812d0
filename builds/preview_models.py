"""Looks at what a rebuild would change: asked for by a page, made by a worker."""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from environments.models import Version


class RebuildPreview(models.Model):
    """What a rebuild of a version's image would change, as a worker found it when somebody asked."""

    version = models.OneToOneField(Version, on_delete=models.CASCADE, related_name="+")
    image = models.ForeignKey("builds.Image", on_delete=models.CASCADE, related_name="+")
    asked_at = models.DateTimeField(null=True)
    begun_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    moves = models.JSONField(default=list)  # [{name, before, after}]
    base_moves = models.BooleanField(default=False)
    problem = models.TextField(blank=True, help_text="Why it could not be found out.")

    def __str__(self) -> str:
        return f"a rebuild of {self.version}"

    def begin(self) -> bool:
        """Note that a worker looks now; False where one has begun already."""
        return bool(RebuildPreview.objects.filter(pk=self.pk, begun_at=None).update(begun_at=Now()))

    def tell(self, found: dict[str, Any]) -> None:
        """Write down what was found, unless somebody has asked anew since."""
        rows = RebuildPreview.objects.filter(pk=self.pk, asked_at=self.asked_at)
        rows.update(done_at=Now(), **found)
