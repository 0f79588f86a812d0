"""Proposals and deprecations through the API: for programs that release environments (issue 6 point 6)."""

from __future__ import annotations

import datetime

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone

from environments.models import Role, Version
from tests.builds.scenarios import person, queue_build, save_text, succeed_build
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db
FORECAST = "workspaces/lab/environments/forecast/versions"
REVIEW = "workspaces/curated/proposals/"
X = "workspaces/curated/environments/AzureML-x/"
SOON = (timezone.localdate() + datetime.timedelta(days=30)).isoformat()


@pytest.fixture(autouse=True)
def nobody_called_before() -> None:
    cache.clear()


@pytest.fixture
def olga() -> User:
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def author(olga: User) -> Caller:
    return Caller(olga)


@pytest.fixture
def curator() -> Caller:
    return Caller(person("cora", curated=Role.CONTRIBUTOR))


def test_a_release_from_proposal_to_publication(olga: User, author: Caller, curator: Caller) -> None:
    version = save_text("numpy==2.1.3\n", user=olga)
    body = {"name": "AzureML-x", "new": True, "reason": "Everybody needs it.", "description": "For all."}
    made = author("POST", f"{FORECAST}/1/propose/", body)
    assert (made.status, made.json["stage"], made.json["image_state"], made.json["misfits"]) == (
        201,
        "waiting",
        "none",
        None,
    )
    assert author("POST", f"{FORECAST}/1/propose/", body).code == "not-newer"

    url = f"{REVIEW}{made.json['id']}/"
    early = curator("POST", f"{url}approve/", {})
    assert (early.status, early.code) == (409, "not-built")
    assert curator("POST", f"{url}build/").status == 202
    succeed_build(version.builds.get())

    looked = curator("GET", url)
    assert (looked.json["image_state"], looked.json["misfits"], looked.json["before"]) == ("ready", [], None)
    assert looked.json["definition"]["python"]["pip"] == ["numpy==2.1.3"]
    stale = curator("POST", f"{url}approve/", {}, If_Match=made.headers["ETag"])
    assert (stale.status, stale.code) == (412, "changed")
    done = curator(
        "POST",
        f"{url}approve/",
        {"comment": "Thanks.", "confirm": ["host-base", "trial"]},
        If_Match=looked.headers["ETag"],
    )
    assert (done.status, done.json["published"]) == (200, "curated/AzureML-x:1")
    assert [step["what"] for step in done.json["steps"]] == ["proposed", "published"]
    assert author("GET", f"{X}versions/1/").json["image"] == "ready"

    again = curator("POST", f"{url}refuse/", {"comment": "No."})
    assert (again.status, again.code) == (409, "not-possible-now")
    assert [row["id"] for row in curator.all(f"{REVIEW}?stage=published")] == [made.json["id"]]
    assert curator.all(f"{REVIEW}?stage=waiting") == []
    assert [row["id"] for row in author.all("workspaces/lab/proposals/")] == [made.json["id"]]


def test_asked_changes_are_answered_at_the_same_address(olga: User, author: Caller, curator: Caller) -> None:
    save_text("numpy==2.1.3\n", user=olga)
    made = author(
        "POST",
        f"{FORECAST}/1/propose/",
        {"name": "AzureML-x", "new": True, "reason": "Good.", "description": "For all."},
    )
    url = f"{made.json['id']}/"
    assert curator("POST", f"{REVIEW}{url}ask-for-changes/", {}).code == "words-missing"
    assert curator("POST", f"{REVIEW}{url}ask-for-changes/", {"comment": "Pin."}).json["stage"] == "changes"
    save_text("numpy==2.2.0\n", user=olga)
    answered = author("POST", f"{FORECAST}/2/propose/", {"reason": "Pinned."})
    assert (answered.status, answered.json["id"]) == (200, made.json["id"])
    assert (answered.json["version"], answered.json["stage"]) == ("lab/forecast:2", "waiting")
    assert author("POST", f"workspaces/lab/proposals/{url}withdraw/").json["stage"] == "withdrawn"


