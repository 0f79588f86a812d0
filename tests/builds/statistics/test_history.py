"""The history of builds: what it filters by, and the figures and charts of a period."""

from __future__ import annotations

import datetime
import re

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from builds.charts import rounded_up
from builds.figures import DAY, figures_of, monday_of, today
from builds.history import Sought, find_builds
from builds.models import Build, Request, State
from builds.queries import builds_for_list
from builds.services import request_build
from environments.lists import Pages
from environments.models import Role, Workspace
from tests.builds.played import asked, browser_of, failed, person, saved, succeeded, workspace_named

pytestmark = pytest.mark.django_db

LIST = "/w/lab/builds/"
TODAY = today()
NOON = datetime.datetime.combine(TODAY, datetime.time(12), datetime.UTC)


@pytest.fixture(autouse=True)
def it_stays_the_same_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builds.figures.today", lambda: TODAY)


@pytest.fixture
def lab() -> Workspace:
    return workspace_named("lab")


@pytest.fixture
def reader(lab: Workspace) -> Client:
    return browser_of(person("rita", lab=Role.READER))


def took(seconds: float, *, ago: float = 0, name: str = "forecast", text: str = "") -> Build:
    """Play a build of so many seconds, so many days ago."""
    build = asked(saved(text or f"numpy=={seconds}\n", name=name))
    succeeded(build)
    return moved(build, seconds, ago)


def moved(build: Build, seconds: float, ago: float) -> Build:
    start = NOON - ago * DAY
    Build.objects.filter(pk=build.pk).update(
        queued_at=start, started_at=start, ended_at=start + datetime.timedelta(seconds=seconds)
    )
    Request.objects.filter(build=build).update(created_at=start)
    return build


def page(client: Client, address: str) -> str:
    response = client.get(LIST + address)
    assert response.status_code == 200, address
    return str(response.content.decode())


def listed(text: str) -> set[str]:
    return set(re.findall(r'<a class="name" href="[^"]+">([^<]+)</a>', text))


def test_half_and_nine_in_ten_are_of_the_builds_that_made_an_image(lab: Workspace) -> None:
    for seconds in range(1, 11):
        took(seconds)
    broken = asked(saved("nunpy==1\n"))
    failed(broken)
    moved(broken, 5000, 0)
    found = took(3000)
    Build.objects.filter(pk=found.pk).update(reused=True)
    told = figures_of(lab, Sought(), "month")
    today = told.parts[-1]
    assert (today.half, today.most) == (told.total.half, told.total.most) == (5, 9)
    assert (today.succeeded, today.failed, today.cancelled) == (11, 1, 0)
    assert told.causes == [("package-not-found", 1)]


def test_short_times_are_told_in_tenths(lab: Workspace) -> None:
    took(0.437)
    assert figures_of(lab, Sought(), "month").total.half == 0.4


def test_days_without_a_build_are_there_and_tell_no_time(lab: Workspace) -> None:
    took(20, ago=29)
    took(40, ago=30)
    told = figures_of(lab, Sought(), "month")
    assert [part.start for part in told.parts] == [TODAY - (29 - n) * DAY for n in range(30)]
    assert [part.half for part in told.parts] == [20] + [None] * 29
    assert told.total.success == 1


def test_weeks_begin_on_monday_and_have_their_own_middle(lab: Workspace) -> None:
    monday = monday_of(TODAY) - 14 * DAY
    for day, seconds in ((0, 10), (6, 30), (6, 90), (7, 500)):
        took(seconds, ago=(TODAY - monday).days - day)
    told = figures_of(lab, Sought(), "quarter")
    week, next_week = told.parts[-3:-1]
    assert (week.start, week.last, week.half, week.most) == (monday, monday + 6 * DAY, 30, 90)
    assert (next_week.start, next_week.half) == (monday + 7 * DAY, 500)
    assert all(part.start.weekday() == 0 for part in told.parts)


def test_an_hour_before_midnight_by_utc_is_still_that_day(lab: Workspace) -> None:
    build = took(10)
    late = NOON + datetime.timedelta(hours=11, minutes=59) - DAY
    Build.objects.filter(pk=build.pk).update(queued_at=late)
    told = figures_of(lab, Sought(), "month")
    assert [part.succeeded for part in told.parts[-2:]] == [1, 0]


def test_what_was_there_at_once_or_being_built_is_a_cache_hit(lab: Workspace) -> None:
    version = saved("six==1.16.0\n")
    build = asked(version)
    assert request_build(version).joined
    succeeded(build)
    assert request_build(version).reused
    assert request_build(saved("six==1.16.0\n", name="twin")).reused
    total = figures_of(lab, Sought(), "month").total
    assert (total.at_once, total.joined, total.new, total.saved) == (2, 1, 1, 0.75)


def test_figures_are_of_what_is_looked_for_whatever_state_the_list_shows(lab: Workspace) -> None:
    took(10, name="forecast")
    took(50, name="churn", text="six==1\n")
    told = figures_of(lab, Sought(query="chu", state="failed", cause="conflict"), "month")
    assert (told.total.half, told.total.succeeded, told.total.asked) == (50, 1, 1)
    assert figures_of(lab, Sought(by="nobody"), "month").total.asked == 0


