"""The public keys that proofs are verified with, and the documents that are attached to images."""

from typing import ClassVar

from django.db import models

from builds.models.images import Image

PROVENANCE = "application/vnd.in-toto.provenance+dsse"


class SigningKey(models.Model):
    """A public key of the studio. Its private part is a file of the workers; earlier keys still verify."""

    key_id = models.CharField(max_length=64, primary_key=True)
    public_pem = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, help_text="From then on, its signatures count for nothing.")

    class Meta:
        ordering = ["-created_at", "key_id"]

    def __str__(self) -> str:
        return self.key_id[:12]


class Referrer(models.Model):
    """A manifest of the store that refers to an image: its bill of materials or its provenance.

    Each image has its own, as equal images of two workspaces were built from different addresses.
    """

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="referrers")
    subject = models.CharField(
        max_length=71, help_text="The index or manifest of the image that it is about."
    )
    digest = models.CharField(max_length=71)  # of its own manifest
    size = models.PositiveIntegerField()
    artifact_type = models.CharField(max_length=100)
    content = models.CharField(max_length=71, help_text="The digest of its document.")
    annotations = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["image", "digest"], name="referrer_uniq"),
        ]
        indexes: ClassVar = [models.Index(fields=["content"], name="referrer_content_idx")]

    def __str__(self) -> str:
        return f"{self.artifact_type} of {self.subject}"

    @property
    def is_provenance(self) -> bool:
        """Whether it is the signed statement on the image's origin."""
        return self.artifact_type == PROVENANCE
