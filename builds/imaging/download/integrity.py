"""Copies in the cache that are not what they were, as a machine leaves them that loses its power."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from builds.images.fetch import Fetched
from builds.images.report import ImageError
from builds.images.segment import WheelFile


@contextmanager
def undamaged(fetched: Fetched) -> Iterator[None]:
    """Work with fetched files. Where one is unusable because of its copy here, that is thrown away, and said."""
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
            "Build again: it is fetched anew.",
            fault="studio",
        ) from error


def _whole(file: WheelFile) -> bool:
    try:
        with file.path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except FileNotFoundError:
        return False
