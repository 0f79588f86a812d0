"""Queue position and expected time: from what builds like it took, and only where there is a basis (page.md)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from builds.models import Build, BuildState, Step
from builds.pages.queries import why_it_waits
from builds.queue.fairness import claim_next
from builds.queue.limits import set_limits
from builds.statistics.estimates import build_estimate, duration_history, roughly, version_estimate
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


def test_builds_of_the_same_environment_tell_more_than_those_of_the_workspace() -> None:
    for seconds in (100, 200, 300, 400):
        took(f"a=={seconds}\n", seconds, name=f"other-{seconds}")
    build = queue_build(save_text("b==1\n"))
    assert build_estimate(build, []) == "The last 4 builds of this workspace took about 4 min."

    took("b==2\n", 30)

    assert build_estimate(build, []) == "The last build of this environment took about 30 s."


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

    assert build_estimate(build, steps) == "About 75 s left, going by the last build of this environment."

    late = [Step(name="assemble", started_at=now - timedelta(seconds=300))]
    assert build_estimate(build, late).startswith("It takes longer than usual")


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
    assert why_it_waits(waiting) == ""
    set_limits(workspace_named("lab"), at_once=1)

    claim_next("worker")

    assert why_it_waits(waiting).startswith("1 of 1 builds of this workspace are running")
