"""The workers that are there: each writes a row of its own every few seconds, by the database's clock."""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from studio.models import Worker

FORGOTTEN_AFTER = timedelta(days=1)


def here(name: str, hands: int) -> None:
    """Write that this worker is there, and forget those that have not been for a day."""
    if not Worker.objects.filter(name=name).update(seen_at=Now(), concurrency=hands):
        Worker.objects.update_or_create(
            name=name, defaults={"seen_at": Now(), "started_at": Now(), "concurrency": hands}
        )
        Worker.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()


def gone(name: str) -> None:
    """Take a worker that ends in order off the list."""
    Worker.objects.filter(name=name).delete()


def alive() -> QuerySet[Worker]:
    """Return the workers with a recent heartbeat, whose builds nobody takes."""
    return Worker.objects.filter(seen_at__gt=Now() - timedelta(seconds=settings.LOST_AFTER_SECONDS))
