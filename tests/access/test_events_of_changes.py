"""Every change records an event: each route that changes something is requested, and its event checked."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from builds.models import Image
from builds.models.healing import HealState
from builds.review.sharing import share
from environments.catalogue.proposals import propose
from environments.models import Event, Version
from environments.versions.anonymous import save_anonymous
from environments.versions.input import read_input
from environments.versions.uses import report_use
from tests.access.asking import Cell, Studio
from tests.access.changes import CHANGES, LEAVE_NO_EVENT, Change
from tests.access.expected import EXPECTED
from tests.access.expected_azure import AZURE
from tests.access.levels import ANYBODY, NOBODY, SENT_ON, SIGNED
from tests.builds.healing.examples import drifted, heal_item
from tests.builds.scenarios import browser_of, image_for, queue_build, save_text

CHANGE = ("POST", "PUT", "PATCH", "DELETE")


def test_every_route_that_changes_something_has_a_known_event() -> None:
    changing = {
        (route, method)
        for route, methods in EXPECTED.items()
        for method, level in methods.items()
        if method in CHANGE and level not in (ANYBODY, NOBODY, SENT_ON, SIGNED)
    }
    known = CHANGES.keys() | LEAVE_NO_EVENT.keys()
    new = sorted(changing - known)
    assert not new, f"Say in tests/access/changes.py what is sent there and which event it leaves: {new}"
    assert known <= changing, f"Nobody changes anything at {sorted(known - changing)} any more."


@pytest.mark.slow
@pytest.mark.django_db
def test_every_change_records_an_event_with_actor_and_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimpleRateThrottle, "allow_request", lambda *_: True)
    cache.clear()
    studio = Studio.filled()
    owner = User.objects.get(username="owner")
    owner.set_password("a long enough password")
    owner.save()
    unused = image_for(save_text("unused==1", name="forecast", workspace="lab"))
    Image.objects.filter(pk=unused.pk).update(used_at=timezone.now() - datetime.timedelta(days=8))
    forecast = save_text("forecast==1", name="forecast", workspace="lab")
    image_for(forecast)
    other = save_text("other==1", name="other", workspace="other")
    image_for(other)
    received = share(other, "lab", owner)
    unbuilt = save_text("unbuilt==1", name="forecast", workspace="lab")
    used = save_text("used==1", name="used", workspace="lab")
    use = report_use(used, "run", "train-42", workspace=used.environment.workspace, user=owner).use
    there = dict(studio.there)
    nameless = save_anonymous(used.environment.workspace, read_input("nameless==1\n")).version
    built = save_text("built==1", name="built", workspace="lab")
    image_for(built)
    drifted(save_text("numpy==2.1.3\n", name="drifted", workspace="lab"), owner)
    others = {
        "drifted": "drifted",
        "open-run": str(
            heal_item(Version.objects.get(environment__name="affected"), HealState.WAITING).run_id
        ),
        "used": "used",
        "active": str(use.pk),
        "unbuilt": unbuilt.version,
        "built-version": forecast.version,
        "received": str(received.pk),
        "anonymous": nameless.environment.name,
        "nameless": nameless.version,
        "running": str(queue_build(save_text("running==1", name="running", workspace="lab"), owner).pk),
        "new": "new",
        "built": str(propose(built, owner, name="AzureML-built", as_new=True, comment="It works.").pk),
    }
    wrong = []
    for (route, method), change in CHANGES.items():
        workspace = change.workspace
        studio.there[workspace] = there[workspace] | {name: others[key] for name, key in change.there.items()}
        actor = User.objects.get(username="admin") if change.admin else owner
        filled = {
            key: value.format_map(studio.there[workspace])
            if isinstance(value, str) and "{affected}" in value
            else value
            for key, value in change.sent.items()
        }
        change = replace(change, sent=filled)
        with transaction.atomic():
            browser = browser_of(actor)
            if route in AZURE:
                browser = Client(headers={"Authorization": f"Bearer {studio.bearers[actor.username]}"})
            status, events = send(browser, studio.path(Cell(route, method, "", workspace)), method, change)
            transaction.set_rollback(True)
        fitting = [event for event in events if event.verb == change.verb]
        if status >= 400 or not fitting or fitting[0].actor != actor or fitting[0].address != "192.0.2.9":
            verbs = [event.verb for event in events]
            wrong.append(f"{method} /{route}: {status}, {verbs or 'no event'}, not {change.verb} by {actor}")
    assert not wrong, "\n".join(wrong)


def send(browser: Client, path: str, method: str, change: Change) -> tuple[int, list[Event]]:
    """Send a change as a user does, and return the status and the recorded events."""
    last = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    browser.defaults["REMOTE_ADDR"] = "192.0.2.9"
    as_json = path.startswith(("/api/", "/subscriptions/", "/mferp/", "/environment/"))
    body: Any = json.dumps(change.sent) if as_json else change.sent
    more = {"content_type": "application/json"} if as_json else {}
    response = getattr(browser, method.lower())(path, body, **more)
    return response.status_code, list(Event.objects.filter(pk__gt=last).select_related("actor"))
