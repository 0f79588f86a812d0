"""The history of builds: what it filters by, and the figures and charts of a period."""

from __future__ import annotations

import datetime
import re

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from builds.models import Build, BuildRequest, BuildState
from builds.pages.queries import builds_for_list
from builds.queue.requests import request_build
from builds.statistics.charts import rounded_up
from builds.statistics.figures import DAY, figures_of, monday_of, today
from builds.statistics.history import HistoryFilter, find_builds
from environments.models import Role, Workspace
from environments.paging import KeysetPaginator
from tests.builds.scenarios import (
    browser_of,
    fail_build,
    person,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)

pytestmark = pytest.mark.django_db

LIST = "/w/lab/builds/"


@pytest.fixture
def lab() -> Workspace:
    return workspace_named("lab")


@pytest.fixture
def reader(lab: Workspace) -> Client:
    return browser_of(person("rita", lab=Role.READER))


def noon() -> datetime.datetime:
    """Return the middle of the day by UTC."""
    return datetime.datetime.combine(today(), datetime.time(12), datetime.UTC)


def took(seconds: float, *, ago: float = 0, name: str = "forecast", text: str = "") -> Build:
    """Play a build of so many seconds, so many days ago."""
    build = queue_build(save_text(text or f"numpy=={seconds}\n", name=name))
    succeed_build(build)
    return moved(build, seconds, ago)


def moved(build: Build, seconds: float, ago: float) -> Build:
    start = noon() - ago * DAY
    Build.objects.filter(pk=build.pk).update(
        queued_at=start, started_at=start, ended_at=start + datetime.timedelta(seconds=seconds)
    )
    BuildRequest.objects.filter(build=build).update(created_at=start)
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
    broken = queue_build(save_text("nunpy==1\n"))
    fail_build(broken)
    moved(broken, 5000, 0)
    reused = took(3000)
    Build.objects.filter(pk=reused.pk).update(reused=True)
    report = figures_of(lab, HistoryFilter(), "month")
    last = report.parts[-1]
    assert (last.half, last.most) == (report.total.half, report.total.most) == (5, 9)
    assert (last.succeeded, last.failed, last.cancelled) == (11, 1, 0)
    assert report.causes == [("package-not-found", 1)]


def test_short_durations_are_shown_in_tenths(lab: Workspace) -> None:
    took(0.437)
    assert figures_of(lab, HistoryFilter(), "month").total.half == 0.4


def test_days_without_a_build_are_there_and_tell_no_time(lab: Workspace) -> None:
    took(20, ago=29)
    took(40, ago=30)
    report = figures_of(lab, HistoryFilter(), "month")
    assert [part.start for part in report.parts] == [today() - (29 - n) * DAY for n in range(30)]
    assert [part.half for part in report.parts] == [20] + [None] * 29
    assert report.total.success == 1


def test_weeks_begin_on_monday_and_have_their_own_middle(lab: Workspace) -> None:
    monday = monday_of(today()) - 14 * DAY
    for day, seconds in ((0, 10), (6, 30), (6, 90), (7, 500)):
        took(seconds, ago=(today() - monday).days - day)
    report = figures_of(lab, HistoryFilter(), "quarter")
    week, next_week = report.parts[-3:-1]
    assert (week.start, week.last, week.half, week.most) == (monday, monday + 6 * DAY, 30, 90)
    assert (next_week.start, next_week.half) == (monday + 7 * DAY, 500)
    assert all(part.start.weekday() == 0 for part in report.parts)


def test_an_hour_before_midnight_by_utc_is_still_that_day(lab: Workspace) -> None:
    build = took(10)
    late = noon() + datetime.timedelta(hours=11, minutes=59) - DAY
    Build.objects.filter(pk=build.pk).update(queued_at=late)
    report = figures_of(lab, HistoryFilter(), "month")
    assert [part.succeeded for part in report.parts[-2:]] == [1, 0]


def test_what_was_there_at_once_or_being_built_is_a_cache_hit(lab: Workspace) -> None:
    version = save_text("six==1.16.0\n")
    build = queue_build(version)
    assert request_build(version).joined
    succeed_build(build)
    assert request_build(version).reused
    assert request_build(save_text("six==1.16.0\n", name="twin")).reused
    total = figures_of(lab, HistoryFilter(), "month").total
    assert (total.at_once, total.joined, total.new, total.saved) == (2, 1, 1, 0.75)


def test_figures_match_the_filter_in_every_state(lab: Workspace) -> None:
    took(10, name="forecast")
    took(50, name="churn", text="six==1\n")
    report = figures_of(lab, HistoryFilter(query="chu", state="failed", cause="conflict"), "month")
    assert (report.total.half, report.total.succeeded, report.total.requests) == (50, 1, 1)
    assert figures_of(lab, HistoryFilter(by="nobody"), "month").total.requests == 0


