"""Webhooks: URLs that a workspace's events are sent to, each with a secret that signs them."""

import base64
import re
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from environments import encryption
from environments.audit.record import record
from environments.errors import ServiceError
from environments.models import Workspace
from environments.models.events import EventGroup
from environments.models.notifications import Delivery, DeliveryState, Webhook
from environments.network.policy import AddressRefused

PREFIX = "whsec_"  # makes secrets recognizable, also to scanners for leaked secrets
MAX_WEBHOOKS = 20  # of a workspace: each event is queued for each of them
MAX_ADDRESS_LENGTH = 400


class WebhookRefused(ServiceError):
    """A webhook that cannot be saved: the field, and the reason."""

    def __init__(self, field: str, message: str, help: str = "", *, code: str = "webhook-refused") -> None:
        super().__init__(code, message, help)
        self.field = field


class WebhookInactive(WebhookRefused):
    """A webhook that is switched off sends nothing."""

    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "active", _("This webhook is switched off."), _("Switch it on first."), code="webhook-off"
        )


@transaction.atomic
def add_webhook(
    workspace: Workspace, address: str, groups: Iterable[str], by: User | None
) -> tuple[Webhook, str]:
    """Create a webhook; return it and its secret, which cannot be shown again. Raises WebhookRefused."""
    address, chosen = _checked_address(address), _checked_groups(groups)
    # Concurrent additions wait here, so that the limit holds.
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    if workspace.webhooks.count() >= MAX_WEBHOOKS:
        raise WebhookRefused(
            "address", _("A workspace has up to %(most)s webhooks.") % {"most": MAX_WEBHOOKS}
        )
    secret = _new_secret()
    webhook = Webhook.objects.create(
        workspace=workspace, address=address, sealed=encryption.seal(secret), groups=chosen, created_by=by
    )
    record("webhook.created", redacted_url(address), workspace=workspace, actor=by, after=_fields(webhook))
    return webhook, secret


@transaction.atomic
def change_webhook(
    webhook: Webhook, *, address: str, groups: Iterable[str], active: bool, by: User | None
) -> bool:
    """Change the URL or the events, or switch a webhook on or off; return whether anything changed.

    Switching it off gives up its pending deliveries. Raises WebhookRefused.
    """
    before, old_address = _fields(webhook), webhook.address
    webhook.address, webhook.groups, webhook.active = (
        _checked_address(address),
        _checked_groups(groups),
        active,
    )
    if (before, old_address) == (_fields(webhook), webhook.address):
        return False
    webhook.blocked_until, webhook.failures = None, 0
    webhook.save(update_fields=["address", "groups", "active", "blocked_until", "failures"])
    if not active:
        waiting = webhook.deliveries.filter(state=DeliveryState.WAITING)
        waiting.update(state=DeliveryState.GIVEN_UP, ended_at=Now(), problem="The webhook was switched off.")
    record(
        "webhook.changed",
        redacted_url(webhook.address),
        workspace=webhook.workspace,
        actor=by,
        before=before,
        after=_fields(webhook),
    )
    return True


@transaction.atomic
def renew_secret(webhook: Webhook, by: User | None) -> str:
    """Replace the secret, and return it: it cannot be shown again."""
    secret = _new_secret()
    webhook.sealed = encryption.seal(secret)
    webhook.save(update_fields=["sealed"])
    record("webhook.renewed", redacted_url(webhook.address), workspace=webhook.workspace, actor=by)
    return secret


@transaction.atomic
def delete_webhook(webhook: Webhook, by: User | None) -> None:
    """Delete the webhook and its pending deliveries."""
    before = _fields(webhook)
    webhook.delete()
    record(
        "webhook.deleted", redacted_url(webhook.address), workspace=webhook.workspace, actor=by, before=before
    )


@transaction.atomic
def test_webhook(webhook: Webhook, by: User | None) -> Delivery:
    """Send a test event to this webhook."""
    _check_active(webhook)
    event = record("webhook.tested", redacted_url(webhook.address), workspace=webhook.workspace, actor=by)
    _end_pause(webhook)
    delivery = Delivery.objects.create(webhook=webhook, event=event, next_at=Now())
    delivery.refresh_from_db(fields=["next_at"])  # set by the database's clock
    return delivery


@transaction.atomic
def send_again(delivery: Delivery, by: User | None) -> None:
    """Queue a delivery again that was sent or given up, under the same id."""
    webhook = delivery.webhook
    _check_active(webhook)
    delivery.state, delivery.attempts, delivery.ended_at = DeliveryState.WAITING, 0, None
    Delivery.objects.filter(pk=delivery.pk).update(
        state=DeliveryState.WAITING, attempts=0, ended_at=None, next_at=Now()
    )
    _end_pause(webhook)
    record(
        "webhook.sent_again",
        redacted_url(webhook.address),
        workspace=webhook.workspace,
        actor=by,
        delivery=str(delivery.pk),
        event=delivery.event_id,
    )


def redacted_url(address: str) -> str:
    """Return a URL without its path and query, which may contain a password."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}{'/…' if parts.path.strip('/') or parts.query else ''}"


def _end_pause(webhook: Webhook) -> None:
    """Allow the next attempt at once, after failures."""
    Webhook.objects.filter(pk=webhook.pk).update(blocked_until=None, failures=0)


def _check_active(webhook: Webhook) -> None:
    if not webhook.active:
        raise WebhookInactive


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _fields(webhook: Webhook) -> dict[str, object]:
    return {
        "address": redacted_url(webhook.address),
        "events": [str(group) for group in webhook.groups],
        "active": webhook.active,
    }


def _checked_groups(groups: Iterable[str]) -> list[str]:
    requested = set(groups)
    chosen = [group.value for group in EventGroup if group in requested]
    if not chosen or requested - set(chosen):
        raise WebhookRefused("groups", _("Choose at least one kind of event."))
    return chosen


def _checked_address(typed: str) -> str:
    """Return the URL to send to. Raises WebhookRefused."""
    typed = typed.strip()
    invalid = WebhookRefused(
        "address",
        _("That is no address of a receiver."),
        _("Write it whole, such as https://example.com/hooks/studio, without user and password."),
    )
    if len(typed) > MAX_ADDRESS_LENGTH or not re.fullmatch(r"[!-~]+", typed):
        raise invalid
    try:
        parts = urlsplit(typed)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise invalid from None
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc or parts.fragment:
        raise invalid
    try:
        settings.EGRESS_POLICY.check_literal(typed)
    except AddressRefused as refused:
        raise WebhookRefused("address", refused.message, refused.help) from refused
    except ValueError:
        raise invalid from None
    return typed
