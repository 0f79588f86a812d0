"""A rehearsal: what a rule would have stopped, from rows alone."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from builds.models import Image
from builds.policies import service
from builds.policies.rehearsal import Rehearsal, rehearse
from environments.models import Role, Workspace
from environments.workspaces.uploads import set_upload_policy
from tests.builds.policies.making import advisory, built, package
from tests.builds.scenarios import person, save_text, workspace_named

pytestmark = pytest.mark.django_db


def tried(rule: str, **options: Any) -> Rehearsal:
    space = Workspace.objects.get(name="lab")
    return rehearse(space, service.candidate(space, rule, "block", None, options))


def test_it_names_builds_people_and_the_package_without_which_they_would_pass(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    ada, eve = person("ada", lab=Role.OWNER), person("eve", lab=Role.CONTRIBUTOR)
    bad, good = package("ghost", licence="AGPL-3.0-only"), package("numpy", licence="MIT")
    built(save_text("a==1\n", name="one", user=ada), bad, good)
    built(save_text("b==1\n", name="two", user=eve), bad, package("evil", licence="AGPL-3.0-only"))
    built(save_text("c==1\n", name="three", user=eve), good)
    built(save_text("d==1\n", name="old", user=eve), bad, days_ago=400)
    built(save_text("e==1\n", name="elsewhere", workspace="other", user=eve), bad)

    with django_assert_max_num_queries(7):
        outcome = tried("licence", deny=["AGPL-3.0-only"])

    assert (outcome.total, outcome.passed) == (3, 1)
    assert [each.case.environment for each in outcome.stopped] == ["two", "one"]
    assert outcome.people == [("ada", 1), ("eve", 1)]
    assert outcome.one_less == [("ghost", 1)]
    assert [hit.message for hit in outcome.stopped[1].hits] == [
        "ghost 1.0 has the licence AGPL-3.0-only, which isn't allowed."
    ]


def test_exceptions_of_today_count_and_those_that_ended_do_not() -> None:
    ada = person("ada", lab=Role.OWNER)
    built(save_text("a==1\n", user=ada), package("ghost", licence="AGPL-3.0-only"), days_ago=100)
    space = workspace_named("lab")
    today = timezone.now().date()
    row = service.add_exception(space, "package", "ghost", "", "Ours.", today, ada)

    assert not tried("licence", deny=["AGPL-3.0-only"]).stopped
    row.until = today - dt.timedelta(days=1)
    row.save()
    assert tried("licence", deny=["AGPL-3.0-only"]).stopped


def test_a_build_is_judged_by_the_age_that_an_advisory_had_then() -> None:
    ada = person("ada", lab=Role.OWNER)
    built(save_text("a==1\n", user=ada), package("jinja2", "3.1.2"), days_ago=45)
    built(save_text("b==1\n", user=ada), package("jinja2", "3.1.2"), days_ago=1)
    advisory(days=60)

    outcome = tried("vulnerability", days=30)
    assert [each.case.version for each in outcome.stopped] == ["2"]
    assert len(tried("vulnerability", days=10).stopped) == 2
    assert not tried("vulnerability", severity="critical").stopped


@pytest.mark.parametrize(
    ("rule", "options", "bad", "more"),
    [
        ("source", {}, package("ghost", kind="sdist"), {}),
        ("origin", {"origins": ["pypi.org"]}, package("ghost", url="https://evil.example/g.whl"), {}),
        ("licence", {"unknown": "deny"}, package("ghost"), {}),
        ("base-age", {"days": 30}, package("ghost", licence="MIT"), {"base_created_at": True}),
    ],
)
def test_each_rule_is_rehearsed_from_rows(
    rule: str, options: dict[str, Any], bad: Any, more: dict[str, Any]
) -> None:
    ada = person("ada", lab=Role.OWNER)
    changed: dict[str, Any] = {name: timezone.now() - dt.timedelta(days=100) for name in more}
    built(save_text("a==1\n", user=ada), bad, **changed)
    built(save_text("b==1\n", user=ada), package("numpy", licence="MIT"))
    Image.objects.update(python="")

    outcome = tried(rule, **options)

    assert [each.case.version for each in outcome.stopped] == ["1"]
    assert outcome.stopped[0].only == ("" if rule == "base-age" else "ghost")


def test_the_cool_down_and_the_import_test_are_rehearsed_too() -> None:
    ada = person("ada", lab=Role.OWNER)
    built(save_text("a==1\n", user=ada), package("numpy"))
    set_upload_policy(workspace_named("lab"), "14 days", {}, ada)

    assert tried("cool-down").stopped
    assert tried("import-test").stopped


def test_without_builds_there_is_nothing_to_stop() -> None:
    workspace_named("lab")
    outcome = tried("source")
    assert (outcome.total, outcome.stopped) == (0, ())
