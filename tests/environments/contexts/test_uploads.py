"""Receiving uploads: whole files or nothing, within the limits, until the upload is completed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from environments.contexts import uploads
from environments.contexts.folder import uploaded_folder
from environments.contexts.names import read_name
from environments.contexts.sweep import sweep_uploads
from environments.errors import ServiceError
from environments.models import UploadedBlob, Workspace
from environments.stored_files import FileStore
from tests.builds.scenarios import workspace_named

pytestmark = pytest.mark.django_db
DOCKERFILE = read_name("LocalUpload/abc/context/Dockerfile")
OTHER = read_name("LocalUpload/abc/context/app/main.py")
FIRST, SECOND = (base64.b64encode(name).decode() for name in (b"1", b"2"))
DFIRST = {"upload_status": "completed", "name": "abc", "version": "1"}


@pytest.fixture(autouse=True)
def store(settings: Settings, tmp_path: Path) -> FileStore:
    settings.CONTEXTS = tmp_path
    return FileStore()


def person(name: str) -> User:
    return User.objects.get_or_create(username=name)[0]


@pytest.fixture
def lab() -> Workspace:
    return workspace_named("lab")


def put(
    lab: Workspace, content: bytes = b"FROM scratch\n", name: str = DOCKERFILE.name, **options: object
) -> UploadedBlob:
    given: dict[str, object] = {"length": len(content), "user": person("ann")} | options
    return uploads.put_blob(lab, read_name(name), [content], **given)  # type: ignore[arg-type]


def files_of(store: FileStore) -> list[str]:
    return sorted(path.name for path in (*store.folder.glob("sha256/??/*"), *store.partial.iterdir()))


def test_a_file_is_kept_by_its_digest(lab: Workspace, store: FileStore) -> None:
    row = put(lab, b"abc")
    assert (row.digest, row.size) == (hashlib.sha256(b"abc").hexdigest(), 3)
    assert store.read(row.digest) == b"abc"
    assert files_of(store) == [row.digest]


@pytest.mark.parametrize("length", [0, 2, 4])
def test_a_file_of_another_length_leaves_nothing(lab: Workspace, store: FileStore, length: int) -> None:
    with pytest.raises(uploads.WrongLength):
        put(lab, b"abc", length=length)
    assert files_of(store) == []
    assert not UploadedBlob.objects.exists()


def test_a_file_that_is_cut_leaves_nothing(lab: Workspace, store: FileStore) -> None:
    def cut() -> Iterator[bytes]:
        yield b"abc"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        uploads.put_blob(lab, DOCKERFILE, cut(), length=6, user=person("ann"))
    assert files_of(store) == []
    assert not UploadedBlob.objects.exists()


def test_a_file_with_another_checksum_is_refused(lab: Workspace, store: FileStore) -> None:
    put(lab, b"abc", md5=hashlib.md5(b"abc", usedforsecurity=False).digest())
    with pytest.raises(uploads.WrongLength):
        put(lab, b"abd", md5=hashlib.md5(b"abc", usedforsecurity=False).digest())
    assert len(files_of(store)) == 1


def test_a_file_is_replaced_unless_only_a_new_file_is_wanted(lab: Workspace) -> None:
    put(lab, b"1")
    with pytest.raises(uploads.BlobExists):
        put(lab, b"2", only_new=True)
    put(lab, b"3")
    assert [row.size for row in UploadedBlob.objects.all()] == [1]


def test_blocks_become_a_file_in_the_order_of_the_list(lab: Workspace, store: FileStore) -> None:
    for block, content in ((SECOND, b"two"), (FIRST, b"one")):
        uploads.put_block(lab, DOCKERFILE, block, [content], length=3, user=person("ann"))
    assert uploads.blob(lab, DOCKERFILE) is None
    row = uploads.put_block_list(lab, DOCKERFILE, [FIRST, SECOND, FIRST], user=person("ann"))
    assert store.read(row.digest) == b"onetwoone"
    assert UploadedBlob.objects.count() == 1


def test_a_list_with_a_block_that_never_arrived_changes_nothing(lab: Workspace) -> None:
    uploads.put_block(lab, DOCKERFILE, FIRST, [b"one"], length=3, user=person("ann"))
    with pytest.raises(uploads.BlockMissing):
        uploads.put_block_list(lab, DOCKERFILE, [FIRST, SECOND], user=person("ann"))
    assert uploads.blob(lab, DOCKERFILE) is None


def test_a_block_of_another_file_is_no_block_of_this_file(lab: Workspace) -> None:
    uploads.put_block(lab, OTHER, FIRST, [b"one"], length=3, user=person("ann"))
    with pytest.raises(uploads.BlockMissing):
        uploads.put_block_list(lab, DOCKERFILE, [FIRST], user=person("ann"))


def test_a_block_that_is_listed_often_counts_as_often(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LIMITS", replace(uploads.LIMITS, context=10))
    uploads.put_block(lab, DOCKERFILE, FIRST, [b"one"], length=3, user=person("ann"))
    with pytest.raises(uploads.TooLarge):
        uploads.put_block_list(lab, DOCKERFILE, [FIRST] * 4, user=person("ann"))


def test_what_arrives_beyond_the_limit_is_not_read_on(
    lab: Workspace, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LIMITS", replace(uploads.LIMITS, context=10))
    given = iter([b"12345"] * 5)
    with pytest.raises(uploads.TooLarge):
        uploads.put_blob(lab, DOCKERFILE, given, length=None, user=person("ann"))
    assert len(list(given)) == 2
    assert files_of(store) == []


def test_an_upload_has_the_limits_of_a_build_context(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LIMITS", replace(uploads.LIMITS, context=10, context_files=2))
    put(lab, b"12345678")
    with pytest.raises(uploads.TooLarge):
        put(lab, b"123", OTHER.name)
    put(lab, b"12", OTHER.name)
    put(lab, b"1", OTHER.name)
    with pytest.raises(uploads.TooLarge):
        put(lab, b"", "LocalUpload/abc/context/third")
    put(lab, b"12345678", "LocalUpload/def/context/Dockerfile")


def test_the_uploads_of_a_workspace_have_a_limit_of_which_old_uploads_are_no_part(
    lab: Workspace, settings: Settings
) -> None:
    settings.UPLOAD_BYTES = 10
    put(lab, b"12345678")
    with pytest.raises(uploads.TooLarge) as refused:
        put(lab, b"123", "LocalUpload/def/context/Dockerfile")
    assert refused.value.code == "uploads-full"
    put(workspace_named("other"), b"12345678")
    UploadedBlob.objects.update(created_at=timezone.now() - timedelta(hours=25))
    put(lab, b"123", "LocalUpload/def/context/Dockerfile")
    assert UploadedBlob.objects.filter(workspace=lab).count() == 1


def test_a_completed_upload_no_longer_changes(lab: Workspace) -> None:
    put(lab, b"1")
    uploads.set_metadata(lab, DOCKERFILE, DFIRST)
    uploads.set_metadata(lab, DOCKERFILE, DFIRST)
    changes: list[Callable[[], object]] = [
        lambda: put(lab, b"2"),
        lambda: put(lab, b"2", OTHER.name),
        lambda: uploads.put_block(lab, OTHER, FIRST, [b"1"], length=1, user=person("ann")),
        lambda: uploads.set_metadata(lab, DOCKERFILE, {}),
    ]
    for change in changes:
        with pytest.raises(uploads.UploadCompleted):
            change()


def test_the_same_names_in_two_workspaces_are_two_uploads(lab: Workspace) -> None:
    other = workspace_named("other")
    put(lab, b"1")
    assert uploads.blob(other, DOCKERFILE) is None
    assert uploads.set_metadata(other, DOCKERFILE, DFIRST) is None


def test_a_completed_upload_is_a_folder(lab: Workspace) -> None:
    put(lab, b"FROM scratch\n")
    put(lab, b"pass\n", OTHER.name)
    with pytest.raises(ServiceError, match="isn't finished"):
        uploaded_folder(lab, "LocalUpload/abc/context/")
    uploads.set_metadata(lab, DOCKERFILE, DFIRST)
    folder = uploaded_folder(lab, "LocalUpload/abc/context/")
    assert [(entry.path, entry.size) for entry in folder.files()] == [("Dockerfile", 13), ("app/main.py", 5)]
    assert [entry.path for entry in folder.files("app")] == ["main.py"]
    assert folder.names() == ["Dockerfile"]
    assert folder.read("app/main.py", 2) == b"pas"
    assert folder.read("../abc/context/Dockerfile", 9) is None


@pytest.mark.parametrize("path", ["", "/", "LocalUpload", "LocalUpload/abc/con", "LocalUpload/xyz", "../.."])
def test_there_is_no_folder_where_nothing_was_uploaded(lab: Workspace, path: str) -> None:
    put(lab, metadata=DFIRST)
    with pytest.raises(ServiceError, match="has no upload"):
        uploaded_folder(lab, path)


def test_a_folder_cannot_be_a_file_too(lab: Workspace) -> None:
    put(lab, b"1", "LocalUpload/abc/context/app")
    put(lab, b"1", OTHER.name, metadata=DFIRST)
    with pytest.raises(ServiceError, match="also uploaded as a file"):
        uploaded_folder(lab, "LocalUpload/abc/context")


def test_the_sweep_forgets_old_uploads_and_deletes_their_files(lab: Workspace, store: FileStore) -> None:
    put(lab, b"old")
    new = put(lab, b"new", "LocalUpload/def/context/Dockerfile")
    UploadedBlob.objects.exclude(pk=new.pk).update(created_at=timezone.now() - timedelta(hours=25))
    assert sweep_uploads().size == 0  # touched a moment ago
    assert list(UploadedBlob.objects.all()) == [new]
    assert sweep_uploads(grace_seconds=-1).size == 3
    assert files_of(store) == [new.digest]


def test_an_upload_to_which_something_is_still_added_is_not_old(lab: Workspace) -> None:
    first = put(lab, b"old")
    UploadedBlob.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(hours=25))
    put(lab, b"new", OTHER.name)
    assert uploads.forget_old() == 0


def test_what_a_killed_process_was_writing_is_swept(store: FileStore) -> None:
    (store.partial / "half").write_bytes(b"half")
    assert sweep_uploads(grace_seconds=-1).size == 4
    assert files_of(store) == []
