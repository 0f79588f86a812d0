"""Webhooks: each event reaches its receivers, signed, at least once, despite crashes and failures."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
import standardwebhooks
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from environments.audit.record import record
from environments.models import Workspace
from environments.models.notifications import RETRY_DELAYS, Delivery, DeliveryState, Webhook
from environments.network.policy import EgressPolicy
from environments.notifications import delivery as webhook_delivery
from environments.notifications.delivery import deliver_next_webhook, signed_headers
from environments.notifications.webhooks import WebhookRefused, add_webhook, send_again
from tests.environments.notifications.receiving import Receiver
from tests.environments.notifications.webhooks import happens, is_genuine
from tests.services.studio import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver has half a second."""
    monkeypatch.setattr(webhook_delivery, "ATTEMPT_SECONDS", 0.5)


def later() -> None:
    """Let the pauses pass."""
    Delivery.objects.filter(state=DeliveryState.WAITING).update(next_at=Now() - timedelta(seconds=1))
    Webhook.objects.update(blocked_until=Now() - timedelta(seconds=1))


def test_an_event_arrives_signed_as_the_documents_say(lab: Workspace, receiver: Receiver) -> None:
    _, secret = add_webhook(lab, receiver.url, ["builds"], None)
    delivery = happens(lab, error="There is no package nunpy — “yet”.")
    assert deliver_next_webhook()

    (message,) = receiver.got
    assert is_genuine(secret, message.headers, message.body)
    assert not is_genuine(secret, message.headers, message.body + b" ")
    assert not is_genuine(add_webhook(lab, receiver.url, ["builds"], None)[1], message.headers, message.body)
    old = message.headers | {"Webhook-Timestamp": "1"}
    assert not is_genuine(secret, old, message.body)
    assert message.headers["Webhook-Id"] == str(delivery.pk)
    payload = json.loads(message.body)
    assert (payload["type"], payload["data"]["subject"]) == ("build.failed", "forecast:3")
    assert payload["data"]["details"]["error"] == "There is no package nunpy — “yet”."
    delivery.refresh_from_db()
    assert (delivery.state, delivery.code, delivery.attempts) == (DeliveryState.SENT, 204, 1)
    assert delivery.milliseconds is not None
    assert not deliver_next_webhook()


def test_a_signature_stays_what_receivers_verify_today() -> None:
    """Computed by hand: HMAC-SHA256 with the decoded secret, over id, time and body."""
    body = '{"error": "There is no package nunpy — “yet”."}'.encode()
    headers = signed_headers(
        "whsec_" + base64.b64encode(bytes(range(32))).decode(), "42", 1_700_000_000, body
    )
    assert headers == {
        "Content-Type": "application/json",
        "User-Agent": "environment-studio",
        "Webhook-Id": "42",
        "Webhook-Timestamp": "1700000000",
        "Webhook-Signature": "v1,JPVfihECRIfQxAp9CFDrlL9BNOcblOJbSw1TlLJ+eNg=",
    }


def test_receivers_verify_with_the_library_of_standard_webhooks(lab: Workspace, receiver: Receiver) -> None:
    _, secret = add_webhook(lab, receiver.url, ["builds"], None)
    happens(lab, error="There is no package nunpy — “yet”.")
    assert deliver_next_webhook()

    (message,) = receiver.got
    payload = standardwebhooks.Webhook(secret).verify(message.body, dict(message.headers))
    assert payload["type"] == "build.failed"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify(message.body + b" ", dict(message.headers))


def test_each_is_sent_its_own_events_and_nobody_those_of_another_workspace(
    lab: Workspace, olga: User
) -> None:
    builds, all_else = (
        add_webhook(lab, f"https://{word}.example/", [word], olga)[0] for word in ("builds", "settings")
    )
    other = Workspace.objects.create(name="other", title="Other")
    record("build.failed", "x", workspace=other)
    record("person.added", "x", workspace=None)
    for verb in ("build.failed", "version.created", "member.added"):
        record(verb, "x", workspace=lab)

    def sent_to(hook: Webhook) -> list[str]:
        return list(hook.deliveries.order_by("event_id").values_list("event__verb", flat=True))

    assert sent_to(builds) == ["build.failed"]
    assert sent_to(all_else) == ["webhook.created", "member.added"]  # it was there when it was itself made


def test_what_is_undone_is_not_sent(hook: Webhook, lab: Workspace) -> None:
    from django.db import transaction

    with transaction.atomic():
        happens(lab)
        transaction.set_rollback(True)
    assert not deliver_next_webhook()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_of_a_transaction(
    hook: Webhook, lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens(lab)
    post, inside = webhook_delivery.post, []

    def looked(*args: Any) -> webhook_delivery.DeliveryResult:
        inside.append(connection.in_atomic_block)
        return post(*args)

    monkeypatch.setattr(webhook_delivery, "post", looked)
    assert deliver_next_webhook()
    assert inside == [False]


# Receivers that misbehave


def test_a_receiver_that_was_away_gets_it_when_it_is_back(lab: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    add_webhook(lab, f"http://127.0.0.1:{port}/hook", ["builds"], None)
    delivery = happens(lab)
    assert deliver_next_webhook()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.code) == (DeliveryState.WAITING, 1, None)
    assert "could not be reached" in delivery.problem
    assert delivery.next_at is not None
    assert delivery.next_at > timezone.now() + timedelta(seconds=5)
    assert not deliver_next_webhook()  # not before the pause is over

    with Receiver(port).running() as receiver:
        later()
        assert deliver_next_webhook()
        assert [message.headers["Webhook-Id"] for message in receiver.got] == [str(delivery.pk)]
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.problem) == (DeliveryState.SENT, 2, "")
    assert Webhook.objects.get().failures == 0


