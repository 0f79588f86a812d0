"""Webhooks: each event reaches its receivers, signed, at least once, whatever dies or misbehaves meanwhile."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from environments import sending
from environments.models import Event, Role, Workspace, record
from environments.outbox import PAUSES, Delivery, Sending, Webhook
from environments.reach import Reach
from environments.sending import serve_a_webhook
from environments.webhooks import WebhookRefused, add_webhook, change_webhook, send_again
from tests.api.calling import Caller
from tests.builds.played import browser_of, main_of, person
from tests.environments.receiving import Receiver
from tests.services.studio import ROOT

pytestmark = pytest.mark.django_db
PAGE = "/w/lab/settings/?tab=webhooks"
ADD = "/w/lab/settings/webhooks/"
RECIPE = (ROOT / "docs/notifications.md").read_text().partition("```python\n")[2].partition("```")[0]


@pytest.fixture
def olga() -> User:
    cache.clear()
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def browser(olga: User) -> Client:
    return browser_of(olga)


@pytest.fixture
def lab(olga: User) -> Workspace:
    return Workspace.objects.get(name="lab")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


@pytest.fixture
def hook(lab: Workspace, receiver: Receiver) -> Webhook:
    return add_webhook(lab, receiver.url, ["builds"], None)[0]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver has half a second."""
    monkeypatch.setattr(sending, "TRY_SECONDS", 0.5)


def happens(lab: Workspace, verb: str = "build.failed", **details: Any) -> Delivery:
    """Record an event, and return its delivery."""
    event = record(verb, "forecast:3", workspace=lab, **details)
    return Delivery.objects.get(event=event)


def later() -> None:
    """Let the pauses pass."""
    Delivery.objects.filter(state=Sending.WAITING).update(next_at=Now() - timedelta(seconds=1))
    Webhook.objects.update(rests_until=Now() - timedelta(seconds=1))


