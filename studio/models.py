"""Tables of the studio's operation: workers, counters of metrics, and responses kept for idempotent requests."""

from typing import ClassVar

from django.conf import settings
from django.db import models


class Worker(models.Model):
    """A worker process, which updates its row every few seconds."""

    name = models.CharField(max_length=120, unique=True)  # as in Build.worker
    concurrency = models.PositiveSmallIntegerField(help_text="The number of builds it runs at once.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name


class MetricCounter(models.Model):
    """A number that only grows, such as the failed builds of one cause."""

    name = models.CharField(max_length=40)
    labels = models.CharField(max_length=200, blank=True)  # separated by |
    value = models.FloatField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "labels"], name="metriccounter_labels_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.labels}: {self.value:g}"


class CounterCursor(models.Model):
    """The position up to which the counters have counted: a single row, locked by the process that counts."""

    builds_until = models.DateTimeField()
    request = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"counted until {self.builds_until}"


class IdempotentResponse(models.Model):
    """The response to a request with an Idempotency-Key, returned again to a repeated request."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request = models.CharField(max_length=64)  # sha256 of method, path and body
    status = models.PositiveSmallIntegerField(null=True)  # null until it is answered
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "key"], name="idempotentresponse_key_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.key} of {self.user}"
