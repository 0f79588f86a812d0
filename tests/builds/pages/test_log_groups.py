"""The log as its page shows it first: a group for each step, gaps for what comes on demand, steps in every state."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from django.contrib.auth.models import User
from django.test import Client

from builds.imaging.reporting import Cancelled
from builds.models import Build, BuildState
from builds.models.steps import StepName
from builds.pages.log_groups import AROUND_THE_CAUSE, FOLDED_FROM, LINES_SHOWN, log_groups
from builds.pages.steps import step_rows
from environments.definition import read
from environments.models import Role
from environments.versions.service import save_reading
from tests.builds.scenarios import (
    browser_of,
    claim_build,
    fail_build,
    person,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)

pytestmark = pytest.mark.django_db

STEPS = (StepName.BASE, StepName.RESOLVE, StepName.FETCH)


@pytest.fixture
def carla() -> User:
    return person("carla", lab=Role.CONTRIBUTOR)


@pytest.fixture
def contributor(carla: User) -> Client:
    return browser_of(carla)


def long_build(lines: int, *, cause: int | None = None) -> Build:
    """Return a build that ended, with so many lines in each of three steps."""
    build = queue_build(save_text("numpy==2.1.3\n"))
    with claim_build(build) as (claim, reporter):
        reporter.line("Build 1")
        for name in STEPS:
            with reporter.step(name) as step:
                for number in range(lines):
                    reporter.line(f"{name} {number}")
                reporter.flush(everything=True)
                step.row.failed = bool(cause) and name == STEPS[-1]
        reporter.log.step = ""
        reporter.line("Build 1 ended")
        reporter.flush(everything=True)
        claim.fail("conflict", "They conflict.", "Choose.", "author", cause)
    build.refresh_from_db()
    return build


def page_of(client: Client, build: Build, more: str = "") -> str:
    response = client.get(f"/w/lab/builds/{build.pk}/{more}")
    assert response.status_code == 200
    return str(response.content.decode())


def test_lines_are_grouped_by_step_and_lines_of_no_step_are_in_no_group() -> None:
    groups, cursor = log_groups(long_build(3), everything=False)

    assert [(group.key, str(group.name), group.open) for group in groups] == [
        ("", "", True),
        ("base", "Base image", True),
        ("resolve", "Resolve packages", True),
        ("fetch", "Fetch packages", True),
        ("", "", True),
    ]
    numbers = [re.findall(r'id="L(\d+)"', group.html) for group in groups]
    assert numbers == [["1"], ["2", "3", "4"], ["5", "6", "7"], ["8", "9", "10"], ["11"]]
    assert cursor == 5


def test_a_long_log_loads_its_end_and_the_lines_around_the_cause() -> None:
    lines = LINES_SHOWN + 1000
    build = long_build(lines, cause=500)

    groups, _ = log_groups(build, everything=False)

    html = "".join(group.html for group in groups)
    loaded = [int(number) for number in re.findall(r'id="L(\d+)"', html)]
    assert 500 in loaded
    assert loaded == sorted(loaded)
    assert len(loaded) == LINES_SHOWN + 500 + AROUND_THE_CAUSE
    gaps = [(int(a), int(b)) for a, b in re.findall(r'data-from="(\d+)" data-to="(\d+)"', html)]
    missing = [number for first, last in gaps for number in range(first, last + 1)]
    assert sorted([*loaded, *missing]) == list(range(1, build.log_lines + 1))
    # Each gap is within the lines of one step.
    assert [group.key for group in groups if "log-gap" in group.html] == ["base", "resolve", "fetch"]
    everything, _ = log_groups(build, everything=True)
    assert "log-gap" not in "".join(group.html for group in everything)


def test_steps_that_went_well_are_folded_in_a_long_log() -> None:
    groups, _ = log_groups(long_build(FOLDED_FROM, cause=3 * FOLDED_FROM), everything=False)

    assert [(group.key, group.state, group.open) for group in groups if group.key] == [
        ("base", "succeeded", False),
        ("resolve", "succeeded", False),
        ("fetch", "failed", True),
    ]


def test_all_steps_are_listed_from_the_start(contributor: Client, carla: User) -> None:
    build = queue_build(save_text("numpy==2.1.3\n"), carla)
    names = ["base", "resolve", "fetch", "assemble", "verify", "store"]
    assert [(row.key, row.state) for row in step_rows(build, [])] == [(name, "to-come") for name in names]
    page = page_of(contributor, build)
    assert page.count("to come") == len(names)
    assert "Waiting for a free worker." in page

    with claim_build(build) as (_, reporter):
        with reporter.step(StepName.BASE) as step:
            step.cached = True
        with reporter.step(StepName.BUILD):  # only builds that have work for it run it
            page = page_of(contributor, build)
    states = re.findall(r'data-step="(\w+)" data-state="([\w-]+)"', page)
    assert states == [
        ("base", "succeeded"),
        ("resolve", "skipped"),
        ("fetch", "skipped"),
        ("build", "running"),
        ("assemble", "to-come"),
        ("verify", "to-come"),
        ("store", "to-come"),
    ]
    running = page.partition('data-step="build"')[2].partition("</li>")[0]
    assert "data-since" in running  # a clock that ticks


def test_a_definition_without_packages_has_no_steps_for_them(contributor: Client, carla: User) -> None:
    reading = read("FROM docker.io/library/debian:12\nRUN true\n", "Dockerfile")
    version = save_reading(workspace_named("lab"), "of-docker", reading, source="", user=carla).version
    build = queue_build(version, carla)

    rows = step_rows(build, [])

    assert [str(row.name) for row in rows] == ["Dockerfile", "Assemble layers", "Verify", "Store image"]
    assert "Base image" not in page_of(contributor, build).partition('id="steps"')[2]


def test_what_a_cancelled_build_was_doing_is_stopped_and_not_failed(contributor: Client, carla: User) -> None:
    build = queue_build(save_text("numpy==2.1.3\n"), carla)
    with claim_build(build) as (claim, reporter):
        with suppress(Cancelled), reporter.step(StepName.BASE):
            reporter.line("Step 1/2 : FROM a")
            reporter.line("Step 2/2 : RUN sleep 100")
            reporter.flush(everything=True)
            raise Cancelled
        claim.cancel()
    build.refresh_from_db()
    assert build.state == BuildState.CANCELLED

    page = page_of(contributor, build)
    list_of_steps = page.partition('id="steps"')[2].partition("</ol>\n")[0]

    assert 'data-step="base" data-state="stopped"' in list_of_steps
    assert "part-stopped" in list_of_steps
    assert "stopped, 0.0" in list_of_steps
    assert "failed" not in list_of_steps


def test_the_api_gives_steps_their_state_and_running_builds_an_estimate(
    contributor: Client, carla: User
) -> None:
    succeed_build(queue_build(save_text("numpy==2.1.2\n"), carla))
    build = queue_build(save_text("numpy==2.1.3\n"), carla)
    path = f"/api/v1/workspaces/lab/builds/{build.pk}/"
    queued = contributor.get(path).json()
    assert queued["queue_position"] == 1
    assert queued["estimate"]["ends_at"] is None
    assert queued["estimate"]["based_on"] == "environment"
    with claim_build(build) as (claim, reporter):
        with reporter.step(StepName.BASE):
            shown = contributor.get(path).json()
        reporter.flush(everything=True)
        claim.cancel()
    assert [(step["name"], step["state"]) for step in shown["steps"]] == [("base", "running")]
    assert shown["estimate"]["ends_at"] is not None
    assert shown["estimate"]["seconds_left"] >= 0
    assert contributor.get(path).json()["estimate"] is None


def test_errors_are_found_and_the_cause_is_among_them(contributor: Client, carla: User) -> None:
    build = queue_build(save_text("numpy==2.1.3\n"), carla)
    with claim_build(build) as (claim, reporter):
        with reporter.step(StepName.BASE):
            for line in (
                "fine",
                "ERROR: one",
                "#12 0.31 E: Unable to locate",
                "an error within",
                "quiet cause",
            ):
                reporter.line(line)
        reporter.flush(everything=True)
        claim.fail("conflict", "They conflict.", "Choose.", "author", 5)

    answer = contributor.get(f"/w/lab/builds/{build.pk}/log/search?errors")

    assert answer.json() == {"lines": [2, 3, 5], "count": 3}
    stranger = browser_of(person("stan", other=Role.OWNER))
    assert stranger.get(f"/w/lab/builds/{build.pk}/log/search?errors").status_code == 404


HOSTILE = [
    "x" * 10_000_000,
    "<script>alert(1)</script></details><details open>",
    "\x1b[31m</div></div>\x1b]0;title\x07\x1b[2J",
    "line\u2028separator\u2029paragraph",
    f'"onmouseover="alert(1) sha256:{"a" * 64} {"b" * 32} <b {"c" * 64}>',
    "\x1b]8;;https://example.org\x07" + "d" * 64 + "\x1b]8;;\x07",
    "data-step=fetch class=log-step",
    "event: end\ndata: x\n\n",
]


def test_hostile_lines_stay_lines_of_their_group(contributor: Client, carla: User) -> None:
    build = queue_build(save_text("numpy==2.1.3\n"), carla)
    with claim_build(build) as (claim, reporter):
        with reporter.step(StepName.BASE):
            for line in HOSTILE:
                reporter.line(line)
            reporter.flush(everything=True)
        claim.fail("conflict", "<b>They</b> conflict:\n" + "y" * 5000, "<i>Choose.</i>", "author", 2)

    page = page_of(contributor, build)

    log = page.partition('id="log"')[2].partition("<template")[0]
    assert len(page) < 200_000
    assert log.count("<details") == log.count("</details>") == 1
    for forbidden in ("<script>alert", "\x1b", "<b>", "<i>", ' onmouseover="'):
        assert forbidden not in page
    assert f'data-id="sha256:{"a" * 64}"' in log
    assert "sha256:aaaaaaaaaaaa…" in log
    assert f'title="{"b" * 32}">bbbbbbbbbbbb…' in log
    assert f">{'d' * 64}<" in log  # no button inside a link
    assert len(re.findall(r'class="l( bad)?" id="L', log)) == len(HOSTILE) + 3  # one of them has four lines


def test_a_failure_shows_a_sentence_and_folds_the_rest(contributor: Client, carla: User) -> None:
    proof = (
        "The requirements conflict: Because a==1 depends on b>=2 and you require b==1, " + "and so on " * 40
    )
    build = queue_build(save_text("# the team's\nb==1\na==1\n"), carla)
    fail_build(build, code="conflict", error=proof, help="Loosen one of the pins.")

    page = page_of(contributor, build)

    failure = page.partition('class="failure"')[2].partition("</section>")[0]
    assert '<h2 id="failure-head">The requirements conflict.</h2>' in failure
    assert "Full message" in failure
    assert 'href="#D3"' in failure  # the package that is named first
    assert '<div class="d bad" id="D3">' in page
    assert 'href="#L2">line 2 of the log</a>' in page
