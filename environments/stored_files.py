"""The files of build contexts, each once by its SHA-256, in a folder that all processes of a studio share.

A file is there whole or not at all: it is written beside its path, flushed, and moved. Only `collect` deletes.
"""

import fcntl
import hashlib
import os
import re
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

from django.conf import settings

from environments.definition import Definition

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Freed(NamedTuple):
    """The number of files that were deleted, or would be, and their bytes."""

    files: int
    size: int


class FileWriter:
    """A file on its way to the store: hashed while it is written, and there after `commit`."""

    def __init__(self, store: "FileStore") -> None:
        self._store = store
        self._path = store.partial / secrets.token_hex(16)
        self._hash = hashlib.sha256()
        self._file: BinaryIO = self._path.open("xb")
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written, in hex."""
        return self._hash.hexdigest()

    def commit(self) -> str:
        """Move the file to its path and return its digest."""
        self._file.flush()
        os.fsync(self._file.fileno())
        with self._store.locked(fcntl.LOCK_SH):
            path = self._store.path_of(self.digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.utime(self._path)  # a slow upload is not older than its end
            self._path.replace(path)
        return self.digest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what is still in its buffer may not fit on the disk
            self._file.close()
        self._path.unlink(missing_ok=True)


class FileStore:
    """Files by their digests: 64 lower-case hex digits."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or settings.CONTEXTS
        self.partial = self.folder / "partial"
        self.partial.mkdir(parents=True, exist_ok=True)

    def path_of(self, digest: str) -> Path:
        """Return a file's path, whether it exists or not. Raises ValueError for anything but a digest."""
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{digest[:80]!r} is not a SHA-256 in hex")
        return self.folder / "sha256" / digest[:2] / digest

    def writer(self) -> FileWriter:
        """Return a writer, which deletes what was written unless it is committed."""
        return FileWriter(self)

    def add(self, content: bytes) -> str:
        """Keep these bytes and return their digest."""
        digest = hashlib.sha256(content).hexdigest()
        if not self.keep(digest):
            with self.writer() as writer:
                writer.write(content)
                writer.commit()
        return digest

    def keep(self, digest: str) -> bool:
        """Return whether the file exists, and keep it from the next `collect` if it does."""
        try:
            with self.locked(fcntl.LOCK_SH):
                os.utime(self.path_of(digest))
        except FileNotFoundError:
            return False
        return True

    def read(self, digest: str, most: int = -1) -> bytes:
        """Return a file's first bytes, all by default. Raises FileNotFoundError."""
        with self.path_of(digest).open("rb") as file:
            return file.read(most)

    def chunks(self, digest: str, size: int = 1 << 20) -> Iterator[bytes]:
        """Yield a file in pieces. Raises FileNotFoundError."""
        with self.path_of(digest).open("rb") as file:
            while chunk := file.read(size):
                yield chunk

    def collect(self, keep: Collection[str], *, grace_seconds: float, dry_run: bool = False) -> Freed:
        """Delete every file but these that nothing wrote or kept within the grace period; return what it freed."""
        files = size = 0
        before = time.time() - grace_seconds
        for path in (*self.folder.glob("sha256/??/*"), *self.partial.iterdir()):
            if path.name in keep:
                continue
            with self.locked(fcntl.LOCK_EX), suppress(FileNotFoundError):
                info = path.stat()
                if info.st_mtime < before:
                    if not dry_run:
                        path.unlink()
                    files, size = files + 1, size + info.st_size
        return Freed(files, size)

    @contextmanager
    def locked(self, kind: int) -> Iterator[None]:
        """Hold the store's lock: shared to keep files, exclusive to delete them."""
        with (self.folder / "lock").open("a") as file:
            fcntl.flock(file, kind)
            yield


def stored(definition: Definition) -> dict[str, Any]:
    """Return a definition as JSON for a database row, with the files of its build context in the store instead."""
    data = definition.model_dump(mode="json", exclude={"context": {"files": {"__all__": {"content"}}}})
    if definition.context is not None:
        store = FileStore()
        for entry, file in zip(data["context"]["files"], definition.context.files, strict=True):
            entry |= {"digest": store.add(file.content), "size": len(file.content)}
        data["context"]["stored"] = True
    return data


def restored(data: Mapping[str, Any], *, outline: bool = False) -> Definition:
    """Return the definition in a database row. Raises FileNotFoundError if a file has vanished from the store.

    Rows from before there was a store hold the files of their build contexts. An `outline` leaves them empty but for
    the Dockerfile: it is not the same content.
    """
    context = data.get("context")
    if not context or not context.get("stored"):
        return Definition.model_validate(data)
    store = FileStore()
    files = [
        {
            "path": entry["path"],
            "mode": entry["mode"],
            "link": entry["link"],
            "content": b""
            if outline and entry["path"] != context["dockerfile_path"]
            else store.read(entry["digest"]),
        }
        for entry in context["files"]
    ]
    whole = {name: value for name, value in context.items() if name != "stored"} | {"files": files}
    return Definition.model_validate({**data, "context": whole})


def digests_in(data: Mapping[str, Any]) -> set[str]:
    """Return the digests of the files that a row's definition has in the store."""
    context = data.get("context")
    return {entry["digest"] for entry in context["files"]} if context and context.get("stored") else set()
