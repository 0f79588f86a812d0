"""A person's own searches of a workspace's list, by name, and pinned environments."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from environments.models.environments import Environment
from environments.models.workspaces import Workspace


class SavedView(models.Model):
    """A search of the list of environments under a name, for one person in one workspace."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000, help_text="The parameters of the list's URL.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "workspace", "name"], name="savedview_name_uniq")
        ]

    def __str__(self) -> str:
        return self.name


class Pin(models.Model):
    """An environment that a person's lists show first."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="pins")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="pins")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "environment"], name="pin_uniq")]

    def __str__(self) -> str:
        return f"{self.environment} of {self.user}"
