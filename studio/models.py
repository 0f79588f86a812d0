"""What the studio keeps of itself: workers that were heard of, what it has counted, answers that may be asked for again."""

from typing import ClassVar

from django.conf import settings
from django.db import models


class Worker(models.Model):
    """A worker process; it says every few seconds that it is there."""

    name = models.CharField(max_length=120, unique=True)  # as in Build.worker
    hands = models.PositiveSmallIntegerField(help_text="How many builds it makes side by side.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name


class Tally(models.Model):
    """A number that only grows, such as how many builds have failed of one cause."""

    what = models.CharField(max_length=40)
    labels = models.CharField(max_length=200, blank=True)  # separated by |
    value = models.FloatField(default=0)

    class Meta:
        verbose_name_plural = "tallies"
        constraints: ClassVar = [models.UniqueConstraint(fields=["what", "labels"], name="one_tally")]

    def __str__(self) -> str:
        return f"{self.what} {self.labels}: {self.value:g}"


class Counted(models.Model):
    """How far the tallies have counted. There is one row, and whoever counts holds it."""

    builds_until = models.DateTimeField()
    request = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"counted until {self.builds_until}"


class KeptAnswer(models.Model):
    """The answer to a request that was sent with an Idempotency-Key: sent again, it is answered with the same."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request = models.CharField(max_length=64)  # sha256 of method, path and body
    status = models.PositiveSmallIntegerField(null=True)  # null while it is being answered
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_a_key")]

    def __str__(self) -> str:
        return f"{self.key} of {self.user}"