def test_others_builds_are_not_among_the_figures(lab: Workspace) -> None:
    succeed_build(queue_build(save_text("six==1\n", workspace="other")))
    assert figures_of(lab, HistoryFilter(), "year").total.decided == 0


def test_the_figures_take_as_many_queries_for_a_year_as_for_a_day(
    lab: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for ago in (0, 40, 200):
        took(10 + ago, ago=ago)
    with django_assert_num_queries(2):
        figures_of(lab, HistoryFilter(), "year")
    with django_assert_num_queries(2):
        figures_of(lab, HistoryFilter(since=today(), until=today()), "month")


def test_the_list_is_filtered_by_days_person_and_cause(reader: Client, lab: Workspace) -> None:
    old = took(10, ago=9, name="old")
    took(10, ago=2, name="new", text="six==1\n")
    broken = queue_build(save_text("nunpy==1\n", name="broken"), person("carl", lab=Role.CONTRIBUTOR))
    fail_build(broken, code="conflict")
    moved(broken, 10, 2)
    day = old.queued_at.date() if old.queued_at.date() < today() else today() - 9 * DAY
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


def test_charts_are_drawn_without_a_script_and_have_a_table(reader: Client, lab: Workspace) -> None:
    took(65)
    one_day = page(reader, "")
    assert '<svg class="chart"' not in one_day  # of a single day the line of numbers says all
    assert "100 % of 1 build succeeded" in " ".join(one_day.split())
    took(66, ago=2)
    text = page(reader, "")
    charts = re.findall(r"<svg class=\"chart\".*?</svg>", text, re.S)
    assert len(charts) == 3
    assert all('role="img" aria-label="' in chart for chart in charts)
    assert 'class="piece-good"' in charts[0]
    assert 'class="dot-half"' in charts[1]
    assert "median 1 min 05 s" in charts[1]
    assert "style=" not in "".join(charts)
    assert f'href="{LIST}?since={today()}&amp;until={today()}"' in text
    quiet = page(reader, "?q=nothing-like-it")
    assert "No build ended" in quiet


def test_the_figures_of_very_many_builds_come_after_the_page(
    reader: Client, lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    took(65)
    monkeypatch.setattr("builds.pages.views.COUNTED_AT_ONCE", 0)
    text = page(reader, "?period=year&q=fore&state=succeeded&page=1")
    assert '<svg class="chart"' not in text
    address = f"{LIST}figures/?period=year&amp;q=fore&amp;state=succeeded"
    assert text.count(address) == 2  # for htmx, and to press
    later = reader.get(address.replace("&amp;", "&"), headers={"HX-Request": "true"}).content.decode()
    assert "100 % of 1 build succeeded" in " ".join(later.split())
    assert "<main" not in later
    assert f'href="{LIST}?period=month&amp;q=fore&amp;state=succeeded"' in later
    assert "<main" in page(reader, "figures/")


def test_a_build_under_way_is_in_no_figure_and_in_the_list(reader: Client, lab: Workspace) -> None:
    build = queue_build(save_text("six==1\n"))
    assert build.state == BuildState.QUEUED
    assert figures_of(lab, HistoryFilter(), "month").total.decided == 0
    assert listed(page(reader, "?state=queued")) == {"forecast:1"}


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (7, 8), (9, 10), (11, 20), (99, 100), (4001, 5000)]
)
def test_the_top_of_a_chart_is_round_and_not_below_its_highest_bar(most: int, top: int) -> None:
    assert rounded_up(most) == top


def test_one_persons_builds_are_counted_as_often_as_they_are_listed(lab: Workspace) -> None:
    """A repeated request, or one for an existing image, adds no build."""
    carl, eve = person("carl", lab=Role.CONTRIBUTOR), person("eve", lab=Role.CONTRIBUTOR)
    for number in range(27):
        build = queue_build(save_text(f"six=={number}\n"), carl)
        request_build(build.version, eve if number % 2 else carl)
    there = save_text("ready==1\n")
    succeed_build(queue_build(there))
    request_build(there, carl)
    queue_build(save_text("six==1\n", workspace="other"), carl)

    for criteria in (
        HistoryFilter(by="carl"),
        HistoryFilter(by="carl", state="queued"),
        HistoryFilter(by="nobody"),
    ):
        matches = find_builds(builds_for_list(lab), lab, criteria)
        pages = KeysetPaginator(matches.rows, 25, most=matches.most, as_many=matches.as_many)
        assert (matches.as_many is not None) == (not criteria.state)
        assert pages.count == matches.rows.count() == (0 if criteria.by == "nobody" else 27)
