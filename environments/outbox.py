"""What is to be sent to people: the rows are the truth, and a worker sends them after the commit."""

import random
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

# Between the tries, together about a day; then it is given up.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 3600, 7200, 14400, 28800, 28800))


def pause_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many tries that failed; None when it is to be given up."""
    if attempts > len(PAUSES):
        return None
    # Not all at the same moment: what failed together would come back together.
    return PAUSES[max(0, attempts - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 (no secret depends on it)


class Sending(models.TextChoices):
    """Where something that is to be sent stands."""

    NOT_SENT = "not sent", "not to be sent"
    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given up"


class EventGroup(models.TextChoices):
    """What events are about, as people choose among them."""

    BUILDS = "builds", _("Builds")
    ENVIRONMENTS = "environments", _("Environments and versions")
    CATALOGUE = "catalogue", _("The catalogue's proposals")
    SETTINGS = "settings", _("Members, settings and everything else")


_BEGINNINGS = {
    EventGroup.BUILDS: ("build.",),
    EventGroup.ENVIRONMENTS: ("version.", "environment.", "use."),
    EventGroup.CATALOGUE: ("proposal.", "deprecation.", "catalogue."),
}


def prefixes_of(group: EventGroup) -> tuple[str, ...]:
    """Return what the verbs of a group begin with; nothing for the group of all others."""
    return _BEGINNINGS.get(group, ())


def group_of(verb: str) -> EventGroup:
    """Return the group that an event is of."""
    found = (group for group, beginnings in _BEGINNINGS.items() if verb.startswith(beginnings))
    return next(found, EventGroup.SETTINGS)


class NoticeKind(models.TextChoices):
    """What people can be told of."""

    BUILD_FAILED = "build-failed", _("A build that I asked for failed or was stopped")
    BUILD_SUCCEEDED = "build-succeeded", _("A build that I asked for is ready")
    DEPRECATION = "deprecation", _("A curated environment that I use is deprecated")
    PROPOSAL = "proposal", _("A proposal to the catalogue needs me, or one of mine was answered")


# Whoever has chosen nothing is not mailed about what went well: it is on the pages.
USUALLY_WANTED = {kind: kind != NoticeKind.BUILD_SUCCEEDED for kind in NoticeKind}


class NoticeChoice(models.Model):
    """What a person wants to be told of, and whether by e-mail too; who has no row takes what is usual."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notice_choice"
    )
    by_mail = models.BooleanField(default=True)
    kinds = models.JSONField(default=dict)  # {kind: bool}; what is not in it is as usual

    def __str__(self) -> str:
        return f"what {self.user} wants to be told of"

    def wants(self, kind: str) -> bool:
        """Whether they want to be told of this."""
        return bool(self.kinds.get(kind, USUALLY_WANTED[NoticeKind(kind)]))


class Notice(models.Model):
    """A person is told of something: on their page of notices, and by e-mail where they want that."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=40)  # a NoticeKind
    subject = models.CharField(max_length=400)
    text = models.TextField(blank=True)
    address = models.CharField(max_length=800, blank=True, help_text="Where it is in the studio: /w/…")
    created_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=10, choices=Sending.choices, default=Sending.NOT_SENT)
    next_at = models.DateTimeField(null=True, help_text="When it is mailed, or tried again.")
    attempts = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, help_text="When it was mailed or given up.")
    problem = models.CharField(max_length=400, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="notices_of_a_person"),
            models.Index(fields=["next_at"], condition=Q(state="waiting"), name="notices_to_send"),
        ]

    def __str__(self) -> str:
        return self.subject
