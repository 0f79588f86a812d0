"""Before a rebuild, its page tells which packages would move (rule 16)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from builds import dry_run, queue, runner, steps
from builds.models import Build, Image, State
from builds.preview_models import RebuildPreview
from builds.previews import ask_for_overlooked, look_ahead, preview_of
from builds.services import image_of
from environments.models import Role, Version
from tests.builds.played import asked, browser_of, image_for, person, saved
from tests.images.making import make_wheel
from tests.images.serving import Index

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The looks that workers were asked for."""
    found: list[int] = []
    monkeypatch.setattr(queue, "ask_for_preview", found.append)
    return found


@pytest.fixture
def index(tmp_path: Path, settings: Settings) -> Iterator[Index]:
    """An index with two packages at 1.0."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "mover", "1.0", needs=["helper"])
    make_wheel(folder, "helper", "1.0")
    served = Index(folder)
    with served.server.running():
        settings.INDEX_URL = served.url
        yield served


def built(text: str) -> tuple[Version, Image]:
    """Return a version and its image, really built."""
    version = saved(text)
    build = asked(version)
    runner.run(build.pk, "a worker of a test")
    assert Build.objects.get(pk=build.pk).state == State.SUCCEEDED
    image = image_of(version)
    assert image is not None
    return version, image


def test_the_packages_that_would_move_are_listed_and_nothing_is_made(index: Index, told: list[int]) -> None:
    version, image = built("mover\n")
    make_wheel(index.folder, "mover", "1.1", needs=["another"])
    make_wheel(index.folder, "another", "3.0")

    preview = look_ahead(version, image)
    assert preview.done_at is None
    dry_run.look(*told)

    preview.refresh_from_db()
    assert preview.moves == [
        {"name": "another", "before": "", "after": "3.0"},
        {"name": "helper", "before": "1.0", "after": ""},
        {"name": "mover", "before": "1.0", "after": "1.1"},
    ]
    assert (preview.base_moves, preview.problem) == (False, "")
    assert Build.objects.count() == 1
    assert Image.objects.get() == image


def test_an_index_that_cannot_be_reached_is_told_and_stops_nobody(
    told: list[int], settings: Settings
) -> None:
    ada = person("ada", lab=Role.CONTRIBUTOR)
    version = saved("unheard-of\n")
    image_for(version)
    settings.INDEX_URL = "http://127.0.0.1:1/simple"
    page = f"/w/lab/environments/{version.environment.name}/versions/{version.version}/rebuild/"
    browser = browser_of(ada)

    looking = browser.post(f"{page}moves").content.decode()
    assert "Looking" in looking
    assert "hx-get" in looking
    dry_run.look(*told)

    answer = browser.get(f"{page}moves").content.decode()
    assert "cannot be said now" in answer
    assert "hx-get" not in answer
    assert "Rebuild" in browser.get(page).content.decode()


def test_many_who_ask_make_a_worker_look_once_and_again_only_later(told: list[int]) -> None:
    version = saved("a==1\n")
    image = image_for(version)

    looks = [look_ahead(version, image) for _ in range(3)]

    assert {look.pk for look in looks} == {*told}
    assert len(told) == 1
    RebuildPreview.objects.update(asked_at=timezone.now() - timedelta(minutes=6))
    look_ahead(version, image)
    assert len(told) == 2


def test_a_look_whose_message_was_lost_is_asked_for_again_and_made_once(
    told: list[int], index: Index
) -> None:
    version = saved("mover\n")
    look_ahead(version, image_for(version))
    assert ask_for_overlooked() == 0  # it may still be on its way

    RebuildPreview.objects.update(asked_at=timezone.now() - timedelta(seconds=6))
    assert ask_for_overlooked() == 1
    dry_run.look(told[0])
    first = RebuildPreview.objects.get()
    make_wheel(index.folder, "mover", "1.1")
    dry_run.look(told[1])  # the same again, which was late and not lost

    assert first.done_at is not None
    assert RebuildPreview.objects.get().moves == first.moves
    assert ask_for_overlooked() == 0


def test_a_mistake_of_the_studios_is_told_and_ends_the_waiting(
    told: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistake(*_: object) -> None:
        raise ZeroDivisionError

    version = saved("a==1\n")
    look_ahead(version, image_for(version))
    monkeypatch.setattr(steps, "resolve_anew", mistake)
    dry_run.look(*told)

    preview = RebuildPreview.objects.get()
    assert preview.done_at is not None
    assert "its log says which" in preview.problem
    assert "ZeroDivisionError" in caplog.text


def test_a_look_that_nobody_has_time_for_is_given_up(told: list[int]) -> None:
    version = saved("a==1\n")
    image = image_for(version)
    look_ahead(version, image)
    RebuildPreview.objects.update(asked_at=timezone.now() - timedelta(minutes=3))

    preview = preview_of(version, image)

    assert preview is not None
    assert "No worker" in preview.problem


def test_a_get_starts_nothing_and_strangers_see_nothing(told: list[int]) -> None:
    version = saved("a==1\n")
    image_for(version)
    page = f"/w/lab/environments/{version.environment.name}/versions/{version.version}/rebuild/moves"

    assert browser_of(person("ada", lab=Role.CONTRIBUTOR)).get(page).status_code == 200
    assert browser_of(person("rita", lab=Role.READER)).post(page).status_code == 403
    assert browser_of(person("eve")).post(page).status_code == 404
    assert told == []
