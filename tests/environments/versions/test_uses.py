"""Uses: reported once, ended by a report, and a protection against archiving (rule 34)."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.models import RestrictedError

from environments.errors import ServiceError
from environments.models import Environment, Event, Role, Scope, Usage, Version
from environments.versions.service import archive_environment, archive_version
from environments.versions.uses import end_use, report_use
from tests.builds.scenarios import person, save_text, workspace_named
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db
USES = "workspaces/lab/environments/forecast/versions/1/uses/"
CURATED = "workspaces/curated/environments/AzureML-base/versions/1/uses/"


@pytest.fixture
def olga() -> User:
    cache.clear()
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def call(olga: User) -> Caller:
    save_text("numpy==2.1.3", user=olga)
    return Caller(olga)


def used(version: Version, name: str = "blue", kind: str = "deployment", **more: Any) -> Usage:
    """Report a use of a version in its own workspace."""
    workspace = more.pop("workspace", version.environment.workspace)
    return report_use(version, kind, name, workspace=workspace, user=more.pop("user", None), **more).use


def verbs() -> list[str]:
    return list(Event.objects.filter(verb__startswith="use.").order_by("pk").values_list("verb", flat=True))


# Reporting


def test_the_same_report_again_is_the_same_use(call: Caller) -> None:
    report = {"kind": "run", "name": "train-41", "link": "https://runs.example/41"}
    first, again = call("POST", USES, report), call("POST", USES, report | {"link": "https://runs.example/x"})
    assert (first.status, again.status) == (201, 200)
    assert first.json["active"] is again.json["active"] is True
    assert again.json["first_at"] == first.json["first_at"] < again.json["last_at"]
    assert call("POST", USES, {"kind": "run", "name": "train-41"}).json["link"] == "https://runs.example/x"
    assert call("POST", USES, {"kind": "model", "name": "train-41"}).status == 201
    assert [use["kind"] for use in call("GET", USES).json["results"]] == ["model", "run"]
    assert verbs() == ["use.reported", "use.reported"]


def test_a_later_report_ends_a_use_and_another_report_resumes_it(call: Caller) -> None:
    report = {"kind": "run", "name": "train-41"}
    call("POST", USES, report)
    ended = call("POST", USES, report | {"active": False})
    assert ended.json["active"] is False
    assert call("POST", USES, report | {"active": False}).json["ended_at"] == ended.json["ended_at"]
    assert call("POST", USES, report).json["ended_at"] is None
    assert verbs() == ["use.reported", "use.ended", "use.reported"]


def test_a_run_that_is_reported_only_at_its_end_is_kept_as_ended(call: Caller) -> None:
    answer = call("POST", USES, {"kind": "run", "name": "nightly", "active": False})
    assert (answer.status, answer.json["active"]) == (201, False)
    assert answer.json["ended_at"]
    assert verbs() == ["use.ended"]


def test_a_deployment_on_another_version_ends_its_previous_use(olga: User) -> None:
    first, second = save_text("numpy==2.1.3"), save_text("numpy==2.2.0")
    run = used(first, "blue", "run")
    for version in (first, second):
        used(version, user=olga)
    assert [(use.kind, use.version.version, use.active) for use in Usage.objects.order_by("pk")] == [
        ("run", "1", True),
        ("deployment", "1", False),
        ("deployment", "2", True),
    ]
    assert run.active
    used(second, workspace=workspace_named("other"))  # another use of the same name
    assert Usage.objects.filter(ended_at=None).count() == 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "run"},
        {"kind": "cake", "name": "a"},
        {"kind": "run", "name": ""},
        {"kind": "run", "name": " a"},
        {"kind": "run", "name": "a\nb"},
        {"kind": "run", "name": "a\0"},
        {"kind": "run", "name": "x" * 256},
        {"kind": "run", "name": "a", "link": "javascript:alert(1)"},
        {"kind": "run", "name": "a", "link": "https://"},
        {"kind": "run", "name": "a", "link": "//evil.example/"},
        {"kind": "run", "name": "a", "link": "https://[/"},
        {"kind": "run", "name": "a", "link": "https://a.example/" + "x" * 2000},
        {"kind": "run", "name": "a", "active": "perhaps"},
    ],
)
def test_a_report_that_makes_no_sense_is_refused_and_nothing_is_kept(
    call: Caller, body: dict[str, Any]
) -> None:
    answer = call("POST", USES, body)
    assert answer.status == 400
    assert answer.code in {"invalid", "use-invalid"}
    assert not Usage.objects.exists()


# Access


def test_who_uses_a_curated_environment_reports_it_for_a_workspace_of_their_own(call: Caller) -> None:
    save_text("numpy==2.1.3", name="AzureML-base", workspace="curated")
    report = {"kind": "run", "name": "train-41"}
    assert call("POST", CURATED, report).status == 403  # they are no curator
    assert call("POST", CURATED, report | {"workspace": "other"}).status == 404
    answer = call("POST", CURATED, report | {"workspace": "lab"})
    assert (answer.status, answer.json["workspace"]) == (201, "lab")
    assert answer.json["version"] == "curated/AzureML-base:1"

    stranger = Caller(person("stan", other=Role.OWNER))
    assert stranger.all(CURATED) == []  # they do not see the workspace
    assert [use["name"] for use in call.all(CURATED)] == ["train-41"]


def test_a_token_that_reads_lists_and_does_not_report(call: Caller, olga: User) -> None:
    reading = Caller(olga, Scope.READ)
    assert reading("POST", USES, {"kind": "run", "name": "a"}).status == 403
    assert reading("GET", USES).status == 200


def test_lists_are_filtered(call: Caller) -> None:
    for kind, name, active in (("run", "a-1", True), ("run", "b-2", False), ("model", "a-3", True)):
        call("POST", USES, {"kind": kind, "name": name, "active": active})
    names = {
        query: [use["name"] for use in call.all(f"{USES}?{query}")]
        for query in (
            "kind=run",
            "state=ended",
            "state=active",
            "q=A-",
            "q=1",
            "kind=run&state=active",
            "q=%00",
        )
    }
    assert names == {
        "kind=run": ["b-2", "a-1"],
        "state=ended": ["b-2"],
        "state=active": ["a-3", "a-1"],
        "q=A-": ["a-3", "a-1"],
        "q=1": ["a-3", "b-2", "a-1"],  # the version, too
        "kind=run&state=active": ["a-1"],
        "q=%00": ["a-3", "b-2", "a-1"],
    }
    assert call.all("workspaces/lab/environments/forecast/uses/") == call.all(USES)


# Protection


def test_what_is_in_use_is_not_archived_and_the_answer_says_who_uses_it(call: Caller, olga: User) -> None:
    version = Version.objects.get()
    for number in range(4):
        used(version, f"run-{number}", "run")
    used(version, "secret", workspace=workspace_named("other"))
    for path in ("", "versions/1/"):
        answer = call("POST", f"workspaces/lab/environments/forecast/{path}archive/")
        assert (answer.status, answer.code) == (409, "in-use")
        message = answer.json["message"]
        assert "run run-3 (forecast:1)" in message
        assert "1 more, 1 in workspaces that you can't see" in message
        assert "secret" not in message
    version.refresh_from_db()
    assert (version.archived_at, Environment.objects.get().archived_at) == (None, None)

    for use in Usage.objects.all():
        end_use(use, olga)
    assert call("POST", "workspaces/lab/environments/forecast/versions/1/archive/").status == 200


def test_a_use_holds_its_version_and_not_the_others_and_an_archived_one_can_be_used(olga: User) -> None:
    first, second = save_text("numpy==2.1.3"), save_text("numpy==2.2.0")
    used(second)
    archive_version(first, olga)
    with pytest.raises(ServiceError, match="deployment blue"):
        archive_version(second, olga)
    with pytest.raises(ServiceError, match="deployment blue"):
        archive_environment(second.environment, olga)
    assert used(first, "green").active  # archived, and still usable (rule 33)
    archive_version(first, olga, restore=True)


def test_what_was_ever_used_cannot_be_deleted(olga: User) -> None:
    version = save_text("numpy==2.1.3")
    end_use(used(version), olga)
    with pytest.raises(RestrictedError):
        version.delete()
