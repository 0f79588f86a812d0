"""The rows that lists of environments sort and search."""

from typing import ClassVar

from django.db import models

from environments.models.environments import Environment, Version
from environments.models.workspaces import Workspace


class ListEntry(models.Model):
    """An environment as lists show and search it; `environments.versions.listing.update_listing` writes it.

    One narrow row holds every column that lists sort by: a page of 100,000 environments costs as much as one of ten.
    """

    environment = models.OneToOneField(
        Environment, on_delete=models.CASCADE, primary_key=True, related_name="list_entry"
    )
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    version = models.OneToOneField(Version, on_delete=models.CASCADE, related_name="list_entry")
    archived = models.BooleanField(default=False)
    name = models.CharField(max_length=255)  # in lower case
    changed_at = models.DateTimeField()
    kind = models.CharField(max_length=20)
    base = models.CharField(max_length=400, blank=True)
    packages = models.PositiveIntegerField(default=0)
    search_text = models.TextField(help_text="Everything that the search reads, in lower case.")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["workspace", "archived"], name="listentry_archived_idx"),
            models.Index(fields=["workspace", "changed_at", "environment"], name="listentry_changed_at_idx"),
            models.Index(fields=["workspace", "name"], name="listentry_name_idx"),
            models.Index(fields=["workspace", "packages", "name"], name="listentry_packages_idx"),
            models.Index(fields=["workspace", "kind", "name"], name="listentry_kind_idx"),
            models.Index(fields=["workspace", "base", "name"], name="listentry_base_idx"),
        ]

    def __str__(self) -> str:
        return str(self.version)
