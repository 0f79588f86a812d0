"""A person's progress in the tour, from what they really do: pulls, versions, comparisons."""

from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from environments.models import Version
from environments.models.tour import Tour

PULLED, COMPARED, DISMISSED = "pulled_at", "compared_at", "dismissed_at"


def note(user: User | AnonymousUser, step: str) -> None:
    """Record the first time that a person does something; nothing for strangers and later times."""
    if not user.is_authenticated:
        return
    known = Tour.objects.filter(user_id=user.pk).values_list(step, flat=True).first()
    if known is not None:
        return
    # Of two at once, one inserts the row; both then set the time if it is not set.
    Tour.objects.bulk_create([Tour(user_id=user.pk)], ignore_conflicts=True)
    Tour.objects.filter(user_id=user.pk, **{step: None}).update(**{step: timezone.now()})


def progress_of(user: User) -> Tour:
    """Return a person's progress; an unsaved row for those who have done nothing yet."""
    return Tour.objects.filter(user_id=user.pk).first() or Tour(user_id=user.pk)


def has_changed(user: User) -> bool:
    """Return whether a person has saved a second version of an environment."""
    return Version.objects.filter(created_by_id=user.pk, number__gt=1).exists()
