"""Read the files of a folder, and never a file elsewhere: no link is followed, not even in a path's middle."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from builds.imaging.conda.package.names import Kind

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, a pipe would be waited for.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Beneath:
    """The files beneath a folder. Use as a context manager."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, _FOLDER)
        self._last = ("", self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        os.close(self._root)

    def files(self) -> Iterator[tuple[str, Kind]]:
        """Yield path and kind of every file and link, in no order; raise `OSError` for anything else."""
        for folder, folders, names, number in os.fwalk(".", dir_fd=self._root, follow_symlinks=False):
            for name in (*folders, *names):
                mode = os.stat(name, dir_fd=number, follow_symlinks=False).st_mode
                path = f"{folder}/{name}".removeprefix("./")
                if stat.S_ISLNK(mode):
                    yield path, Kind.LINK
                elif stat.S_ISREG(mode):
                    yield path, Kind.FILE
                elif not stat.S_ISDIR(mode):
                    raise OSError(f"{path} is no file")

    def open(self, path: str) -> BinaryIO:
        """Open a regular file; raise `OSError` if it is none, or lies behind a link."""
        folder, _, name = path.rpartition("/")
        file = os.fdopen(os.open(name, _FILE, dir_fd=self._folder(folder)), "rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError(f"{path} is no file")
        return file

    def target(self, path: str) -> str | None:
        """Return the target of a symbolic link, None for another file."""
        folder, _, name = path.rpartition("/")
        number = self._folder(folder)
        if not stat.S_ISLNK(os.stat(name, dir_fd=number, follow_symlinks=False).st_mode):
            return None
        return os.readlink(name, dir_fd=number)

    def size(self, path: str) -> int | None:
        """Return the size of a regular file, None where there is none."""
        try:
            with self.open(path) as file:
                return os.fstat(file.fileno()).st_size
        except OSError:
            return None

    def _folder(self, path: str) -> int:
        """Return an open folder. The last is kept open, as files come sorted."""
        if self._last[0] != path:
            number = os.dup(self._root)
            for part in path.split("/") if path else ():
                above, number = number, os.open(part, _FOLDER, dir_fd=number)
                os.close(above)
            self._forget()
            self._last = (path, number)
        return self._last[1]

    def _forget(self) -> None:
        if self._last[1] != self._root:
            os.close(self._last[1])
        self._last = ("", self._root)
