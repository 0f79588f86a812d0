"""When the builds of a list end and start: by similar builds, in a fixed number of queries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from builds.models import Build, BuildState, Image
from builds.pages.queries import active_builds, builds_for_list
from builds.statistics.waiting import expected_times
from tests.builds.scenarios import queue_build, save_text, workspace_named
from tests.builds.statistics.test_estimates import took

pytestmark = pytest.mark.django_db


def running(text: str, name: str, since: float = 0) -> Build:
    build = queue_build(save_text(text, name=name))
    started = timezone.now() - timedelta(seconds=since)
    Build.objects.filter(pk=build.pk).update(state=BuildState.RUNNING, started_at=started)
    build.refresh_from_db()
    return build


def expected_seconds(build: Build, *others: Build) -> int | None:
    """Return the seconds from a build's start, or from now, to the time that is expected for it."""
    lab = build.workspace
    times = expected_times(lab, active_builds(builds_for_list(lab)))
    when = times.get(build.pk)
    return None if when is None else round((when - (build.started_at or timezone.now())).total_seconds())


def test_the_same_definition_comes_before_its_environment_and_that_before_its_kind() -> None:
    for seconds in (100, 200, 300):
        took(f"a=={seconds}\n", seconds, name=f"other-{seconds}")
    a_kind = running("new==1\n", name="new")
    assert expected_seconds(a_kind) == 200

    took("b==1\n", 40, name="known")
    assert expected_seconds(running("b==2\n", name="known")) == 40

    took("b==3\n", 60, name="known")
    Image.objects.update(current=False)  # else the request takes the image that there is
    assert expected_seconds(running("b==3\n", name="again")) == 60


def test_a_dockerfile_is_not_timed_by_pip_environments() -> None:
    for seconds in (100, 200, 300):
        took(f"a=={seconds}\n", seconds, name=f"other-{seconds}")

    assert expected_seconds(running("FROM python:3.12\nRUN pip install a\n", name="docker")) is None


def test_a_queued_build_starts_when_the_first_running_build_ends() -> None:
    took("a==1\n", 100, name="a")
    running("a==2\n", name="a", since=30)
    queued, later = (queue_build(save_text(f"b=={number}\n", name="b")) for number in (1, 2))
    assert expected_seconds(queued) == 70
    assert expected_seconds(later) is None  # b has no history: it is not known when its first build ends


def test_the_number_of_queries_does_not_grow_with_the_list(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for seconds in (100, 200, 300):
        took(f"a=={seconds}\n", seconds, name=f"other-{seconds}")
    for number in range(5):
        running(f"new=={number}\n", name=f"new-{number}")
    lab = workspace_named("lab")
    active = active_builds(builds_for_list(lab))

    with django_assert_max_num_queries(2):
        assert len(expected_times(lab, active)) == 5
