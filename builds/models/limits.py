"""Limits of workspaces."""

from django.db import models

from environments.models import Workspace


class WorkspaceLimits(models.Model):
    """A workspace's own limits; for an empty field the setting's default holds.

    A worker locks the row while it counts the workspace's builds and claims one.
    """

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="limits")
    at_once = models.PositiveIntegerField(null=True, blank=True)
    queued = models.PositiveIntegerField(null=True, blank=True)
    seconds = models.PositiveIntegerField(null=True, blank=True)
    disk = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Bytes a build may add to the disk."
    )
    served_at = models.DateTimeField(
        null=True, editable=False, help_text="The time a worker last claimed a build of it."
    )

    class Meta:
        verbose_name_plural = "workspace limits"

    def __str__(self) -> str:
        return f"limits of {self.workspace}"

    def overrides(self) -> dict[str, int]:
        """Return the limits that this workspace sets itself."""
        own = {name: getattr(self, name) for name in ("at_once", "queued", "seconds", "disk")}
        return {name: value for name, value in own.items() if value is not None}
