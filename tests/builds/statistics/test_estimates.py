"""Queue position and expected time: from what builds like it took, and only where there is a basis (page.md)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from builds.models import Build, BuildState, Step
from builds.pages.queries import queue_of
from builds.queue.fairness import claim_next
from builds.queue.limits import set_limits
from builds.statistics.estimates import (
    ENOUGH_OF_A_KIND,
    build_estimate,
    duration_history,
    estimate_of,
    roughly,
    version_estimate,
)
from environments.models import Version
from tests.builds.scenarios import queue_build, save_text, succeed_build, workspace_named

pytestmark = pytest.mark.django_db


def took(text: str, seconds: float, *, name: str = "forecast", **steps: float) -> Build:
    """Play a build that took so long, with these steps."""
    build = queue_build(save_text(text, name=name))
    succeed_build(build)
    ended = timezone.now()
    Build.objects.filter(pk=build.pk).update(started_at=ended - timedelta(seconds=seconds), ended_at=ended)
    build.steps.all().delete()
    for position, (step, long) in enumerate(steps.items(), start=1):
        Step.objects.create(
            build=build,
            attempt=1,
            position=position,
            name=step,
            started_at=ended,
            ended_at=ended + timedelta(seconds=long),
            first_line=1,
        )
    return build


def test_there_is_no_estimate_without_history() -> None:
    build = queue_build(save_text("a==1\n"))

    assert build_estimate(build, []) == ""
    assert version_estimate(build.version) == ""


def test_builds_of_the_same_environment_tell_more_than_those_of_its_kind() -> None:
    for seconds in (100, 200, 300, 400):
        took(f"a=={seconds}\n", seconds, name=f"other-{seconds}")
    build = queue_build(save_text("b==1\n"))
    assert build_estimate(build, []) == "Takes about 4 min (based on the last 4 builds of pip environments)."

    took("b==2\n", 30)

    assert build_estimate(build, []) == "Takes about 30 s (based on the last build of this environment)."


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"base": "", "data": {"dockerfile": "FROM a", "python": {"conda": [], "pip": []}}}, "dockerfile"),
        ({"data": {"image": "host", "python": {"conda": ["numpy"], "pip": []}}}, "conda"),
        ({"data": {"image": "host", "python": {"conda": [], "pip": ["numpy"]}}}, "pip"),
    ],
)
def test_an_estimate_is_based_on_builds_of_the_same_kind_of_source(
    changes: dict[str, Any], kind: str
) -> None:
    """A Dockerfile takes its own time, however fast pip is."""
    sources: dict[str, dict[str, Any]] = {
        "dockerfile": {"base": "", "data": {"python": {"conda": [], "pip": []}}},
        "conda": {"data": {"python": {"conda": ["python"], "pip": []}}},
        "pip": {"data": {"python": {"conda": [], "pip": ["six"]}}},
    }
    for seconds, (name, values) in zip((1000, 100, 10), sources.items(), strict=True):
        for number in range(ENOUGH_OF_A_KIND):
            made = took(f"{name}=={number}\n", seconds, name=f"{name}-{number}")
            Version.objects.filter(pk=made.version_id).update(**values)
    version = save_text("wanted==1\n", name="wanted")
    Version.objects.filter(pk=version.pk).update(**changes)
    version = Version.objects.get(pk=version.pk)

    history = duration_history(version)

    assert history is not None
    assert (history.of, history.seconds) == (kind, {"dockerfile": 1000, "conda": 100, "pip": 10}[kind])


def test_two_builds_of_a_kind_are_no_basis() -> None:
    for number in range(ENOUGH_OF_A_KIND - 1):
        took(f"a=={number}\n", 10, name=f"other-{number}")

    assert duration_history(save_text("b==1\n")) is None


def test_a_failed_build_is_no_basis() -> None:
    build = took("a==1\n", 50)
    Build.objects.filter(pk=build.pk).update(state=BuildState.FAILED)

    assert duration_history(build.version) is None


def test_what_is_left_goes_by_the_steps_that_are_still_to_come() -> None:
    took("a==1\n", 100, base=10, resolve=20, fetch=30, assemble=40)
    build = queue_build(save_text("a==2\n"))
    claim_next("worker")
    build.refresh_from_db()
    now = timezone.now()
    steps = [
        Step(name="base", started_at=now - timedelta(seconds=25), ended_at=now - timedelta(seconds=15)),
        Step(name="resolve", started_at=now - timedelta(seconds=15)),
    ]

    sentence = "About 75 s left (based on the last build of this environment)."
    assert build_estimate(build, steps) == sentence

    late = [Step(name="assemble", started_at=now - timedelta(seconds=300))]
    assert build_estimate(build, late) == (
        "Taking longer than usual (the last build of this environment took about 100 s)."
    ).replace("100 s", roughly(100))


def test_the_expected_end_stays_while_a_step_takes_longer_than_usual() -> None:
    """So that what a page counts down reaches zero."""
    took("a==1\n", 100, base=10, resolve=20, fetch=30, assemble=40)
    build = queue_build(save_text("a==2\n"))
    claim_next("worker")
    build.refresh_from_db()
    began = timezone.now() - timedelta(seconds=60)
    steps = [Step(name="resolve", started_at=began)]

    first, second = estimate_of(build, steps), estimate_of(build, steps)

    assert first is not None
    assert second is not None
    assert first.ends_at == second.ends_at == began + timedelta(seconds=20 + 30 + 40)
    assert "{time} left" in str(first.template)


def test_a_queued_build_is_expected_to_start_when_those_before_it_have_ended() -> None:
    took("old==1\n", 40, name="old")
    running = queue_build(save_text("r==1\n", name="running"))
    claim_next("worker")
    Build.objects.filter(pk=running.pk).update(started_at=timezone.now() - timedelta(seconds=10))
    first, second = (queue_build(save_text(f"w=={n}\n", name=f"waits-{n}")) for n in (1, 2))

    waits = [queue_of(build) for build in (first, second)]

    assert [(wait.position, wait.label) for wait in waits if wait] == [
        (1, "Next in line"),
        (2, "2nd in line"),
    ]
    left = [wait.seconds_left for wait in waits if wait and wait.seconds_left is not None]
    assert left == [pytest.approx(30, abs=6), pytest.approx(70, abs=6)]
    assert waits[1] is not None
    assert waits[1].sentence.startswith("2nd in line · starts in about ")
    running.refresh_from_db()
    assert queue_of(running) is None


def test_no_start_is_estimated_while_nothing_runs() -> None:
    waiting = queue_of(queue_build(save_text("a==1\n")))

    assert waiting is not None
    assert (waiting.starts_at, waiting.sentence) == (None, "Next in line · waiting for a free worker")


def test_times_are_no_more_exact_than_they_can_be_known() -> None:
    assert [roughly(s) for s in (0.2, 8.4, 38, 87, 200, 3590, 5000)] == [
        "1 s",
        "8 s",
        "40 s",
        "85 s",
        "3 min",
        "1 h 00 min",
        "1 h 20 min",
    ]


def test_the_page_says_when_it_is_the_workspaces_limit_that_holds_a_build_up() -> None:
    queue_build(save_text("a==1\n"))
    waiting = queue_build(save_text("a==2\n"))
    status = queue_of(waiting)
    assert status is not None
    assert status.why_it_waits == ""
    set_limits(workspace_named("lab"), at_once=1)

    claim_next("worker")

    status = queue_of(waiting)
    assert status is not None
    assert str(status.why_it_waits).startswith("1 of 1 builds of this workspace are running")
