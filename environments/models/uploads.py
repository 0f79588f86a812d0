"""Files that clients upload before they save a version with them."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from environments.models.workspaces import Workspace

LONGEST_NAME = 1024  # in UTF-8: PostgreSQL indexes up to 2,700 bytes


class UploadedBlob(models.Model):
    """A file of an upload, or a block that is to become a part of it; its content is in the store of files.

    `environments.contexts` writes it.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="uploads")
    upload = models.CharField(max_length=LONGEST_NAME, help_text="The first two parts of the name.")
    name = models.CharField(max_length=LONGEST_NAME)
    block = models.CharField(max_length=88, blank=True, help_text="A block's id; empty for the file itself.")
    digest = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    metadata = models.JSONField(default=dict, blank=True)
    completed = models.BooleanField(default=False, help_text="Whether its upload ended with it.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["name", "block"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "name", "block"], name="uploaded_blob_uniq"),
        ]
        indexes: ClassVar = [models.Index(fields=["workspace", "upload"], name="uploaded_blob_upload")]

    def __str__(self) -> str:
        return self.name
