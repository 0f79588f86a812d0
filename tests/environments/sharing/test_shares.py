"""Shared versions: sent with their image, accepted without a build, and nothing learnt about other workspaces."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from builds.images.repositories import image_of_version
from builds.images.retention import Rule, clean_up, preview
from builds.images.store_sweep import sweep
from builds.imaging.oci.store import BlobStore
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
from tests.builds.distribution import basic, store_image
from tests.builds.scenarios import (
    browser_of,
    image_for,
    main_of,
    person,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)

SENT = "/w/lab/environments/forecast/versions/1/share/"
API = "/api/v1/workspaces/"


@pytest.fixture
def olga(db: None) -> User:
    cache.clear()
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def vera(db: None) -> User:
    """The owner of the workspace that receives."""
    return person("vera", vision=Role.OWNER)


@pytest.fixture
def forecast(olga: User) -> Version:
    version = save_text("# why\nnumpy==2.1.3\n", user=olga, description="For the team.", tags={"team": "nlp"})
    image_for(version)
    return version


def refused(act: Any) -> str:
    with pytest.raises(ServiceError) as problem:
        act()
    assert problem.value.message.endswith(".")
    return problem.value.code


def verbs(workspace: str) -> list[str]:
    return list(
        Event.objects.filter(workspace__name=workspace, verb__startswith="share.")
        .order_by("pk")
        .values_list("verb", flat=True)
    )


def post(user: User, path: str, sent: dict[str, object] | None = None) -> tuple[int, Any]:
    answer = browser_of(user).post(API + path, json.dumps(sent or {}), "application/json")
    return answer.status_code, answer.json()


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
    told = Notice.objects.get(user=olga)
    assert told.subject == "vision declined forecast:1"
    assert browser_of(olga).get(told.address).status_code == 200
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


# What a sender learns: nothing


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


# Who may


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


# The image


def test_the_receivers_pull_the_image_after_the_sender_has_deleted_theirs(
    olga: User, vera: User, settings: Settings
) -> None:
    store = BlobStore(settings.STORE)
    manifest = store_image(store, b"\0" * 1024)
    version = save_text("numpy==2.1.3\n", user=olga)
    image = succeed_build(queue_build(version, olga))
    Image.objects.filter(pk=image.pk).update(digest=manifest.digest, layers=[])
    saved = accept(share(version, "vision", olga), vera)
    Image.objects.filter(workspace__name="lab").delete()
    sweep(dry_run=False, grace_seconds=0)
    assert (image_of_version(saved, catalogue=False) or image).digest == manifest.digest
    pulled = Client().get(
        "/v2/vision/forecast/manifests/1", headers={"Authorization": basic("vera", "a long enough password")}
    )
    assert pulled.status_code == 200
    assert pulled.headers["Docker-Content-Digest"] == manifest.digest


def test_an_undecided_share_keeps_the_image_that_was_sent_also_when_it_is_rebuilt(
    forecast: Version, olga: User, vera: User
) -> None:
    Image.objects.update(digest=f"sha256:{'8' * 64}")
    row = share(forecast, "vision", olga)
    sent = Image.objects.get(workspace__name="lab")
    sent.current = False
    sent.used_at = timezone.now() - timedelta(days=400)
    sent.save()
    image_for(forecast)
    assert "shared" in {outcome.fate for outcome in preview(workspace_named("lab"), Rule()).stays}
    assert clean_up(workspace_named("lab"), Rule(), olga).images == 0
    saved = accept(row, vera)
    assert Image.objects.get(workspace=saved.environment.workspace).digest == row.digest
    assert clean_up(workspace_named("lab"), Rule(), olga).images == 1


def test_accepting_without_an_image_left_changes_nothing(forecast: Version, olga: User, vera: User) -> None:
    row = share(forecast, "vision", olga)
    Image.objects.all().delete()
    assert refused(lambda: accept(row, vera)) == "not-built"
    row.refresh_from_db()
    assert row.waiting
    assert not Version.objects.filter(environment__workspace__name="vision").exists()


def test_an_image_that_the_receivers_have_of_the_same_content_stays_theirs(
    forecast: Version, olga: User, vera: User
) -> None:
    own = image_for(save_text("# other\nnumpy==2.1.3\n", name="mine", workspace="vision"))
    accept(share(forecast, "vision", olga), vera)
    assert list(Image.objects.filter(workspace__name="vision")) == [own]


# The API and the pages


def test_the_api_shares_lists_accepts_and_declines(forecast: Version, olga: User, vera: User) -> None:
    there = "lab/environments/forecast/versions/1/share/"
    status, given = post(olga, there, {"workspace": "vision", "message": "Try it."})
    assert (status, given["state"], given["version"]) == (201, "waiting", "lab/forecast:1")
    (listed,) = browser_of(vera).get(f"{API}vision/shares/received/").json()["results"]
    assert (listed["message"], listed["shared_by"], listed["accepted"]) == ("Try it.", "olga", None)
    status, version = post(vera, f"vision/shares/{listed['id']}/accept/", {"name": "theirs"})
    assert (status, version["environment"], version["based_on"]) == (200, "theirs", "lab/forecast:1")
    assert version["image"] == "ready"
    assert post(vera, f"vision/shares/{listed['id']}/decline/")[0] == 409
    assert (
        browser_of(vera).get(f"{API}vision/shares/received/").json()["results"][0]["accepted"]
        == "vision/theirs:1"
    )
    status, second = post(olga, there, {"workspace": "vision"})
    assert post(vera, f"vision/shares/{second['id']}/decline/")[1]["state"] == "declined"
    assert [row["state"] for row in browser_of(olga).get(f"{API}lab/shares/sent/").json()["results"]] == [
        "declined",
        "accepted",
    ]
    wrong: tuple[dict[str, object], ...] = (
        {},
        {"workspace": "7 "},
        {"workspace": ["vision"]},
        {"workspace": "vision", "message": "x" * 3000},
    )
    for sent in wrong:
        assert post(olga, there, sent)[0] in (400, 409)


def test_the_menu_leads_to_the_page_and_hostile_values_are_shown_as_text(
    forecast: Version, olga: User, vera: User
) -> None:
    browser = browser_of(olga)
    assert SENT in browser.get("/w/lab/environments/forecast/").content.decode()
    assert "What happens next" in browser.get(SENT).content.decode()
    answer = browser.post(SENT, {"to": "vision", "name": "<img src=x>", "message": "<img src=x>"})
    assert answer.status_code == 422
    assert "<img src=x>" not in answer.content.decode()
    assert browser.post(SENT, {"to": "vision", "message": "x" * 20_000}).status_code == 422
    browser.post(SENT, {"to": "vision", "message": "<img src=x>"})
    page = browser_of(vera).get(f"/w/vision/shares/{Share.objects.get().pk}/").content.decode()
    assert "<img src=x>" not in page
    assert "numpy==2.1.3" in page


def test_the_lists_take_the_same_queries_however_long(
    forecast: Version, olga: User, vera: User, django_assert_max_num_queries: Any
) -> None:
    share(forecast, "vision", olga)
    vera_there = browser_of(vera)
    vera_there.get("/w/vision/settings/?tab=sharing")
    for number in range(8):
        version = save_text(f"scipy==1.{number}", name=f"more-{number}")
        image_for(version)
        share(version, "vision", olga)
    with django_assert_max_num_queries(30):
        page = vera_there.get("/w/vision/settings/?tab=sharing").content.decode()
    assert main_of(page).count(">lab/more-") == 8
