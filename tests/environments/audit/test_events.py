"""Events: who did what, when, from where, before and after; looked for and given out whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from environments.audit.events import EventFilter, json_lines, workspace_events
from environments.audit.record import record
from environments.models import Event, Role, Scope, Workspace
from environments.request_origin import recording_origin
from environments.versions.labels import set_label
from environments.versions.service import archive_environment, describe
from environments.versions.uses import report_use
from environments.workspaces.members import set_member_role
from studio.labels import EVENTS, FIELDS, IN_SENTENCE
from tests.access.changes import CHANGES
from tests.builds.scenarios import browser_of, fail_build, main_of, person, queue_build, save_text
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db
PAGE = "/w/lab/activity/"
EVERYWHERE = "/activity/"
EXPORT = "/w/lab/activity/events.jsonl"


@pytest.fixture
def olga() -> User:
    cache.clear()
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def lab(olga: User) -> Workspace:
    return Workspace.objects.get(name="lab")


@pytest.fixture
def story(olga: User, lab: Workspace) -> Workspace:
    """Two people, two environments, a build that failed, and a member."""
    carla = person("carla", lab=Role.CONTRIBUTOR)
    forecast = save_text("nunpy==1", name="forecast", user=olga)
    save_text("a==1", name="other", user=carla)
    fail_build(queue_build(forecast, carla))
    set_member_role(lab, "carla", Role.READER, olga)
    return lab


def verbs(rows: list[dict[str, Any]]) -> list[str]:
    return [row["verb"] for row in rows]


def exported(browser: Client, query: str = "") -> list[dict[str, Any]]:
    answer = browser.get(EXPORT + query)
    assert answer["Content-Type"] == "application/x-ndjson; charset=utf-8"
    return [json.loads(line) for line in b"".join(answer).decode().splitlines()]


# Recorded events


def test_a_change_says_from_where_it_came_and_by_which_token(olga: User) -> None:
    Client(headers={"User-Agent": "Browser/1\x00" + "x" * 300}, REMOTE_ADDR="192.0.2.7").post("/login/")
    browser = Client(headers={"User-Agent": "Browser/1" + "x" * 300}, REMOTE_ADDR="192.0.2.7")
    browser.force_login(olga)
    browser.post("/w/lab/settings/pull", {"anonymous_pull": "on"})
    caller = Caller(olga)
    caller.client.defaults["REMOTE_ADDR"] = "2001:db8::1"
    caller("PUT", "workspaces/lab/members/olga/", {"role": "owner"}, User_Agent="curl/8")
    person("paul")
    caller("PUT", "workspaces/lab/members/paul/", {"role": "reader"}, User_Agent="curl/8")

    by_page = Event.objects.get(verb="workspace.pull")
    assert (by_page.address, by_page.agent, by_page.token) == (
        "192.0.2.7",
        ("Browser/1" + "x" * 300)[:200],
        "",
    )
    by_token = Event.objects.get(verb="member.added")
    assert (by_token.address, by_token.agent) == ("2001:db8::1", "curl/8")
    assert by_token.token.startswith("test (studio_")
    assert record("x.y", "z", workspace=None).address == ""  # outside of a request, nothing stays of it


def test_only_owners_see_where_from(story: Workspace, olga: User) -> None:
    browser_of(olga).post("/w/lab/settings/pull", {"anonymous_pull": "on"})
    reader = person("rita", lab=Role.READER)
    assert "127.0.0.1" in browser_of(olga).get(PAGE).content.decode()
    assert "127.0.0.1" not in browser_of(reader).get(PAGE).content.decode()
    assert exported(browser_of(olga))[0]["origin"]["address"] == "127.0.0.1"
    assert exported(browser_of(reader))[0]["origin"] is None
    for person_, seen in ((olga, True), (reader, False)):
        newest = Caller(person_)("GET", "workspaces/lab/events/").json["results"][0]
        assert (newest["origin"] is not None) == seen


def test_before_and_after_are_shown_field_by_field(olga: User, lab: Workspace) -> None:
    version = save_text("a==1", user=olga)
    describe(version, description="<b>Quarterly</b>", tags={"team": "lab", "old": ""}, user=olga)
    page = browser_of(olga).get(PAGE).content.decode()
    assert "Description: none → &lt;b&gt;Quarterly&lt;/b&gt;" in page
    assert "Tags: none → team=lab, old" in page
    event = Event.objects.get(verb="version.described")
    assert event.before == {"description": "", "tags": {}}


# Looking for them


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("who=carla", ["build.requested", "version.created"]),
        ("who=:studio", ["build.failed"]),
        ("who=nobody", []),
        ("what=builds", ["build.failed", "build.requested"]),
        ("what=settings", ["member.changed"]),
        ("what=catalogue", []),
        ("what=version.created", ["version.created", "version.created"]),
        ("environment=forecast", ["build.failed", "build.requested", "version.created"]),
        ("environment=forecast&who=olga", ["version.created"]),
        ("until=2001-01-01", []),
        ("since=2001-01-01&what=settings", ["member.changed"]),
        ("since=2999-12-31", []),
        ("until=9999-12-30&what=settings", ["member.changed"]),
        ("who=a%00b&environment=%00", []),
    ],
)
def test_page_api_and_export_find_the_same(
    story: Workspace, olga: User, query: str, matches: list[str]
) -> None:
    browser = browser_of(olga)
    page = browser.get(f"{PAGE}?{query}")
    assert [event.verb for event in page.context["page"]] == matches
    assert f"{EXPORT}?" in page.content.decode()
    assert verbs(exported(browser, f"?{query}")) == matches
    call = Caller(olga)
    assert verbs(call.all(f"workspaces/lab/events/?{query}")) == matches
    whole = call("GET", f"workspaces/lab/events/export/?{query}").response
    assert [json.loads(line)["verb"] for line in b"".join(whole).splitlines()] == matches


def test_a_day_counts_from_its_beginning_to_its_end(story: Workspace) -> None:
    today = datetime.now(UTC).date()
    rows = workspace_events(story)
    assert EventFilter(since=str(today), until=str(today)).apply(rows).count() == rows.count()
    moment = rows[2].at
    later = EventFilter.read({"since": moment.isoformat()})
    assert later.apply(rows).count() == 3
    assert EventFilter(until=moment.isoformat()).apply(rows).count() == rows.count() - 3


@pytest.mark.parametrize("wrong", ["yesterday", "2026-02-30", "2026-11-21T08:00", "9999-12-31T99:00Z"])
def test_a_time_that_is_none_is_refused_and_stays_to_be_corrected(olga: User, wrong: str) -> None:
    answer = browser_of(olga).get(PAGE, {"since": wrong})
    assert answer.status_code == 422
    assert f'value="{wrong}"' in answer.content.decode()
    assert 'role="alert"' in main_of(answer.content.decode())
    assert browser_of(olga).get(EXPORT, {"until": wrong}).status_code == 400
    assert list(Caller(olga)("GET", f"workspaces/lab/events/?since={wrong}").json["errors"]) == ["since"]


def test_the_last_day_of_time_is_a_day(olga: User) -> None:
    assert browser_of(olga).get(PAGE, {"until": "9999-12-31"}).status_code in (200, 422)


def test_no_match_and_no_events_look_different(olga: User, lab: Workspace) -> None:
    assert "Nothing has happened yet" in browser_of(olga).get(PAGE).content.decode()
    assert "No matching events" in browser_of(olga).get(PAGE, {"who": "nobody"}).content.decode()


def test_many_cost_as_many_queries_as_one(
    story: Workspace, olga: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = browser_of(olga)
    browser.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        browser.get(PAGE)
    many(story, olga, 60)
    with django_assert_num_queries(len(few) + 1):  # the second page's keys are counted
        assert len(browser.get(PAGE).context["page"]) == 50
    assert "page=2" in browser.get(f"{PAGE}?who=olga").content.decode()
    assert len(browser.get(f"{PAGE}?who=olga&page=2").context["page"]) > 10


def many(workspace: Workspace, user: User, count: int) -> None:
    Event.objects.bulk_create(
        Event(workspace=workspace, actor=user, verb="version.created", subject=f"{'long-' * 50}{number}")
        for number in range(count)
    )


# All of them


def test_an_export_reads_a_few_hundred_at_a_time_and_misses_none(story: Workspace, olga: User) -> None:
    many(story, olga, 1200)
    total = Event.objects.filter(workspace=story).count()
    with CaptureQueriesContext(connection) as queries:
        pieces = list(json_lines(workspace_events(story), origin=True))
    assert len(queries) == len(pieces) + 1 == total // 500 + 2
    ids = [json.loads(line)["id"] for piece in pieces for line in piece.splitlines()]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == total


def test_strangers_are_given_nothing(story: Workspace) -> None:
    stranger = person("stranger")
    assert browser_of(stranger).get(EXPORT).status_code == 404
    assert Caller(stranger)("GET", "workspaces/lab/events/export/").status == 404


def test_admins_see_what_happened_everywhere_and_others_what_they_did(story: Workspace, olga: User) -> None:
    """Also what is of no workspace: passwords, tokens, people."""
    root = person("root")
    User.objects.filter(pk=root.pk).update(is_superuser=True)
    root.refresh_from_db()
    carla = User.objects.get(username="carla")

    def seen(call: Caller, query: str = "") -> set[tuple[str | None, str]]:
        rows = call.all(f"events/{query}")
        whole = call("GET", f"events/export/{query}").response
        assert [json.loads(line) for line in b"".join(whole).splitlines()] == rows
        return {(row["actor"], row["verb"]) for row in rows}

    assert seen(Caller(root)) >= {
        ("olga", "version.created"),
        (None, "build.failed"),
        ("root", "token.created"),
    }
    mine = {("carla", "version.created"), ("carla", "build.requested"), ("carla", "token.created")}
    assert seen(Caller(carla)) == mine
    assert seen(Caller(carla, workspace=story)) == mine  # its own making was there
    assert seen(Caller(carla), "?what=builds") == {("carla", "build.requested")}
    assert {actor for actor, _ in seen(Caller(root, Scope.READ))} == {"root"}


@pytest.fixture
def root(story: Workspace) -> User:
    """An admin, and somebody whose account is closed: that is of no workspace."""
    admin = person("root")
    User.objects.filter(pk=admin.pk).update(is_superuser=True)
    person("old")
    call_command("person", "close", "old", stdout=StringIO())
    return User.objects.get(pk=admin.pk)


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("", {"person.closed", "member.changed", "build.failed", "build.requested", "version.created"}),
        ("workspace=:none", {"person.closed"}),
        ("workspace=:none&what=builds", set()),
        ("workspace=lab&what=settings", {"member.changed"}),
        ("workspace=lab&who=:studio", {"build.failed"}),
        ("workspace=there-is-none", set()),
        ("workspace=a%00b", set()),
        ("what=person.closed", {"person.closed"}),
        ("environment=forecast&who=carla", {"build.requested"}),
    ],
)
def test_admins_find_the_same_of_the_whole_studio_on_the_page_in_the_api_and_in_the_export(
    root: User, query: str, matches: set[str]
) -> None:
    browser = browser_of(root)
    page = browser.get(f"{EVERYWHERE}?{query}")
    assert {event.verb for event in page.context["page"]} == matches
    whole = browser.get(f"{EVERYWHERE}events.jsonl?{query}")
    assert {json.loads(line)["verb"] for line in b"".join(whole).splitlines()} == matches
    assert f"{EVERYWHERE}events.jsonl" in page.content.decode()
    lines = {row["verb"] for row in Caller(root).all(f"events/?{query}")}
    assert lines - {"token.created"} == matches  # the caller's own


def test_the_page_of_everything_says_where_it_was_and_from_where_it_came(root: User) -> None:
    browser = browser_of(root)
    browser.post("/account/notifications/", {"email": "", "kinds": []})
    page = main_of(browser.get(EVERYWHERE).content.decode())
    assert "closed the account" in page
    assert "From 127.0.0.1" in page
    assert "in Lab" in page
    outside = browser.get(EVERYWHERE, {"workspace": ":none"})
    assert "in Lab" not in main_of(outside.content.decode())


def test_everybody_else_sees_there_what_they_did_themselves_and_nobody_to_choose(root: User) -> None:
    carla = browser_of(User.objects.get(username="carla"))
    page = carla.get(EVERYWHERE)
    assert {event.actor.username for event in page.context["page"] if event.actor} == {"carla"}
    assert 'name="who"' not in page.content.decode()
    assert "olga" not in main_of(page.content.decode()).replace("carla", "")
    assert not carla.get(EVERYWHERE, {"who": "olga"}).context["page"].object_list
    lines = b"".join(carla.get(f"{EVERYWHERE}events.jsonl")).splitlines()
    assert {json.loads(line)["actor"] for line in lines} == {"carla"}


def test_somebody_without_any_workspace_has_a_page_of_everything_too() -> None:
    page = browser_of(person("alone")).get(EVERYWHERE)
    assert "Nothing has happened yet" in page.content.decode()


def test_many_cost_the_page_of_everything_as_many_queries_as_one(
    root: User, story: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = browser_of(root)
    browser.get(EVERYWHERE)
    with CaptureQueriesContext(connection) as few:
        browser.get(EVERYWHERE)
    many(story, root, 60)
    with django_assert_num_queries(len(few) + 1):  # the second page's keys are counted
        assert len(browser.get(EVERYWHERE).context["page"]) == 50


def test_every_verb_has_a_text() -> None:
    verbs_of_all = {change.verb for change in CHANGES.values()} | {"person.added", "person.closed"}
    assert not [verb for verb in verbs_of_all if verb not in EVENTS]


# The sentences


def test_events_link_to_the_version_that_they_are_about(olga: User, lab: Workspace) -> None:
    first = save_text("a==1", user=olga)
    save_text("a==2", user=olga)
    archive_environment(first.environment, olga)
    page = main_of(browser_of(olga).get(PAGE).content.decode())
    assert '<a href="/w/lab/environments/forecast/versions/1/">forecast:1</a>' in page
    assert '<a href="/w/lab/environments/forecast/versions/2/">forecast:2</a>' in page
    assert '<strong>olga</strong> archived <a href="/w/lab/environments/forecast/">forecast</a>' in page
    assert "archived:" not in page


def test_values_and_programs_have_names_that_people_use(olga: User, lab: Workspace) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36"
    version = save_text("a==1", user=olga)
    with recording_origin("192.0.2.7", agent):
        person("mia")
        set_member_role(lab, "mia", Role.READER, olga)
        report_use(version, "deployment", "<b>blue</b>", workspace=lab, user=olga)
        set_label(version, "prod", user=olga)
    page = main_of(browser_of(olga).get(PAGE).content.decode())
    assert "added mia as a member" in page
    assert "Role: reader" in page
    assert "Deployment “&lt;b&gt;blue&lt;/b&gt;”" in page
    assert "put the label “prod” on" in page
    assert f'title="{agent}"' in page
    assert "From 192.0.2.7, Chrome on Linux" in page


def test_a_hostile_name_agent_and_reason_are_text(olga: User, lab: Workspace) -> None:
    hostile = "<img src=x onerror=alert(1)> %(who)s %s {{ 1 }}"
    Event.objects.create(
        workspace=lab,
        actor=olga,
        verb="version.created",
        subject=hostile,
        address="192.0.2.7",
        agent=hostile,
        before={hostile: hostile},
        after={hostile: [hostile]},
        details={"reason": hostile, "error": hostile, "label": hostile},
    )
    Event.objects.create(workspace=lab, actor=None, verb="something.new", subject="%(subject)s")
    page = main_of(browser_of(olga).get(PAGE).content.decode())
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert "something.new" in page


def test_every_field_of_a_recorded_event_has_a_label(story: Workspace) -> None:
    fields = {
        field
        for event in Event.objects.exclude(verb__startswith="use.")
        for side in (event.before, event.after)
        for field in side or {}
    }
    assert not fields - FIELDS.keys() - IN_SENTENCE
