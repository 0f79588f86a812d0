"""Ways to sign in besides a password: identities of OpenID Connect providers, and access tokens for programs."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from environments.models.workspaces import Workspace


class Identity(models.Model):
    """A user as an OpenID Connect provider knows them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_subject_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.issuer}"


class Scope(models.IntegerChoices):
    """A token's scope; a higher scope includes the lower ones."""

    PULL = 1, "pull images"
    READ = 2, "read"
    WRITE = 3, "read and write"


class AccessToken(models.Model):
    """A password for programs: limited by its scope and its owner's rights, until it expires or is revoked."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_tokens"
    )
    name = models.CharField(max_length=120)
    digest = models.CharField(max_length=64, unique=True)  # SHA-256; the secret itself is not stored
    hint = models.CharField(max_length=16)  # the secret's first characters, to recognise it by
    scope = models.PositiveSmallIntegerField(choices=Scope.choices, default=Scope.READ)
    workspace = models.ForeignKey(
        Workspace, null=True, blank=True, on_delete=models.CASCADE, related_name="access_tokens"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"