@pytest.mark.parametrize("code", [400, 404, 429, 500])
def test_a_bad_response_is_recorded_and_tried_again(
    hook: Webhook, receiver: Receiver, lab: Workspace, code: int
) -> None:
    receiver.code = code
    delivery = happens(lab)
    deliver_next_webhook()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.code) == (DeliveryState.WAITING, code)
    assert delivery.problem == f"It answered with {code}."


def test_a_redirect_is_not_followed(hook: Webhook, receiver: Receiver, lab: Workspace) -> None:
    with Receiver().running() as elsewhere:
        receiver.code, receiver.headers = 307, {"Location": elsewhere.url}
        delivery = happens(lab)
        deliver_next_webhook()
        assert elsewhere.got == []
    delivery.refresh_from_db()
    assert (delivery.state, delivery.code) == (DeliveryState.WAITING, 307)
    assert "redirects are not followed" in delivery.problem


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("how", ["silent", "dripping"])
def test_a_receiver_that_does_not_come_to_an_end_is_not_waited_for(
    hook: Webhook, receiver: Receiver, lab: Workspace, how: str
) -> None:
    setattr(receiver, how, True)
    delivery = happens(lab)
    deliver_next_webhook()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (DeliveryState.WAITING, 1)
    assert "did not answer within" in delivery.problem


def test_what_lies_inside_is_not_reached(
    hook: Webhook, receiver: Receiver, lab: Workspace, settings: Settings
) -> None:
    settings.EGRESS_POLICY = EgressPolicy()
    delivery = happens(lab)
    deliver_next_webhook()
    delivery.refresh_from_db()
    assert receiver.got == []
    assert "The studio does not connect to 127.0.0.1" in delivery.problem
    with pytest.raises(WebhookRefused, match="does not connect"):
        add_webhook(lab, "http://169.254.169.254/latest", ["builds"], None)


def test_it_is_given_up_after_about_a_day_and_sent_again_when_somebody_says_so(
    hook: Webhook, receiver: Receiver, lab: Workspace, olga: User
) -> None:
    assert timedelta(hours=20) < sum(RETRY_DELAYS, timedelta()) < timedelta(hours=28)
    receiver.code = 500
    delivery = happens(lab)
    for _ in range(len(RETRY_DELAYS) + 1):
        later()
        assert deliver_next_webhook()
    later()
    assert not deliver_next_webhook()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (DeliveryState.GIVEN_UP, len(RETRY_DELAYS) + 1)

    receiver.code = 200
    send_again(delivery, olga)
    assert deliver_next_webhook()
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT
    assert len({message.headers["Webhook-Id"] for message in receiver.got}) == 1


def test_a_dead_receiver_holds_up_no_other(lab: Workspace, receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead = f"http://127.0.0.1:{free.getsockname()[1]}/"
    for address in (dead, receiver.url):
        add_webhook(lab, address, ["builds"], None)
    # After many failures the pause is longer than this test takes.
    Webhook.objects.filter(address=dead).update(failures=10)
    for _ in range(5):
        record("build.failed", "x", workspace=lab)
    assert deliver_next_webhook()
    assert deliver_next_webhook()
    assert len(receiver.got) == 5
    assert (
        Delivery.objects.filter(attempts=1).exclude(state=DeliveryState.SENT).count() == 1
    )  # one try of the dead
    assert not deliver_next_webhook()


# Workers


def test_two_workers_never_send_to_one_receiver_at_once(
    hook: Webhook, lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens(lab)
    post, others = webhook_delivery.post, []

    def meanwhile(*args: Any) -> webhook_delivery.DeliveryResult:
        others.append(deliver_next_webhook())
        return post(*args)

    monkeypatch.setattr(webhook_delivery, "post", meanwhile)
    assert deliver_next_webhook()
    assert others == [False]


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_while_it_sends_loses_nothing(
    hook: Webhook, receiver: Receiver, lab: Workspace
) -> None:
    delivery = happens(lab)
    receiver.silent = True
    argv = [sys.executable, "-c", SERVE]
    database = connection.settings_dict["NAME"]
    environ = {**os.environ, "DATABASE_URL": f"sqlite:///{database}", "SECRET_KEY": "k" * 50}
    keys = {"STUDIO_ENCRYPTION_KEYS": _keys(), "STUDIO_ALLOW_ADDRESSES": "loopback"}
    with subprocess.Popen(argv, cwd=ROOT, env=environ | keys) as worker:
        assert receiver.arrived.wait(60)
        worker.kill()
    assert not deliver_next_webhook()  # it may be alive: its time is not over

    receiver.silent = False
    receiver.over.set()
    Webhook.objects.update(blocked_until=Now())
    assert deliver_next_webhook()
    assert [message.headers["Webhook-Id"] for message in receiver.got] == [str(delivery.pk)] * 2
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.SENT


SERVE = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "studio.settings"
django.setup()
from environments.notifications.delivery import deliver_next_webhook, signed_headers
deliver_next_webhook()
"""


def _keys() -> str:
    from django.conf import settings

    return ",".join(settings.ENCRYPTION_KEYS)
