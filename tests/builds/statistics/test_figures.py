"""The figures of builds and the fates of images, asked of both databases: each says them in its own SQL."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.utils import timezone

from builds.images.listing import ImageFilter, find_images
from builds.images.retention import Rule, preview
from builds.models import BaseImage, Build, Image
from builds.pages.queries import images_for_list
from builds.statistics.figures import DAY, figures_of, today
from builds.statistics.history import HistoryFilter
from tests.builds.scenarios import fail_build, queue_build, save_text, succeed_build, workspace_named

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_database")]


def midnight() -> datetime.datetime:
    """Return the beginning of the day by UTC."""
    return datetime.datetime.combine(today(), datetime.time(), datetime.UTC)


def test_days_weeks_and_times_are_the_same() -> None:
    lab = workspace_named("lab")
    for number, seconds in enumerate((0.44, 9.96, 10.4, 125.6)):
        build = queue_build(save_text(f"six=={number}\n"))
        succeed_build(build)
        # A second before midnight by UTC, and a second after it
        start = midnight() - datetime.timedelta(seconds=1 if number % 2 else -1)
        Build.objects.filter(pk=build.pk).update(
            queued_at=start, started_at=start, ended_at=start + datetime.timedelta(seconds=seconds)
        )
    report = figures_of(lab, HistoryFilter(), "month")
    assert [(part.succeeded, part.half, part.most) for part in report.parts[-2:]] == [
        (2, 10, 126),
        (2, 0.4, 10),
    ]
    assert (report.total.half, report.total.most) == (10, 126)
    assert report.total.new == 4
    year = figures_of(lab, HistoryFilter(), "year")
    assert sum(part.succeeded for part in year.parts) == 4
    assert year.parts[-1].start == today() - today().weekday() * DAY


def test_weeks_begin_on_mondays_and_causes_are_counted_with_the_builds() -> None:
    lab = workspace_named("lab")
    monday = midnight() - (today().weekday() + 14) * DAY
    for number, (seconds, code) in enumerate(((-1, "conflict"), (0, "conflict"), (7 * 86400 - 1, "timeout"))):
        build = queue_build(save_text(f"six=={number}\n"))
        fail_build(build, code=code)
        Build.objects.filter(pk=build.pk).update(queued_at=monday + datetime.timedelta(seconds=seconds))
    succeed_build(queue_build(save_text("six==9\n")))
    report = figures_of(lab, HistoryFilter(), "quarter")
    assert {part.start: part.failed for part in report.parts if part.failed} == {
        monday.date() - 7 * DAY: 1,
        monday.date(): 2,
    }
    assert report.causes == [("conflict", 2), ("timeout", 1)]


def test_postgresql_compiles_no_query() -> None:
    """Compiling those of a clean-up's preview took ten times as long as they did."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SHOW jit")
            assert cursor.fetchone() == ("off",)


def test_a_clock_that_was_set_back_under_a_build_makes_no_time_negative() -> None:
    build = queue_build(save_text("six==1\n"))
    succeed_build(build)
    step = build.steps.get()
    earlier = timezone.now() - datetime.timedelta(hours=1)
    Build.objects.update(ended_at=earlier)
    build.steps.update(ended_at=earlier)
    build.refresh_from_db()
    step.refresh_from_db()
    assert (build.seconds, step.seconds) == (0, 0)
    assert figures_of(workspace_named("lab"), HistoryFilter(), "month").total.half == 0


def test_images_are_filtered_and_judged_the_same() -> None:
    lab = workspace_named("lab")
    images = [succeed_build(queue_build(save_text(f"six=={number}\n"))) for number in range(3)]
    moved = Image.objects.filter(pk=images[0].pk)
    moved.update(base="a Dockerfile", floating=True, used_at=timezone.now() - 100 * DAY)
    BaseImage.objects.create(reference=f"Dockerfile {images[0].hash}", digest="b", checked_at=timezone.now())
    plan = preview(lab, Rule())
    assert [(row.fate, row.images) for row in plan.goes] == [("older", 1)]
    assert [(row.fate, row.images) for row in plan.stays] == [("used", 2)]
    assert plan.freed == 28_400_000
    listed = find_images(images_for_list(lab), lab, ImageFilter(only="moved"))
    assert list(listed) == list(moved)
    assert list(find_images(images_for_list(lab), lab, ImageFilter(query=images[1].digest[:20]))) == [
        images[1]
    ]
