"""The tour after a person's first build: what of it is done."""

from django.conf import settings
from django.db import models


class Tour(models.Model):
    """One person's progress; a row comes with the first step."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tour")
    pulled_at = models.DateTimeField(null=True, help_text="The first pull through the registry.")
    compared_at = models.DateTimeField(null=True, help_text="The first comparison of two versions.")
    dismissed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"tour of {self.user}"
