"""A full disk is answered in each protocol's form, and leaves nothing that is half written."""

from __future__ import annotations

import base64
import errno
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from environments.disk_full import is_full
from environments.models import UploadedBlob
from studio.azure.protocol import answer_to
from tests.studio.azure.blobs.test_views import UPLOAD, Sender

pytestmark = pytest.mark.django_db
LARGE = b"x" * 3_000_000


@pytest.fixture
def disk(settings: Settings, small_disk: Callable[[str], Path]) -> Path:
    """The disk of build contexts, with room for one large file."""
    settings.CONTEXTS = small_disk("size=4m") / "contexts"
    return Path(settings.CONTEXTS)


def files(disk: Path) -> list[str]:
    return sorted(path.name for path in disk.rglob("*") if path.is_file() and path.name != "lock")


def test_a_file_or_block_without_room_is_refused_and_what_fits_is_still_received(
    disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ann = Sender()
    first, second = (base64.b64encode(name).decode() for name in (b"1", b"2"))
    assert ann.put(f"{UPLOAD}/big", LARGE, f"comp=block&blockid={first}&") == (201, "")
    before = files(disk)
    other = b"y" * 3_000_000
    with caplog.at_level(logging.ERROR):
        assert ann.put(f"{UPLOAD}/other", other) == (507, "InsufficientStorage")
        assert ann.put(f"{UPLOAD}/big", other, f"comp=block&blockid={second}&") == (
            507,
            "InsufficientStorage",
        )
        listed = f"<BlockList><Latest>{first}</Latest></BlockList>".encode()
        assert ann.put(f"{UPLOAD}/big", listed, "comp=blocklist&") == (507, "InsufficientStorage")
    assert "The disk is full" in caplog.text
    assert "y" * 50 not in caplog.text
    assert UploadedBlob.objects.count() == 1
    assert files(disk) == before
    assert ann.put(f"{UPLOAD}/small", b"fits") == (201, "")


def test_the_answer_says_what_to_do(disk: Path) -> None:
    ann = Sender()
    ann.put(f"{UPLOAD}/first", LARGE)
    answer = Client().put(
        ann.url(f"{UPLOAD}/other"),
        b"y" * 3_000_000,
        "application/octet-stream",
        HTTP_X_MS_BLOB_TYPE="BlockBlob",
    )
    assert "<Code>InsufficientStorage</Code>" in answer.content.decode()
    assert "Ask an admin to free space" in answer.content.decode()


def test_the_resource_manager_answers_in_its_envelope() -> None:
    answer = answer_to(OSError(errno.ENOSPC, "No space left on device"), {})
    assert answer is not None
    assert (answer.status_code, answer.data["error"]["code"]) == (507, "InsufficientStorage")
    assert answer_to(OSError(errno.EACCES, "Permission denied"), {}) is None


def test_only_a_full_disk_counts_as_one() -> None:
    full, locked = sqlite3.OperationalError(), sqlite3.OperationalError()
    full.sqlite_errorcode, locked.sqlite_errorcode = sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY
    errors = [OperationalError(), OperationalError()]
    errors[0].__cause__, errors[1].__cause__ = full, locked
    assert [is_full(error) for error in errors] == [True, False]
    assert [is_full(OSError(number, "")) for number in (errno.ENOSPC, errno.EDQUOT, errno.EACCES)] == [
        True,
        True,
        False,
    ]
