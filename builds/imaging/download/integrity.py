"""Detect damaged files in the cache, such as a power failure leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from builds.imaging.download.fetch import Fetched
from builds.imaging.files import WheelFile
from builds.imaging.reporting import ImageError


@contextmanager
def undamaged(fetched: Fetched) -> Iterator[None]:
    """Work with fetched files. A damaged copy in the cache is deleted, and an error says so."""
    try:
        yield
    except ImageError as error:
        if error.code not in ("bad-wheel", "bad-package"):
            raise
        # They were right when they came. To look at each of them before each build would take longer than the build.
        lost = [file for file in (*fetched.wheels, *fetched.conda, *fetched.sdists) if not _whole(file)]
        for file in lost:
            file.path.unlink(missing_ok=True)
        if not lost:
            raise
        names = ", ".join(file.path.name for file in lost)
        raise ImageError(
            "digest-mismatch",
            f"The copy in the studio's cache of {names} was damaged. It has been thrown away.",
            "Build again to download it again.",
            fault="studio",
        ) from error


def _whole(file: WheelFile) -> bool:
    try:
        with file.path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except FileNotFoundError:
        return False