def test_nobody_approves_their_own_by_a_token_either(olga: User) -> None:
    boss = person("boss", lab=Role.OWNER)
    boss.is_superuser = True
    boss.save()
    version = save_text("numpy==2.1.3\n", user=boss)
    succeed_build(queue_build(version))
    call = Caller(boss)
    made = call(
        "POST",
        f"{FORECAST}/1/propose/",
        {"name": "AzureML-x", "new": True, "reason": "Mine.", "description": "For all."},
    )
    refused = call("POST", f"{REVIEW}{made.json['id']}/approve/", {})
    assert (refused.status, refused.code) == (409, "own-proposal")
    assert not Version.objects.filter(environment__workspace__curated=True).exists()


def test_nothing_comes_into_the_catalogue_past_its_review(curator: Caller) -> None:  # rule 29
    save_text("numpy==2.0.0\n", name="AzureML-x", workspace="curated")
    refused = curator("POST", f"{X}versions/", {"text": "numpy==2.1.3"})
    assert (refused.status, refused.code) == (409, "only-by-review")
    assert Version.objects.count() == 1


def test_what_is_deprecated_says_so_in_every_answer(olga: User, author: Caller, curator: Caller) -> None:
    start = save_text("numpy==2.0.0\n", name="AzureML-x", workspace="curated")
    save_text("numpy==2.1.0\n", name="AzureML-y", workspace="curated")
    save_text("numpy==2.0.1\n", user=olga, based_on=start)
    body = {"on": SOON, "reason": "A hole.", "successor": "AzureML-y"}
    made = curator("PUT", f"{X}deprecation/", body)
    payload = {"on": SOON, "reason": "A hole.", "successor": "AzureML-y", "retired": False}
    assert (made.status, made.json) == (200, {"environment": "AzureML-x", "version": None} | payload)

    assert author("GET", X).json["latest"]["deprecation"] == payload
    assert author("GET", f"{X}versions/1/").json["deprecation"] == payload
    mine = author("GET", f"{FORECAST}/1/").json
    assert mine["deprecation"] is None
    assert mine["deprecated_origin"] == payload | {"version": "curated/AzureML-x:1"}
    listed = {
        row["name"]: row["latest"]["deprecation"] for row in author.all("workspaces/curated/environments/")
    }
    assert listed == {"AzureML-x": payload, "AzureML-y": None}
    assert [row["environment"] for row in author.all("workspaces/curated/deprecations/")] == ["AzureML-x"]

    early = curator("POST", f"{X}retire/", {})
    assert (early.status, early.code) == (409, "not-yet")
    curator("PUT", f"{X}deprecation/", body | {"on": timezone.localdate().isoformat()})
    assert curator("POST", f"{X}retire/", {}).json["retired"] is True
    started = author(
        "POST",
        "workspaces/lab/environments/new/versions/",
        {"text": "numpy==2.0.2", "based_on": "curated/AzureML-x:1"},
    )
    assert (started.status, started.code) == (409, "retired")
    assert "AzureML-y" in started.json["message"]
    assert curator("DELETE", f"{X}deprecation/").status == 204
    assert curator("DELETE", f"{X}deprecation/").status == 404
    assert author("GET", f"{X}versions/latest/").json["deprecation"] is None


@pytest.mark.parametrize(
    "body",
    [{}, {"on": "soon", "reason": "x"}, {"on": SOON}, {"on": SOON, "reason": "x", "version": "9"},
     {"on": SOON, "reason": "x", "successor": "nothing"}, {"on": SOON, "reason": "x\0"}],
)  # fmt: skip
def test_a_deprecation_that_is_wrong_is_refused(body: object, curator: Caller) -> None:
    save_text("numpy==2.0.0\n", name="AzureML-x", workspace="curated")
    assert curator("PUT", f"{X}deprecation/", body).status == 400
