"""Webhooks: to which addresses a workspace's events are sent, and with which secret they are signed."""

import base64
import re
import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from environments import vault
from environments.models import Workspace, record
from environments.outbox import Delivery, EventGroup, Sending, Webhook
from environments.reach import AddressRefused
from environments.services import Refused

PREFIX = "whsec_"  # lets people and programs that look for leaked secrets tell what it is
MOST = 20  # of one workspace: each event is written down once for each
LONGEST = 400


class WebhookRefused(Refused):
    """A webhook that cannot be kept: which of its fields, and why."""

    def __init__(self, field: str, message: str, help: str = "", *, code: str = "webhook-refused") -> None:
        super().__init__(code, message, help)
        self.field = field


@transaction.atomic
def add_webhook(
    workspace: Workspace, address: str, groups: Iterable[str], by: User | None
) -> tuple[Webhook, str]:
    """Keep a new webhook; return it, and its secret, which nobody can be shown again. Raises WebhookRefused."""
    address, chosen = _address(address), _groups(groups)
    # Whoever adds another one at the same moment waits here, so that the most is the most.
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    if workspace.webhooks.count() >= MOST:
        raise WebhookRefused("address", _("A workspace has up to %(most)s webhooks.") % {"most": MOST})
    secret = _new_secret()
    made = Webhook.objects.create(
        workspace=workspace, address=address, sealed=vault.seal(secret), groups=chosen, created_by=by
    )
    record("webhook.created", shown(address), workspace=workspace, actor=by, after=_fields(made))
    return made, secret


@transaction.atomic
def change_webhook(
    webhook: Webhook, *, address: str, groups: Iterable[str], active: bool, by: User | None
) -> bool:
    """Send to another address, other events, or nothing for a while; return whether anything changed.

    What waits is given up when it is switched off. Raises WebhookRefused.
    """
    before, was_at = _fields(webhook), webhook.address
    webhook.address, webhook.groups, webhook.active = _address(address), _groups(groups), active
    if (before, was_at) == (_fields(webhook), webhook.address):
        return False
    webhook.rests_until, webhook.failures = None, 0
    webhook.save(update_fields=["address", "groups", "active", "rests_until", "failures"])
    if not active:
        waiting = webhook.deliveries.filter(state=Sending.WAITING)
        waiting.update(state=Sending.GIVEN_UP, ended_at=Now(), problem="The webhook was switched off.")
    record(
        "webhook.changed",
        shown(webhook.address),
        workspace=webhook.workspace,
        actor=by,
        before=before,
        after=_fields(webhook),
    )
    return True


@transaction.atomic
def renew_secret(webhook: Webhook, by: User | None) -> str:
    """Sign with another secret from now on, and return it: nobody can be shown it again."""
    secret = _new_secret()
    webhook.sealed = vault.seal(secret)
    webhook.save(update_fields=["sealed"])
    record("webhook.renewed", shown(webhook.address), workspace=webhook.workspace, actor=by)
    return secret


@transaction.atomic
def delete_webhook(webhook: Webhook, by: User | None) -> None:
    """Send nothing there any more, what waits neither."""
    before = _fields(webhook)
    webhook.delete()
    record("webhook.deleted", shown(webhook.address), workspace=webhook.workspace, actor=by, before=before)


@transaction.atomic
def test_webhook(webhook: Webhook, by: User | None) -> Delivery:
    """Send an event to this webhook that says nothing but that it works."""
    _need_active(webhook)
    event = record("webhook.tested", shown(webhook.address), workspace=webhook.workspace, actor=by)
    _wake(webhook)
    made = Delivery.objects.create(webhook=webhook, event=event, next_at=Now())
    made.refresh_from_db(fields=["next_at"])  # by the database's clock
    return made


@transaction.atomic
def send_again(delivery: Delivery, by: User | None) -> None:
    """Send something again that was sent or given up, under the id that it had."""
    webhook = delivery.webhook
    _need_active(webhook)
    delivery.state, delivery.attempts, delivery.ended_at = Sending.WAITING, 0, None
    Delivery.objects.filter(pk=delivery.pk).update(
        state=Sending.WAITING, attempts=0, ended_at=None, next_at=Now()
    )
    _wake(webhook)
    record(
        "webhook.sent_again",
        shown(webhook.address),
        workspace=webhook.workspace,
        actor=by,
        delivery=str(delivery.pk),
        event=delivery.event_id,
    )


def shown(address: str) -> str:
    """Return as much of an address as everybody may see: what follows the host may be a password."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}{'/…' if parts.path.strip('/') or parts.query else ''}"


def _wake(webhook: Webhook) -> None:
    """Let it be tried at once, whatever failed before."""
    Webhook.objects.filter(pk=webhook.pk).update(rests_until=None, failures=0)


def _need_active(webhook: Webhook) -> None:
    if not webhook.active:
        raise WebhookRefused(
            "active", _("This webhook is switched off."), _("Switch it on first."), code="webhook-off"
        )


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _fields(webhook: Webhook) -> dict[str, object]:
    return {
        "address": shown(webhook.address),
        "events": [str(group) for group in webhook.groups],
        "active": webhook.active,
    }


def _groups(groups: Iterable[str]) -> list[str]:
    given = set(groups)
    chosen = [group.value for group in EventGroup if group in given]
    if not chosen or given - set(chosen):
        raise WebhookRefused("groups", _("Choose at least one kind of event."))
    return chosen


def _address(typed: str) -> str:
    """Return the address as it is sent to. Raises WebhookRefused."""
    typed = typed.strip()
    wrong = WebhookRefused(
        "address",
        _("That is no address of a receiver."),
        _("Write it whole, such as https://example.com/hooks/studio, without user and password."),
    )
    if len(typed) > LONGEST or not re.fullmatch(r"[!-~]+", typed):
        raise wrong
    try:
        parts = urlsplit(typed)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc or parts.fragment:
        raise wrong
    try:
        settings.REACH.check_written(typed)
    except AddressRefused as refused:
        raise WebhookRefused("address", refused.message, refused.help) from refused
    except ValueError:
        raise wrong from None
    return typed