def is_genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Check a message by the recipe that the documents give."""
    room: dict[str, Any] = {}
    exec(RECIPE, room)  # noqa: S102
    return bool(room["is_genuine"](secret, headers, body))


# What is sent


def test_an_event_arrives_signed_as_the_documents_say(lab: Workspace, receiver: Receiver) -> None:
    _, secret = add_webhook(lab, receiver.url, ["builds"], None)
    delivery = happens(lab, error="There is no package nunpy — “yet”.")
    assert serve_a_webhook()

    (message,) = receiver.got
    assert is_genuine(secret, message.headers, message.body)
    assert not is_genuine(secret, message.headers, message.body + b" ")
    assert not is_genuine(add_webhook(lab, receiver.url, ["builds"], None)[1], message.headers, message.body)
    old = message.headers | {"Webhook-Timestamp": "1"}
    assert not is_genuine(secret, old, message.body)
    assert message.headers["Webhook-Id"] == str(delivery.pk)
    told = json.loads(message.body)
    assert (told["type"], told["data"]["subject"]) == ("build.failed", "forecast:3")
    assert told["data"]["details"]["error"] == "There is no package nunpy — “yet”."
    delivery.refresh_from_db()
    assert (delivery.state, delivery.code, delivery.attempts) == (Sending.SENT, 204, 1)
    assert delivery.milliseconds is not None
    assert not serve_a_webhook()


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
    assert not serve_a_webhook()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_of_a_transaction(
    hook: Webhook, lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens(lab)
    post, inside = sending.post, []

    def looked(*args: Any) -> sending.Answer:
        inside.append(connection.in_atomic_block)
        return post(*args)

    monkeypatch.setattr(sending, "post", looked)
    assert serve_a_webhook()
    assert inside == [False]


# Receivers that misbehave


def test_a_receiver_that_was_away_gets_it_when_it_is_back(lab: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    add_webhook(lab, f"http://127.0.0.1:{port}/hook", ["builds"], None)
    delivery = happens(lab)
    assert serve_a_webhook()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.code) == (Sending.WAITING, 1, None)
    assert "could not be reached" in delivery.problem
    assert delivery.next_at is not None
    assert delivery.next_at > timezone.now() + timedelta(seconds=5)
    assert not serve_a_webhook()  # not before the pause is over

    with Receiver(port).running() as receiver:
        later()
        assert serve_a_webhook()
        assert [message.headers["Webhook-Id"] for message in receiver.got] == [str(delivery.pk)]
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.problem) == (Sending.SENT, 2, "")
    assert Webhook.objects.get().failures == 0


@pytest.mark.parametrize("code", [400, 404, 429, 500])
def test_a_bad_answer_is_told_and_tried_again(
    hook: Webhook, receiver: Receiver, lab: Workspace, code: int
) -> None:
    receiver.code = code
    delivery = happens(lab)
    serve_a_webhook()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.code) == (Sending.WAITING, code)
    assert delivery.problem == f"It answered with {code}."


def test_a_redirect_is_not_followed(hook: Webhook, receiver: Receiver, lab: Workspace) -> None:
    with Receiver().running() as elsewhere:
        receiver.code, receiver.headers = 307, {"Location": elsewhere.url}
        delivery = happens(lab)
        serve_a_webhook()
        assert elsewhere.got == []
    delivery.refresh_from_db()
    assert (delivery.state, delivery.code) == (Sending.WAITING, 307)
    assert "redirects are not followed" in delivery.problem


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("how", ["silent", "dripping"])
def test_a_receiver_that_does_not_come_to_an_end_is_not_waited_for(
    hook: Webhook, receiver: Receiver, lab: Workspace, how: str
) -> None:
    setattr(receiver, how, True)
    delivery = happens(lab)
    serve_a_webhook()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (Sending.WAITING, 1)
    assert "did not answer within" in delivery.problem


def test_what_lies_inside_is_not_reached(
    hook: Webhook, receiver: Receiver, lab: Workspace, settings: Settings
) -> None:
    settings.REACH = Reach()
    delivery = happens(lab)
    serve_a_webhook()
    delivery.refresh_from_db()
    assert receiver.got == []
    assert "The studio does not connect to 127.0.0.1" in delivery.problem
    with pytest.raises(WebhookRefused, match="does not connect"):
        add_webhook(lab, "http://169.254.169.254/latest", ["builds"], None)


def test_it_is_given_up_after_about_a_day_and_sent_again_when_somebody_says_so(
    hook: Webhook, receiver: Receiver, lab: Workspace, olga: User
) -> None:
    assert timedelta(hours=20) < sum(PAUSES, timedelta()) < timedelta(hours=28)
    receiver.code = 500
    delivery = happens(lab)
    for _ in range(len(PAUSES) + 1):
        later()
        assert serve_a_webhook()
    later()
    assert not serve_a_webhook()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (Sending.GIVEN_UP, len(PAUSES) + 1)

    receiver.code = 200
    send_again(delivery, olga)
    assert serve_a_webhook()
    delivery.refresh_from_db()
    assert delivery.state == Sending.SENT
    assert len({message.headers["Webhook-Id"] for message in receiver.got}) == 1


def test_a_dead_receiver_holds_up_no_other(lab: Workspace, receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead = f"http://127.0.0.1:{free.getsockname()[1]}/"
    for address in (dead, receiver.url):
        add_webhook(lab, address, ["builds"], None)
    for _ in range(5):
        record("build.failed", "x", workspace=lab)
    assert serve_a_webhook()
    assert serve_a_webhook()
    assert len(receiver.got) == 5
    assert Delivery.objects.filter(attempts=1).exclude(state=Sending.SENT).count() == 1  # one try of the dead
    assert not serve_a_webhook()


# Workers


def test_two_workers_never_send_to_one_receiver_at_once(
    hook: Webhook, lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens(lab)
    post, others = sending.post, []

    def meanwhile(*args: Any) -> sending.Answer:
        others.append(serve_a_webhook())
        return post(*args)

    monkeypatch.setattr(sending, "post", meanwhile)
    assert serve_a_webhook()
    assert others == [False]


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_while_it_sends_loses_nothing(
    hook: Webhook, receiver: Receiver, lab: Workspace
) -> None:
    delivery = happens(lab)
    receiver.silent = True
    words = [sys.executable, "-c", SERVE]
    database = connection.settings_dict["NAME"]
    place = {**os.environ, "DATABASE_URL": f"sqlite:///{database}", "SECRET_KEY": "k" * 50}
    keys = {"STUDIO_ENCRYPTION_KEYS": _keys(), "STUDIO_ALLOW_ADDRESSES": "loopback"}
    with subprocess.Popen(words, cwd=ROOT, env=place | keys) as worker:
        assert receiver.arrived.wait(60)
        worker.kill()
    assert not serve_a_webhook()  # it may be alive: its time is not over

    receiver.silent = False
    receiver.over.set()
    Webhook.objects.update(rests_until=Now())
    assert serve_a_webhook()
    assert [one.headers["Webhook-Id"] for one in receiver.got] == [str(delivery.pk)] * 2
    delivery.refresh_from_db()
    assert delivery.state == Sending.SENT


SERVE = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "studio.settings"
django.setup()
from environments.sending import serve_a_webhook
serve_a_webhook()
"""


