"""Notices to people and deliveries to webhooks. The rows are the outbox: a worker sends them after the commit."""

import random
import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from environments.models.events import Event, EventGroup
from environments.models.workspaces import Workspace

# Between the attempts, together about a day. Then the row is given up.
RETRY_DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 3600, 7200, 14400, 28800, 28800)
)


def retry_delay(attempts: int) -> timedelta | None:
    """Return the delay after this many failed attempts; None if there is to be no further attempt."""
    if attempts > len(RETRY_DELAYS):
        return None
    # Jitter: rows that failed together are not all retried at the same moment.
    return RETRY_DELAYS[max(0, attempts - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 (no secret depends on it)


class DeliveryState(models.TextChoices):
    """The delivery status of a notice's mail or a webhook's delivery."""

    NOT_SENT = "not sent", "not to be sent"
    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given up"


class NoticeKind(models.TextChoices):
    """The subjects that people choose notices by."""

    BUILD_FAILED = "build-failed", _("A build I requested fails or is stopped")
    BUILD_SUCCEEDED = "build-succeeded", _("A build I requested is ready")
    DEPRECATION = "deprecation", _("A curated environment I use is deprecated")
    PROPOSAL = "proposal", _("A proposal needs my review, or mine is answered")
    REBASE = "rebase", _("A rebase I requested has ended, or images of a workspace I own are rebased")
    DRIFT = "drift", _("An environment I watch would change if it were built today")
    HEAL = "heal", _("An environment is healed that one of mine was started from")
    SHARE = "share", _("A version is shared with a workspace I own, or mine is answered")


# Successes are in the inbox; people have to choose to be mailed about them.
MAILED_BY_DEFAULT = {kind: kind != NoticeKind.BUILD_SUCCEEDED for kind in NoticeKind}


class NoticePreferences(models.Model):
    """The notices a person wants in the inbox, and which of them by e-mail too. Without a row the defaults hold."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notice_preferences"
    )
    by_mail = models.BooleanField(default=True)
    kinds = models.JSONField(default=dict)  # {kind: bool}; a missing kind is wanted
    mailed_kinds = models.JSONField(default=dict)  # {kind: bool}; for a missing kind the default holds

    def __str__(self) -> str:
        return f"notice preferences of {self.user}"

    def wants(self, kind: str) -> bool:
        """Return whether they want notices of this kind."""
        return bool(self.kinds.get(kind, True))

    def wants_mail(self, kind: str) -> bool:
        """Return whether they want these notices by e-mail too."""
        chosen = self.mailed_kinds.get(kind, self.kinds.get(kind, MAILED_BY_DEFAULT[NoticeKind(kind)]))
        return self.by_mail and self.wants(kind) and bool(chosen)


class Notice(models.Model):
    """A message to a person, in their inbox and under the bell, and by e-mail if they want that."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=40)  # a NoticeKind
    subject = models.CharField(max_length=400)
    text = models.TextField(blank=True)
    address = models.CharField(max_length=800, blank=True, help_text="A path in the studio: /w/…")
    own = models.BooleanField(default=False, help_text="About something that this person started.")
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, help_text="The time the person opened or dismissed it.")
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.NOT_SENT)
    next_at = models.DateTimeField(null=True, help_text="The time of the next attempt to mail it.")
    attempts = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, help_text="The time it was mailed or given up.")
    problem = models.CharField(max_length=400, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="notice_user_idx"),
            models.Index(fields=["user", "-id"], condition=Q(read_at=None), name="notice_unread_idx"),
            models.Index(fields=["next_at"], condition=Q(state="waiting"), name="notice_due_idx"),
        ]

    def __str__(self) -> str:
        return self.subject


class Webhook(models.Model):
    """An address that receives a workspace's events, signed with a shared secret."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="webhooks")
    address = models.CharField(max_length=400)
    sealed = models.TextField(help_text="The secret, encrypted.")
    groups = models.JSONField(default=list)  # of EventGroup
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    # No worker sends to it before then: another is sending now, or the last attempt has failed.
    blocked_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts since the last success.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.address

    @property
    def group_labels(self) -> list[str]:
        """The groups of events it receives, as pages show them."""
        return [str(group.label) for group in EventGroup if group in self.groups]


class Delivery(models.Model):
    """An event on its way to a webhook, with the outcome of the last attempt."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    created_at = models.DateTimeField(auto_now_add=True)
    next_at = models.DateTimeField(null=True, help_text="The time of the next attempt.")
    attempts = models.PositiveSmallIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True, help_text="The time it was delivered or given up.")
    code = models.PositiveSmallIntegerField(null=True, help_text="The HTTP status of the last answer.")
    milliseconds = models.PositiveIntegerField(null=True, help_text="The duration of the last attempt.")
    problem = models.CharField(max_length=400, blank=True)
    answer = models.TextField(blank=True, help_text="The beginning of the last answer's body.")

    class Meta:
        ordering = ["-created_at"]
        indexes: ClassVar = [
            models.Index(fields=["webhook", "-created_at"], name="delivery_webhook_idx"),
            models.Index(
                fields=["webhook", "next_at"], condition=Q(state="waiting"), name="delivery_due_idx"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"
