"""The rows that lists of environments sort, and that searches read."""

from typing import ClassVar

from django.conf import settings
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


class VersionEntry(models.Model):
    """A version as searches read it, the latest and older ones; `environments.versions.listing` writes it.

    A version's own row holds its definition and text: reading thousands of those takes seconds.
    """

    version = models.OneToOneField(Version, on_delete=models.CASCADE, primary_key=True, related_name="entry")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="version_entries")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    number = models.PositiveIntegerField()
    latest = models.BooleanField(default=False, help_text="Lists show this version of its environment.")
    archived = models.BooleanField(default=False)
    hash = models.CharField(max_length=32)
    kind = models.CharField(max_length=20)
    base = models.CharField(max_length=400, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    tags = models.TextField(blank=True, help_text="name=value in lower case, each between line ends.")
    frameworks = models.TextField(blank=True, help_text="In lower case, each between line ends.")
    search_text = models.TextField(help_text="Everything that words are searched in, in lower case.")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["workspace", "latest", "archived"], name="versionentry_latest_idx"),
            models.Index(fields=["hash"], name="versionentry_hash_idx"),
        ]

    def __str__(self) -> str:
        return str(self.version)


class RequestedPackage(models.Model):
    """A package that a version requests, by its normalised name."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="requested_packages")
    ecosystem = models.CharField(max_length=10)  # pypi, conda
    name = models.CharField(max_length=200)
    exact = models.CharField(max_length=200, blank=True, help_text="The pinned version.")
    constraint = models.CharField(max_length=400, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["name", "version"], name="requestedpackage_name_idx")]

    def __str__(self) -> str:
        return f"{self.name}{self.constraint}"