def _keys() -> str:
    from django.conf import settings

    return ",".join(settings.ENCRYPTION_KEYS)


# The page and the API


def test_an_owner_makes_tests_changes_and_deletes_one(browser: Client, receiver: Receiver) -> None:
    made = browser.post(ADD, {"address": f"{receiver.url}?key=hidden", "groups": ["builds", "settings"]})
    secret = re.search(r"whsec_[\w+/=]{44}", made.content.decode())
    assert secret
    hook = Webhook.objects.get()
    assert secret[0] not in hook.sealed
    assert secret[0] not in browser.get(PAGE).content.decode()

    browser.post(f"{ADD}{hook.pk}/test")
    assert serve_a_webhook()
    assert json.loads(receiver.got[-1].body)["type"] == "webhook.tested"
    assert is_genuine(secret[0], receiver.got[-1].headers, receiver.got[-1].body)
    page = browser.get(f"{PAGE}&webhook={hook.pk}").content.decode()
    assert "webhook.tested" in page
    assert "answer 204" in page

    again = browser.post(f"{ADD}{hook.pk}/deliveries/{Delivery.objects.all()[0].pk}/again", follow=True)
    assert "It is sent again" in again.content.decode()
    renewed = browser.post(f"{ADD}{hook.pk}/secret").content.decode()
    assert "whsec_" in renewed
    assert secret[0] not in renewed

    browser.post(f"{ADD}{hook.pk}/change", {"address": receiver.url, "groups": "builds"})
    hook.refresh_from_db()
    assert (hook.address, hook.groups, hook.active) == (receiver.url, ["builds"], False)
    assert not Delivery.objects.filter(state=Sending.WAITING).exists()
    assert not serve_a_webhook()
    off = browser.post(f"{ADD}{hook.pk}/test", follow=True).content.decode()
    assert "This webhook is switched off" in off

    browser.post(f"{ADD}{hook.pk}/delete")
    assert not Webhook.objects.exists()
    activity = browser.get("/w/lab/activity/?what=settings").content.decode()
    assert "deleted the webhook" in activity
    assert "key=hidden" not in activity
    assert secret[0] not in str(list(Event.objects.values()))


