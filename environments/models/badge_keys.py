"""Keys in the addresses of badges, each of which can be revoked by itself."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from environments.models.environments import Environment


class BadgeKey(models.Model):
    """A key of an environment's badge; the secret follows from the row and `SECRET_KEY`, and is not stored."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="badge_keys")
    name = models.CharField(max_length=80, help_text="Where the badge is shown.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name
