"""The page of a rebuild lists the packages that would change (rule 16)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from builds.models import Build, BuildState, Image
from builds.models.preview import RebuildPreview
from builds.queue import messages
from builds.queue.previews import recent_preview, request_preview, resend_lost_previews
from builds.queue.requests import image_of
from builds.worker import runner, steps
from builds.worker.preview import run_preview
from environments.models import Role, Version
from tests.builds.imaging.making import make_wheel
from tests.builds.imaging.serving import Index
from tests.builds.scenarios import browser_of, image_for, person, queue_build, save_text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The previews sent to workers."""
    previews: list[int] = []
    monkeypatch.setattr(messages, "send_preview", previews.append)
    return previews


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
    version = save_text(text)
    build = queue_build(version)
    runner.run_build(build.pk, "a worker of a test")
    assert Build.objects.get(pk=build.pk).state == BuildState.SUCCEEDED
    image = image_of(version)
    assert image is not None
    return version, image


@pytest.mark.slow
def test_the_packages_that_would_change_are_listed_and_nothing_is_built(
    index: Index, sent: list[int]
) -> None:
    version, image = built("mover\n")
    make_wheel(index.folder, "mover", "1.1", needs=["another"])
    make_wheel(index.folder, "another", "3.0")

    preview = request_preview(version, image)
    assert preview.ended_at is None
    run_preview(*sent)

    preview.refresh_from_db()
    assert preview.changes == [
        {"name": "another", "before": "", "after": "3.0"},
        {"name": "helper", "before": "1.0", "after": ""},
        {"name": "mover", "before": "1.0", "after": "1.1"},
    ]
    assert (preview.base_changed, preview.problem) == (False, "")
    assert Build.objects.count() == 1
    assert Image.objects.get() == image


@pytest.mark.slow
def test_an_unreachable_index_is_shown_and_prevents_no_rebuild(sent: list[int], settings: Settings) -> None:
    ada = person("ada", lab=Role.CONTRIBUTOR)
    version = save_text("unheard-of\n")
    image_for(version)
    settings.INDEX_URL = "http://127.0.0.1:1/simple"
    page = f"/w/lab/environments/{version.environment.name}/versions/{version.version}/rebuild/"
    browser = browser_of(ada)

    looking = browser.post(f"{page}moves").content.decode()
    assert "Looking" in looking
    assert "hx-get" in looking
    run_preview(*sent)

    answer = browser.get(f"{page}moves").content.decode()
    assert "Package changes are unknown" in answer
    assert "hx-get" not in answer
    assert "Rebuild" in browser.get(page).content.decode()


def test_many_requests_share_a_preview_until_it_expires(sent: list[int]) -> None:
    version = save_text("a==1\n")
    image = image_for(version)

    previews = [request_preview(version, image) for _ in range(3)]

    assert {preview.pk for preview in previews} == {*sent}
    assert len(sent) == 1
    RebuildPreview.objects.update(requested_at=timezone.now() - timedelta(minutes=6))
    request_preview(version, image)
    assert len(sent) == 2


def test_a_preview_whose_message_was_lost_is_sent_again_and_run_once(sent: list[int], index: Index) -> None:
    version = save_text("mover\n")
    request_preview(version, image_for(version))
    assert resend_lost_previews() == 0  # the message may still arrive

    RebuildPreview.objects.update(requested_at=timezone.now() - timedelta(seconds=6))
    assert resend_lost_previews() == 1
    run_preview(sent[0])
    first = RebuildPreview.objects.get()
    make_wheel(index.folder, "mover", "1.1")
    run_preview(sent[1])  # the first message was late, not lost

    assert first.ended_at is not None
    assert RebuildPreview.objects.get().changes == first.changes
    assert resend_lost_previews() == 0


def test_an_error_of_the_studio_is_shown_and_ends_the_preview(
    sent: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistake(*_: object) -> None:
        raise ZeroDivisionError

    version = save_text("a==1\n")
    request_preview(version, image_for(version))
    monkeypatch.setattr(steps, "resolve_for_rebuild", mistake)
    run_preview(*sent)

    preview = RebuildPreview.objects.get()
    assert preview.ended_at is not None
    assert "its log says which" in preview.problem
    assert "ZeroDivisionError" in caplog.text


def test_a_preview_that_no_worker_runs_times_out(sent: list[int]) -> None:
    version = save_text("a==1\n")
    image = image_for(version)
    request_preview(version, image)
    RebuildPreview.objects.update(requested_at=timezone.now() - timedelta(minutes=3))

    preview = recent_preview(version, image)

    assert preview is not None
    assert "No worker" in preview.problem


def test_a_get_starts_nothing_and_strangers_see_nothing(sent: list[int]) -> None:
    version = save_text("a==1\n")
    image_for(version)
    page = f"/w/lab/environments/{version.environment.name}/versions/{version.version}/rebuild/moves"

    assert browser_of(person("ada", lab=Role.CONTRIBUTOR)).get(page).status_code == 200
    assert browser_of(person("rita", lab=Role.READER)).post(page).status_code == 403
    assert browser_of(person("eve")).post(page).status_code == 404
    assert sent == []
