"""Webhooks are made, tried, changed and deleted, on the page and by programs."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from environments.audit.record import record
from environments.models import Event, Role, Workspace
from environments.models.notifications import Delivery, DeliveryState, Webhook
from environments.notifications import delivery
from environments.notifications.delivery import deliver_next_webhook
from environments.notifications.webhooks import add_webhook, change_webhook
from tests.builds.scenarios import browser_of, main_of, person
from tests.environments.notifications.receiving import Receiver
from tests.environments.notifications.webhooks import happens, is_genuine
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db
PAGE = "/w/lab/settings/?tab=webhooks"
ADD = "/w/lab/settings/webhooks/"


def test_an_owner_makes_tests_changes_and_deletes_one(browser: Client, receiver: Receiver) -> None:
    made = browser.post(ADD, {"address": f"{receiver.url}?key=hidden", "groups": ["builds", "settings"]})
    secret = re.search(r"whsec_[\w+/=]{44}", made.content.decode())
    assert secret
    hook = Webhook.objects.get()
    assert secret[0] not in hook.sealed
    assert secret[0] not in browser.get(PAGE).content.decode()

    browser.post(f"{ADD}{hook.pk}/test")
    assert deliver_next_webhook()
    assert json.loads(receiver.got[-1].body)["type"] == "webhook.tested"
    assert is_genuine(secret[0], receiver.got[-1].headers, receiver.got[-1].body)
    page = browser.get(f"{PAGE}&webhook={hook.pk}").content.decode()
    assert "webhook.tested" in page
    assert "answer 204" in page

    again = browser.post(f"{ADD}{hook.pk}/deliveries/{Delivery.objects.all()[0].pk}/again", follow=True)
    assert "Queued again" in again.content.decode()
    renewed = browser.post(f"{ADD}{hook.pk}/secret").content.decode()
    assert "whsec_" in renewed
    assert secret[0] not in renewed

    browser.post(f"{ADD}{hook.pk}/change", {"address": receiver.url, "groups": "builds"})
    hook.refresh_from_db()
    assert (hook.address, hook.groups, hook.active) == (receiver.url, ["builds"], False)
    assert not Delivery.objects.filter(state=DeliveryState.WAITING).exists()
    assert not deliver_next_webhook()
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
    deliver_next_webhook()
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
    deliver_next_webhook()
    assert Delivery.objects.get().state == DeliveryState.SENT


def test_a_change_that_changes_nothing_is_none(hook: Webhook, olga: User) -> None:
    fields = {"address": hook.address, "groups": hook.groups, "active": True}
    assert not change_webhook(hook, **fields, by=olga)
    assert not Event.objects.filter(verb="webhook.changed").exists()


def test_what_was_sent_a_month_ago_is_forgotten(hook: Webhook, lab: Workspace) -> None:
    old, young = happens(lab), happens(lab)
    ended = Now() - timedelta(days=31)
    Delivery.objects.filter(pk=old.pk).update(state=DeliveryState.SENT, ended_at=ended)
    delivery.delete_old()
    assert list(Delivery.objects.all()) == [young]
