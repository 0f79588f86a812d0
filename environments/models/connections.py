"""Credentials of workspaces for registries, indexes and channels."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from environments.models.workspaces import Workspace


class Connection(models.Model):
    """A workspace's credentials for one address: encrypted, and never shown again (rule 43)."""

    class Kind(models.TextChoices):
        """The service at the address."""

        REGISTRY = "registry", "Container registry"
        INDEX = "index", "Package index (pip)"
        CHANNEL = "channel", "Conda channel"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="connections")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    address = models.CharField(max_length=400)
    user = models.CharField(max_length=255, blank=True)
    sealed = models.TextField(help_text="The password or token, encrypted.")
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["kind", "address"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "kind", "address"], name="connection_address_uniq")
        ]

    def __str__(self) -> str:
        return self.address
