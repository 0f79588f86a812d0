"""Take over a file that a confined process has written, so that the process can never change it again."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from builds.imaging.reporting import ImageError

_NO_LEASES = (errno.EINVAL, errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)


@contextmanager
def handed_over(file: Path, folder: Path) -> Iterator[tuple[Path, FileIO]]:
    """Move a file into a folder that its writer has no access to; yield its path there, and its content.

    The file's own folder must be one that the writer cannot replace. What is not moved on in the block is removed.
    Raises ImageError for anything but a plain file of one name that nobody writes to any more.
    """
    moved = folder / secrets.token_hex(16)
    try:
        try:
            # First of all out of reach: by a path, the writer does not get to it any more.
            file.rename(moved)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise _refused() from error
            _copy(file, moved)
        with _opened(moved) as content:
            if _is_written(content):
                raise _refused()
            yield moved, content
    finally:
        if moved.is_dir() and not moved.is_symlink():
            shutil.rmtree(moved, ignore_errors=True)
        else:
            moved.unlink(missing_ok=True)


def _opened(path: Path) -> FileIO:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:  # a link, a socket
        raise _refused() from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise _refused()
    return FileIO(descriptor, "rb")


def _is_written(content: FileIO) -> bool:
    """Return whether a process has the file open for writing, or mapped: the kernel gives no lease on it then."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(content, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(content, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        # A file system without leases: its writer is trusted to have closed the file.
        return error.errno not in _NO_LEASES
    return False


def _copy(file: Path, target: Path) -> None:
    """Copy a file to another file system, where its writer never had it."""
    with _opened(file) as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    file.unlink()


def _refused() -> ImageError:
    return ImageError(
        "packing-failed",
        "A process that packs a package left something else than a file that is complete.",
        "Build again. If it happens again, leave out the package that was packed last: it may be hostile.",
        fault="outside",
    )
