"""Record events, and queue them for webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models.functions import Now

from environments.models import Delivery, Environment, Event, EventGroup, Webhook, Workspace
from environments.request_origin import current_origin

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_VERB_PREFIXES = {
    EventGroup.BUILDS: ("build.", "rebase.", "bases."),
    EventGroup.ENVIRONMENTS: ("version.", "environment.", "label.", "use.", "share.", "badge."),
    EventGroup.CATALOGUE: ("proposal.", "deprecation.", "catalogue."),
}

SENT_DIRECTLY = {"webhook.tested"}


def record(
    verb: str,
    subject: str,
    *,
    workspace: Workspace | None,
    actor: User | None = None,
    environment: Environment | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **details: object,
) -> Event:
    """Add an event to the activity of a workspace, in the transaction of the change.

    `before` and `after` are the fields that changed: a creation has no `before`, a deletion no `after`.
    """
    with transaction.atomic():
        event = Event.objects.create(
            workspace=workspace,
            environment=environment,
            actor=actor,
            verb=verb,
            group=event_group(verb),
            subject=subject[:400],
            before=before,
            after=after,
            details=details,
            **current_origin().as_fields(),
        )
        queue_deliveries(event)
    return event


def event_group(verb: str) -> EventGroup:
    """Return the group that an event's verb belongs to."""
    groups = (group for group, prefixes in _VERB_PREFIXES.items() if verb.startswith(prefixes))
    return next(groups, EventGroup.SETTINGS)


def queue_deliveries(event: Event) -> None:
    """Queue an event for the webhooks that want it; called in the transaction that adds it."""
    if event.workspace_id is None or event.verb in SENT_DIRECTLY:
        return
    hooks = Webhook.objects.filter(workspace=event.workspace_id, active=True).only("groups")
    Delivery.objects.bulk_create(
        Delivery(webhook=hook, event=event, next_at=Now()) for hook in hooks if event.group in hook.groups
    )
