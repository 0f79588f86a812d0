"""Shared versions: sent with their image, accepted without a build, and nothing learnt about other workspaces."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection

from builds.models import Build, Image
from builds.queue.requests import request_build
from builds.review.sharing import accept, share
from environments.errors import ServiceError
from environments.models import Environment, Event, Role, Version
from environments.models.notifications import Notice
from environments.models.shares import Share
from environments.sharing import service
from environments.sharing.service import decline, withdraw
from environments.versions.anonymous import save_anonymous
from environments.versions.input import read_input
from environments.versions.service import archive_environment, archive_version
from tests.builds.scenarios import (
    browser_of,
    image_for,
    person,
    save_text,
    workspace_named,
)
from tests.environments.sharing.sharing import API, SENT, post, refused, verbs

# Sent and accepted


def test_an_accepted_version_is_the_receivers_own_with_its_image_and_origin_and_without_a_build(
    forecast: Version, olga: User, vera: User
) -> None:
    row = share(forecast, "vision", olga, message="Try it.")
    saved = accept(row, vera)
    assert (saved.environment.workspace.name, str(saved), saved.hash) == (
        "vision",
        "forecast:1",
        forecast.hash,
    )
    assert (saved.source, saved.description, saved.tags) == (
        forecast.source,
        "For the team.",
        {"team": "nlp"},
    )
    assert saved.based_on == forecast
    assert saved.created_by == vera
    page = browser_of(vera).get("/w/vision/environments/forecast/").content.decode()
    assert "Shared from" in page
    assert "lab/forecast:1" in page
    assert 'href="/w/lab/' not in page
    own = Image.objects.get(workspace=saved.environment.workspace)
    assert (own.digest, own.lock) == (row.digest, Image.objects.get(workspace__name="lab").lock)
    assert request_build(saved, vera).image == own
    assert not Build.objects.exists()
    assert own.package_rows.exists()
    assert own.layer_rows.count() == 2


def test_both_sides_have_events_and_neither_learns_more_than_it_should(
    forecast: Version, olga: User, vera: User
) -> None:
    browser_of(olga).post(SENT, {"to": "vision"}, REMOTE_ADDR="192.0.2.7")
    row = Share.objects.get()
    assert Event.objects.get(verb="share.sent").address == "192.0.2.7"
    received = Event.objects.get(verb="share.received")
    assert (received.address, received.agent, received.actor) == ("", "", olga)
    browser_of(vera).post(f"/w/vision/shares/{row.pk}/", {"decision": "accept", "name": "theirs"})
    assert verbs("lab") == ["share.sent", "share.confirmed"]
    assert verbs("vision") == ["share.received", "share.accepted"]
    confirmed = Event.objects.get(verb="share.confirmed")
    assert (confirmed.actor, confirmed.address) == (None, "")
    seen_by_sender = browser_of(olga).get("/w/lab/activity/").content.decode()
    seen_by_sender += browser_of(olga).get("/w/lab/settings/?tab=sharing").content.decode()
    seen_by_sender += browser_of(olga).get(f"{API}lab/shares/sent/").content.decode()
    assert "vision" in seen_by_sender
    assert "accepted" in seen_by_sender
    assert "vera" not in seen_by_sender
    assert "theirs" not in seen_by_sender
    assert "lab/forecast:1" in browser_of(vera).get("/w/vision/activity/").content.decode()


def test_owners_are_notified_and_the_sender_of_the_decision(
    forecast: Version, olga: User, vera: User
) -> None:
    person("carl", vision=Role.CONTRIBUTOR)
    row = share(forecast, "vision", olga, message="<b>Try it.</b>")
    notice = Notice.objects.get()
    assert (notice.user, notice.subject) == (vera, "olga shares lab/forecast:1 with vision")
    assert browser_of(vera).get(notice.address).status_code == 200
    assert "&lt;b&gt;Try it." in browser_of(vera).get(notice.address).content.decode()
    decline(row, vera)
    notice = Notice.objects.get(user=olga)
    assert notice.subject == "vision declined forecast:1"
    assert browser_of(olga).get(notice.address).status_code == 200
    assert verbs("lab") == ["share.sent", "share.refused"]
    assert verbs("vision") == ["share.received", "share.declined"]
    assert not Environment.objects.filter(workspace__name="vision").exists()


def test_an_existing_environment_gets_the_next_version_and_another_name_is_free_to_choose(
    forecast: Version, olga: User, vera: User
) -> None:
    save_text("scipy==1.14.1", workspace="vision")
    assert str(accept(share(forecast, "vision", olga), vera)) == "forecast:2"
    assert str(accept(share(forecast, "vision", olga, name="suggested"), vera)) == "suggested:1"
    assert str(accept(share(forecast, "vision", olga), vera, name="another")) == "another:1"
    again = share(forecast, "vision", olga)
    archive_environment(Environment.objects.get(workspace__name="vision", name="another"), vera)
    assert refused(lambda: accept(again, vera, name="another")) == "environment-archived"
    assert refused(lambda: accept(again, vera, name="azureml-x")) == "name-reserved"
    again.refresh_from_db()
    assert again.waiting


# A sender learns nothing


def test_sharing_with_a_workspace_that_does_not_exist_looks_the_same(
    forecast: Version, olga: User, vera: User
) -> None:
    browser = browser_of(olga)
    answers: dict[str, list[Any]] = {}
    for to in ("vision", "nowhere"):
        page = browser.post(SENT, {"to": to, "message": "Try it."}, follow=True)
        again = browser.post(SENT, {"to": to})
        status, given = post(
            olga, "lab/environments/forecast/versions/1/share/", {"workspace": to, "name": "x"}
        )
        listed = [row for row in browser.get(f"{API}lab/shares/sent/").json()["results"] if row["to"] == to]
        events = Event.objects.filter(workspace__name="lab", details__label=to).order_by("pk")
        number = str(Share.objects.get(to=to).pk)
        answers[to] = [
            (page.redirect_chain, page.status_code),
            (again.status_code, again.content.decode().count("field-error")),
            (status, given["code"], given["message"].replace(to, "TO")),
            [
                {key: value for key, value in row.items() if key not in ("id", "to", "shared_at")}
                for row in listed
            ],
            [
                (event.verb, event.subject, event.actor_id, event.details | {"label": "", "share": ""})
                for event in events
            ],
            browser.post(f"/w/lab/shares/{number}/withdraw").status_code,
            post(olga, f"lab/shares/{number}/withdraw/")[0],
            browser.get(f"/w/lab/shares/{number}/").status_code,
            browser.get(f"/w/{to}/environments/").status_code,
            browser.get(f"/w/{to}/shares/{number}/").status_code,
            browser.get(f"{API}{to}/shares/received/").status_code,
        ]
    assert answers["vision"] == answers["nowhere"]
    assert answers["vision"][0][1] == 200
    assert answers["vision"][2][1] == "shared-already"


def test_a_workspace_that_is_created_later_under_the_typed_name_gets_nothing(
    forecast: Version, olga: User
) -> None:
    share(forecast, "later", olga)
    lara = person("lara", later=Role.OWNER)
    assert browser_of(lara).get(f"{API}later/shares/received/").json()["results"] == []
    assert browser_of(lara).get(f"/w/later/shares/{Share.objects.get().pk}/").status_code == 404


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "Vision",
        "../lab",
        "vision/x",
        "a" * 64,
        "vis\0ion",
        "<script>",
        "vision\n",
        "-",
        "curated",
        "lab",
    ],
)
def test_a_name_that_no_workspace_can_have_is_refused(
    forecast: Version, olga: User, vera: User, typed: str
) -> None:
    answer = browser_of(olga).post(SENT, {"to": typed})
    sent = Share.objects.first()
    assert answer.status_code == 422 or (sent is not None and sent.to == "vision")
    assert "<script>" not in answer.content.decode().partition("<main")[2].replace("</script>", "")
    assert post(olga, "lab/environments/forecast/versions/1/share/", {"workspace": typed})[0] in (400, 409)


# Rights


def test_contributors_share_and_owners_decide(forecast: Version, olga: User, vera: User) -> None:
    rita, carl = person("rita", lab=Role.READER), person("carl", vision=Role.CONTRIBUTOR)
    assert browser_of(rita).get(SENT).status_code == 403
    assert browser_of(rita).post(SENT, {"to": "vision"}).status_code == 403
    row = share(forecast, "vision", olga)
    there = f"/w/vision/shares/{row.pk}/"
    for person_, status in ((carl, 403), (olga, 404), (rita, 404)):
        assert browser_of(person_).get(there).status_code == status
        assert browser_of(person_).post(there, {"decision": "accept"}).status_code == status
        assert post(person_, f"vision/shares/{row.pk}/accept/")[0] == status
    # The receivers cannot withdraw, and the number of another workspace's share opens nothing.
    assert browser_of(vera).post(f"/w/vision/shares/{row.pk}/withdraw").status_code == 404
    other = person("otto", other=Role.OWNER)
    assert browser_of(other).get(f"/w/other/shares/{row.pk}/").status_code == 404
    assert post(other, f"other/shares/{row.pk}/decline/")[0] == 404
    assert post(other, f"other/shares/{2**70}/decline/")[0] == 404
    assert (
        "Shared with this workspace"
        not in browser_of(carl).get("/w/vision/settings/?tab=sharing").content.decode()
    )
    row.refresh_from_db()
    assert row.waiting
    # The receiving owner sees this version, and nothing else of the sending workspace.
    assert browser_of(vera).get(there).status_code == 200
    assert browser_of(vera).get("/w/lab/environments/forecast/versions/1/").status_code == 404


def test_only_built_named_versions_that_are_not_archived_are_shared(olga: User) -> None:
    unbuilt = save_text("a==1")
    assert refused(lambda: share(unbuilt, "vision", olga)) == "not-built"
    nameless = save_anonymous(workspace_named("lab"), read_input("b==1\n")).version
    image_for(nameless)
    assert refused(lambda: share(nameless, "vision", olga)) == "anonymous"
    old = save_text("c==1", name="old")
    image_for(old)
    archive_version(old, olga)
    assert refused(lambda: share(old, "vision", olga)) == "version-archived"
    curated = save_text("d==1", name="AzureML-d", workspace="curated")
    image_for(curated)
    assert refused(lambda: share(curated, "vision", olga)) == "curated-already"


def test_undecided_shares_are_limited(forecast: Version, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_WAITING", 2)
    share(forecast, "one", olga)
    withdraw(share(forecast, "two", olga), olga)
    share(forecast, "three", olga)
    assert refused(lambda: share(forecast, "four", olga)) == "too-many-shares"


# Decided once


def test_a_decided_share_is_not_decided_again(forecast: Version, olga: User, vera: User) -> None:
    row = share(forecast, "vision", olga)
    withdraw(row, olga)
    for act in (lambda: accept(row, vera), lambda: decline(row, vera), lambda: withdraw(row, olga)):
        assert refused(act) == "decided"
    answer = browser_of(vera).post(f"/w/vision/shares/{row.pk}/", {"decision": "accept"})
    assert answer.status_code == 409
    assert verbs("vision") == ["share.received", "share.withdrawn"]
    assert not Environment.objects.filter(workspace__name="vision").exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_decisions_at_once_one_wins() -> None:
    cache.clear()
    olga, vera = person("olga", lab=Role.CONTRIBUTOR), person("vera", vision=Role.OWNER)
    version = save_text("numpy==2.1.3\n")
    image_for(version)
    row = share(version, "vision", olga)
    outcomes: list[str] = []

    def decide(act: Any) -> None:
        try:
            act(
                Share.objects.select_related("target", "workspace", "version__environment").get(pk=row.pk),
                vera,
            )
            outcomes.append("done")
        except ServiceError as problem:
            outcomes.append(problem.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=[act]) for act in (accept, decline, accept)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["decided", "decided", "done"]
