"""Owners choose whether their workspace receives shared versions; senders learn nothing of it."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User

from builds.review.sharing import accept, share
from environments.models import Event, Role, Version, Workspace
from environments.models.notifications import Notice
from environments.models.shares import Share
from tests.builds.scenarios import browser_of, person
from tests.environments.sharing.sharing import API, SENT, refused, verbs

HERE = "/w/vision/settings/receiving"


@pytest.fixture
def closed(vera: User) -> Workspace:
    """The workspace of vera, which receives nothing."""
    browser_of(vera).post(HERE, {})
    return Workspace.objects.get(name="vision")


def test_nothing_arrives_and_nobody_is_notified(
    forecast: Version, olga: User, vera: User, closed: Workspace
) -> None:
    row = share(forecast, "vision", olga)
    assert row.target is None
    assert "share.received" not in verbs("vision")
    assert not Notice.objects.filter(user=vera).exists()
    page = browser_of(vera).get("/w/vision/settings/?tab=sharing").content.decode()
    assert "receives no shared versions" in page
    assert browser_of(vera).get(f"/w/vision/shares/{row.pk}/").status_code == 404


def test_a_sender_sees_no_difference(forecast: Version, olga: User, closed: Workspace) -> None:
    browser = browser_of(olga)
    pages = []
    for name in ("vision", "nowhere"):
        answer = browser.post(SENT, {"to": name}, follow=True)
        page = answer.content.decode()
        pages.append((answer.redirect_chain, page.count(f"is sent to {name}")))
        assert refused(lambda name=name: share(forecast, name, olga)) == "shared-already"
    assert pages[0] == pages[1]
    assert verbs("lab") == ["share.sent", "share.sent"]
    assert {row.state for row in Share.objects.all()} == {"waiting"}


def test_what_arrived_before_is_still_decided(forecast: Version, olga: User, vera: User) -> None:
    row = share(forecast, "vision", olga)
    browser_of(vera).post(HERE, {})
    assert accept(row, vera).environment.workspace.name == "vision"


def test_owners_switch_it_by_page_and_api_with_an_event(olga: User, vera: User) -> None:
    carl = person("carl", vision=Role.CONTRIBUTOR)
    settings = f"{API}vision/sharing/"
    assert browser_of(olga).post(HERE, {}).status_code == 404
    assert browser_of(carl).post(HERE, {}).status_code == 403
    assert Workspace.objects.get(name="vision").receives_shares
    answer = browser_of(vera).patch(settings, json.dumps({"receives_shares": False}), "application/json")
    assert answer.json()["receives_shares"] is False
    assert "Owners can change it" in browser_of(carl).get("/w/vision/settings/?tab=sharing").content.decode()
    again = browser_of(vera).post(HERE, {}, follow=True).content.decode()
    assert "No changes to save" in again
    for off in ("receives_shares", "opened"):
        assert (
            browser_of(vera).patch(settings, json.dumps({off: None}), "application/json").status_code == 400
        )
    assert (
        "receives shared versions"
        in browser_of(vera).post(HERE, {"receives": "on"}, follow=True).content.decode()
    )
    events = Event.objects.filter(verb="workspace.receiving").order_by("pk")
    assert [(event.before, event.after) for event in events] == [
        ({"receives_shares": True}, {"receives_shares": False}),
        ({"receives_shares": False}, {"receives_shares": True}),
    ]