def test_others_builds_are_not_among_the_figures(lab: Workspace) -> None:
    succeeded(asked(saved("six==1\n", workspace="other")))
    assert figures_of(lab, Sought(), "year").total.told == 0


def test_the_figures_take_as_many_queries_for_a_year_as_for_a_day(
    lab: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for ago in (0, 40, 200):
        took(10 + ago, ago=ago)
    with django_assert_num_queries(2):
        figures_of(lab, Sought(), "year")
    with django_assert_num_queries(2):
        figures_of(lab, Sought(since=TODAY, until=TODAY), "month")


def test_the_list_is_filtered_by_days_person_and_cause(reader: Client, lab: Workspace) -> None:
    old = took(10, ago=9, name="old")
    took(10, ago=2, name="new", text="six==1\n")
    broken = asked(saved("nunpy==1\n", name="broken"), person("carl", lab=Role.CONTRIBUTOR))
    failed(broken, code="conflict")
    moved(broken, 10, 2)
    day = old.queued_at.date() if old.queued_at.date() < TODAY else TODAY - 9 * DAY
    assert listed(page(reader, f"?since={day}&until={day}")) == {"old:1"}
    assert listed(page(reader, f"?since={day + DAY}")) == {"new:1", "broken:1"}
    assert listed(page(reader, f"?until={day}")) == {"old:1"}
    assert listed(page(reader, "?by=carl")) == {"broken:1"}
    assert listed(page(reader, "?by=me")) == set()
    assert listed(page(reader, "?cause=conflict")) == {"broken:1"}
    assert listed(page(reader, f"?since={day}&state=succeeded&q=new")) == {"new:1"}
    assert "?cause=conflict" in page(reader, "")


@pytest.mark.parametrize(
    "address",
    [
        "?since=2026-02-30&until=soon",
        "?since=9999-12-31&until=0001-01-01",
        "?since=0001-01-01&until=9999-12-31",
        "?until=0001-01-01",
        "?period=century&cause=%00&by=%00&q=%00",
        "?cause=<script>&by=<script>&q=<script>",
    ],
)
def test_no_address_breaks_the_page(reader: Client, lab: Workspace, address: str) -> None:
    took(10)
    text = page(reader, address)
    assert "<script>" not in text.split("<main", 1)[1]


def test_charts_are_drawn_without_a_script_and_told_in_a_table(reader: Client, lab: Workspace) -> None:
    took(65)
    text = page(reader, "")
    charts = re.findall(r"<svg class=\"chart\".*?</svg>", text, re.S)
    assert len(charts) == 3
    assert all('role="img" aria-label="' in chart for chart in charts)
    assert 'class="piece-good"' in charts[0]
    assert 'class="dot-half"' in charts[1]
    assert "half in 1 min 05 s" in charts[1]
    assert "style=" not in "".join(charts)
    assert f'href="{LIST}?since={TODAY}&amp;until={TODAY}"' in text
    quiet = page(reader, "?q=nothing-like-it")
    assert quiet.count("Nothing in this time") == 3


def test_the_figures_of_very_many_builds_come_after_the_page(
    reader: Client, lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    took(65)
    monkeypatch.setattr("builds.views.COUNTED_AT_ONCE", 0)
    text = page(reader, "?period=year&q=fore&state=succeeded&page=1")
    assert '<svg class="chart"' not in text
    address = f"{LIST}figures/?period=year&amp;q=fore&amp;state=succeeded"
    assert text.count(address) == 2  # for htmx, and to press
    later = reader.get(address.replace("&amp;", "&"), headers={"HX-Request": "true"}).content.decode()
    assert later.count('<svg class="chart"') == 3
    assert "<main" not in later
    assert f'href="{LIST}?period=month&amp;q=fore&amp;state=succeeded"' in later
    assert "<main" in page(reader, "figures/")


def test_a_build_under_way_is_in_no_figure_and_in_the_list(reader: Client, lab: Workspace) -> None:
    build = asked(saved("six==1\n"))
    assert build.state == State.QUEUED
    assert figures_of(lab, Sought(), "month").total.told == 0
    assert listed(page(reader, "?state=queued")) == {"forecast:1"}


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (7, 8), (9, 10), (11, 20), (99, 100), (4001, 5000)]
)
def test_the_top_of_a_chart_is_round_and_not_below_its_highest_bar(most: int, top: int) -> None:
    assert rounded_up(most) == top


def test_one_persons_builds_are_counted_as_often_as_they_are_listed(lab: Workspace) -> None:
    """Who asks twice, or for what is there already, has no more builds for it."""
    carl, eve = person("carl", lab=Role.CONTRIBUTOR), person("eve", lab=Role.CONTRIBUTOR)
    for number in range(27):
        build = asked(saved(f"six=={number}\n"), carl)
        request_build(build.version, eve if number % 2 else carl)
    there = saved("ready==1\n")
    succeeded(asked(there))
    request_build(there, carl)
    asked(saved("six==1\n", workspace="other"), carl)

    for sought in (Sought(by="carl"), Sought(by="carl", state="queued"), Sought(by="nobody")):
        found = find_builds(builds_for_list(lab), lab, sought)
        pages = Pages(found.rows, 25, most=found.most, as_many=found.as_many)
        assert (found.as_many is not None) == (not sought.state)
        assert pages.count == found.rows.count() == (0 if sought.by == "nobody" else 27)
