"""A person's notices: what is unread, and marking it as read."""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.db.models.functions import Now

from environments.models.notifications import Notice

COUNTED = 100  # the bell shows "99+" beyond
SHOWN = 8


@dataclass(frozen=True)
class Bell:
    """The unread notices under the bell: the newest, and how many there are."""

    notices: list[Notice]
    count: int

    @property
    def label(self) -> str:
        """The count as the badge shows it."""
        return str(self.count) if self.count < COUNTED else f"{COUNTED - 1}+"

    @property
    def more(self) -> bool:
        """Whether there are more than are shown."""
        return self.count > len(self.notices)


def notices_of(user: User, *, unread: bool = False) -> QuerySet[Notice]:
    """Return a person's notices, newest first."""
    notices = Notice.objects.filter(user=user).order_by("-pk")
    return notices.filter(read_at=None) if unread else notices


def bell_for(user: User, path: str = "") -> Bell:
    """Return a person's unread notices in one query; those about the page at this path are read now."""
    unread = list(
        notices_of(user, unread=True).only("kind", "subject", "address", "created_at", "own")[:COUNTED]
    )
    here = [notice for notice in unread if path and urlsplit(notice.address).path == path]
    if here:
        mark_read(user, [notice.pk for notice in here])
        unread = [notice for notice in unread if notice not in here]
    return Bell(unread[:SHOWN], len(unread))


def mark_read(user: User, notices: Collection[int] | None = None, *, until: int | None = None) -> int:
    """Mark notices as read: these, or all up to one; return how many were unread. Others' are left alone."""
    unread = notices_of(user, unread=True).order_by()
    if notices is not None:
        unread = unread.filter(pk__in=notices)
    if until is not None:
        unread = unread.filter(pk__lte=until)
    return unread.update(read_at=Now())


def mark_read_about(user: User, address: str) -> None:
    """Mark what a person was notified of about a page as read: they have seen the page."""
    notices_of(user, unread=True).order_by().filter(address=address).update(read_at=Now())
