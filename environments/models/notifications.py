"""What is to be sent to people and programs: the rows are the truth, and a worker sends them after the commit."""

import random
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from environments.models import Event

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


class Webhook(models.Model):
    """An address that is sent what happens in a workspace, signed with a secret that both know."""

    workspace = models.ForeignKey("environments.Workspace", on_delete=models.CASCADE, related_name="webhooks")
    address = models.CharField(max_length=400)
    sealed = models.TextField(help_text="The secret, encrypted.")
    groups = models.JSONField(default=list)  # of EventGroup
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    # One worker at a time sends to an address, and what fails rests: a dead one takes nobody's time.
    rests_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="Tries that failed since one succeeded.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.address

    @property
    def words(self) -> list[str]:
        """What it is sent, in words."""
        return [str(group.label) for group in EventGroup if group in self.groups]


class Delivery(models.Model):
    """An event that is to be sent to a webhook, and what came of the last try."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey("environments.Event", on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=Sending.choices, default=Sending.WAITING)
    created_at = models.DateTimeField(auto_now_add=True)
    next_at = models.DateTimeField(null=True, help_text="When it is sent, or tried again.")
    attempts = models.PositiveSmallIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True, help_text="When it was sent or given up.")
    code = models.PositiveSmallIntegerField(null=True, help_text="Of the last answer.")
    milliseconds = models.PositiveIntegerField(null=True, help_text="That the last try took.")
    problem = models.CharField(max_length=400, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes: ClassVar = [
            models.Index(fields=["webhook", "-created_at"], name="deliveries_newest"),
            models.Index(
                fields=["webhook", "next_at"], condition=Q(state="waiting"), name="deliveries_to_send"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"


ONLY_TO_ONE = {"webhook.tested"}
"""Verbs that are sent to the webhook they are about, and to no other."""


def announce(event: "Event") -> None:
    """Write down to which webhooks an event is to be sent; called in the transaction that adds it."""
    if event.workspace_id is None or event.verb in ONLY_TO_ONE:
        return
    hooks = Webhook.objects.filter(workspace=event.workspace_id, active=True).only("groups")
    Delivery.objects.bulk_create(
        Delivery(webhook=hook, event=event, next_at=Now()) for hook in hooks if event.about in hook.groups
    )
