"""Build contexts of versions: their files are in the store, and their rows hold only digests."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from environments.contexts.sweep import sweep_uploads
from environments.definition import read
from environments.models import Version
from environments.stored_files import FileStore, restored, stored
from environments.versions.service import save_reading
from tests.builds.scenarios import workspace_named

FILES = {
    "Dockerfile": b"FROM python:3.12-slim\nCOPY data /data\n",
    "data/big": bytes(range(256)) * 4096,
    "data/empty": b"",
}


@pytest.fixture(autouse=True)
def store(settings: Settings, tmp_path: Path) -> FileStore:
    settings.CONTEXTS = tmp_path
    return FileStore()


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for path, data in FILES.items():
            packed.writestr(path, data)
    return content.getvalue()


def saved() -> Version:
    return save_reading(workspace_named("lab"), "forecast", read(archive(), "context.zip"), source="").version


@pytest.mark.django_db
def test_a_row_holds_no_content_of_a_build_context() -> None:
    version = Version.objects.get(pk=saved().pk)
    assert len(json.dumps(version.data)) < 3000
    context = version.definition.context
    assert context is not None
    assert {file.path: file.content for file in context.files} == FILES
    assert version.definition.hash == version.hash


@pytest.mark.django_db
def test_an_outline_reads_the_dockerfile_alone(store: FileStore) -> None:
    version = saved()
    entries = {entry["path"]: entry["digest"] for entry in version.data["context"]["files"]}
    store.path_of(entries["data/big"]).unlink()
    context = version.outline.context
    assert context is not None
    assert [file.path for file in context.files] == sorted(FILES)
    assert context.dockerfile.encode() == FILES["Dockerfile"]
    with pytest.raises(FileNotFoundError):
        _ = version.definition


@pytest.mark.django_db
def test_the_same_content_again_makes_no_new_version() -> None:
    assert saved() == saved()


@pytest.mark.django_db
def test_the_sweep_keeps_files_of_versions_and_deletes_them_with_the_last(store: FileStore) -> None:
    version = saved()
    assert sweep_uploads(grace_seconds=-1) == (0, 0)
    assert version.definition.context is not None
    version.delete()
    freed = (len(FILES), sum(map(len, FILES.values())))
    assert sweep_uploads(grace_seconds=-1, dry_run=True) == freed
    assert sweep_uploads(grace_seconds=-1) == freed


def test_rows_with_the_files_in_them_are_still_read() -> None:
    definition = read(archive(), "context.zip").definition
    assert definition is not None
    assert restored(definition.model_dump(mode="json")) == definition
    assert restored(stored(definition)) == definition


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_nothing_but_a_digest_is_a_path_in_the_store(store: FileStore, digest: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.path_of(digest)
