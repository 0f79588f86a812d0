"""`manage.py doctor` looks at the files of build contexts: missing, damaged, or needed by nothing."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from pytest_django import Settings

from environments.definition import read
from environments.models import Version
from environments.stored_files import FileStore, digests_in
from environments.versions.service import save_reading
from studio.operations.checks import contexts
from studio.operations.finding import Level
from tests.builds.scenarios import workspace_named
from tests.studio.operations.test_doctor import only

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(settings: Settings, tmp_path: Path) -> list[Path]:
    """The stored files of a version's build context."""
    settings.CONTEXTS = tmp_path / "contexts"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Dockerfile", "FROM python:3.12\nCOPY data /\n")
        archive.writestr("data", b"\0\xff")
    save_reading(workspace_named("lab"), "train", read(packed.getvalue(), "context.zip"), source="")
    store = FileStore()
    return [store.path_of(digest) for digest in digests_in(Version.objects.get().data)]


def test_a_studio_without_build_contexts_is_well(settings: Settings, tmp_path: Path) -> None:
    settings.CONTEXTS = tmp_path / "nothing"
    assert only(contexts.contexts(deep=True)).level == Level.OK
    assert not settings.CONTEXTS.exists()


def test_whole_files_are_well(files: list[Path]) -> None:
    assert "2 files of build contexts are there" in only(contexts.contexts(deep=False)).message
    assert "2 files of build contexts are read" in only(contexts.contexts(deep=True)).message


def test_a_missing_file_is_found(files: list[Path]) -> None:
    files[0].unlink()
    finding = only(contexts.contexts(deep=False))
    assert finding.level == Level.WRONG
    assert f"1 of 2 files of build contexts are not whole; {files[0].name} is missing." in finding.message


def test_a_damaged_file_is_found_when_it_is_read(files: list[Path]) -> None:
    files[0].write_bytes(b"other")
    assert only(contexts.contexts(deep=False)).level == Level.OK
    finding = only(contexts.contexts(deep=True))
    assert (finding.level, "holds other bytes" in finding.message) == (Level.WRONG, True)


def test_much_that_nothing_needs_is_a_warning(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "MUCH", 1)
    store = FileStore()
    left = store.path_of(store.add(b"left"))
    assert only(contexts.contexts(deep=False)).level == Level.OK  # a moment old
    os.utime(left, (0, 0))
    well, warned = contexts.contexts(deep=False)
    assert (well.level, warned.level) == (Level.OK, Level.WARNING)
    assert "1 files that nothing needs" in warned.message
    assert left.exists()