@pytest.mark.parametrize(
    "wrong",
    ["", "example.com/x", "ftp://example.com", "https://u:p@example.com/", "https://", "https://h:x/",
     "https://example.com/#a", "https://example.com/a b", "https://" + "x" * 400, "javascript:alert(1)"],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_stays_to_be_corrected(browser: Client, wrong: str) -> None:
    answer = browser.post(ADD, {"address": wrong, "groups": "settings"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'role="alert"' in main_of(page)
    assert f'value="{wrong}"' in page
    assert re.search(r'value="settings" checked', page)
    assert not Webhook.objects.exists()


def test_what_cannot_be_kept_says_which_field(browser: Client, lab: Workspace, olga: User) -> None:
    call = Caller(olga)
    path = "workspaces/lab/webhooks/"
    assert browser.post(ADD, {"address": "https://example.com/"}).status_code == 422
    assert call("POST", path, {"address": "nonsense"}).code == "webhook-refused"
    assert call("POST", path, {"address": "https://example.com/", "events": []}).status == 400
    assert call("POST", path, {"address": "https://example.com/", "events": ["weather"]}).status == 400
    for number in range(20):
        add_webhook(lab, f"https://example.com/{number}", ["builds"], olga)
    assert "up to 20" in call("POST", path, {"address": "https://example.com/"}).json["message"]


def test_programs_manage_webhooks_too(olga: User, lab: Workspace, receiver: Receiver) -> None:
    call = Caller(olga)
    made = call("POST", "workspaces/lab/webhooks/", {"address": receiver.url})
    assert (made.status, made.json["events"]) == (201, ["builds"])
    assert made.json["secret"].startswith("whsec_")
    path = f"workspaces/lab/webhooks/{made.json['id']}/"
    assert "secret" not in call("GET", path).json
    test = call("POST", f"{path}test/")
    assert (test.status, test.json["state"]) == (202, "waiting")
    serve_a_webhook()
    (row,) = call.all(f"{path}deliveries/")
    assert (row["state"], row["code"], row["verb"]) == ("sent", 204, "webhook.tested")
    assert call("POST", f"{path}deliveries/{row['id']}/again/").status == 202
    assert call("PATCH", path, {"active": False}).json["active"] is False
    assert call("POST", f"{path}test/").code == "webhook-off"
    assert call("DELETE", path).status == 204
    assert call("GET", path).status == 404
    assert call("GET", f"workspaces/lab/webhooks/{10**30}/").status == 404


def test_one_of_another_workspace_is_out_of_reach(hook: Webhook) -> None:
    otto = person("otto", other=Role.OWNER)
    for what in ("change", "secret", "test", "delete"):
        assert browser_of(otto).post(f"/w/other/settings/webhooks/{hook.pk}/{what}").status_code == 404
    assert Caller(otto)("DELETE", f"workspaces/other/webhooks/{hook.pk}/").status == 404
    assert browser_of(person("carla", lab=Role.CONTRIBUTOR)).get(PAGE).status_code == 403


def test_many_deliveries_cost_as_many_queries_as_one(
    hook: Webhook, lab: Workspace, browser: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    from django.test.utils import CaptureQueriesContext

    happens(lab)
    address = f"{PAGE}&webhook={hook.pk}"
    browser.get(address)
    with CaptureQueriesContext(connection) as few:
        browser.get(address)
    for number in range(60):
        record("build.failed", f"{'long-' * 60}{number}", workspace=lab)
    with django_assert_num_queries(len(few) + 1):  # the pages are counted
        assert len(browser.get(address).context["page"]) == 25


def test_keys_are_changed_for_webhooks_too(hook: Webhook, lab: Workspace, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = ["n" * 40, *settings.ENCRYPTION_KEYS]
    call_command("rotate_keys")
    settings.ENCRYPTION_KEYS = ["n" * 40]
    happens(lab)
    serve_a_webhook()
    assert Delivery.objects.get().state == Sending.SENT


def test_a_change_that_changes_nothing_is_none(hook: Webhook, olga: User) -> None:
    told = {"address": hook.address, "groups": hook.groups, "active": True}
    assert not change_webhook(hook, **told, by=olga)
    assert not Event.objects.filter(verb="webhook.changed").exists()


def test_what_was_sent_a_month_ago_is_forgotten(hook: Webhook, lab: Workspace) -> None:
    old, young = happens(lab), happens(lab)
    ended = Now() - timedelta(days=31)
    Delivery.objects.filter(pk=old.pk).update(state=Sending.SENT, ended_at=ended)
    sending.forget_old()
    assert list(Delivery.objects.all()) == [young]
