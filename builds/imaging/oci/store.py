"""The embedded image store: an OCI image layout on disk, shared by any number of processes.

A blob is there whole and verified, or it is not there: it is written beside its place, flushed, and moved.
Names are in `index.json`, changed under a file lock. Nothing is deleted but by `collect`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from builds.imaging.oci.handover import handed_over
from builds.imaging.oci.manifest import INDEXES, MANIFESTS, Descriptor, descriptors_of
from builds.imaging.reporting import ImageError

REF_NAME = "org.opencontainers.image.ref.name"
GRACE_SECONDS = 24 * 3600
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def free(size: int) -> None:
    """Let any number of bytes be written."""


class BlobWriter:
    """One blob being written: hashed on the way, and put in its place by `commit`."""

    def __init__(
        self, folder: Path, path: Callable[[str], Path], reserve_disk: Callable[[int], None]
    ) -> None:
        self._path_of = path
        self._reserve_disk = reserve_disk
        self._temporary = folder / secrets.token_hex(16)
        self._hash = hashlib.sha256()
        self._file: BinaryIO = self._temporary.open("wb", buffering=1 << 20)
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append; a full disk is an `ImageError`."""
        self._reserve_disk(len(data))
        try:
            self._file.write(data)
        except OSError as error:
            _say_full(error)
            raise
        self._hash.update(data)
        self.size += len(data)

    def commit(self, digest: str | None = None, size: int | None = None) -> tuple[str, int]:
        """Put the blob in its place and return its digest and size; refuse what was not promised."""
        actual = f"sha256:{self._hash.hexdigest()}"
        if (digest is not None and actual != digest) or (size is not None and size != self.size):
            self.discard()
            raise ImageError(
                "digest-mismatch",
                f"What arrived is {actual} of {self.size} bytes, not {digest or 'the blob'} of {size} bytes.",
                "Build again; if it happens again, the registry holds a damaged image.",
                fault="outside",
            )
        with disk_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.chmod(0o644)
            self._temporary.replace(self._path_of(actual))
        return actual, self.size

    def discard(self) -> None:
        """Forget what was written, if it was not committed."""
        with suppress(OSError):  # what is still in its buffer may not fit on the disk
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class BlobStore:
    """Images on disk, readable by anything that reads an OCI layout (`skopeo inspect oci:PATH:NAME`)."""

    def __init__(self, path: Path | str, reserve_disk: Callable[[int], None] = free) -> None:
        """Open the store at `path`. `spend` is called with the bytes of each write; it raises when they are too many."""
        self.path = Path(path)
        self._reserve_disk = reserve_disk
        self._blobs = self.path / "blobs" / "sha256"
        self._ingest = self.path / "ingest"
        with disk_errors():
            self._blobs.mkdir(parents=True, exist_ok=True)
            self._ingest.mkdir(exist_ok=True)
            with self._locked():
                if not (self.path / "oci-layout").exists():
                    self._replace("oci-layout", {"imageLayoutVersion": "1.0.0"})
                if not (self.path / "index.json").exists():
                    self._replace("index.json", {"schemaVersion": 2, "manifests": []})

    def blob_path(self, digest: str) -> Path:
        """Return where a blob is or would be. Only well-formed sha256 digests have a place."""
        if not _DIGEST.fullmatch(digest):
            raise ImageError("bad-digest", f"“{digest[:80]}” is not a sha256 digest.", fault="outside")
        return self._blobs / digest[7:]

    def has(self, digest: str) -> bool:
        """Return whether the blob is here, and keep it from the next cleaning if it is."""
        try:
            os.utime(self.blob_path(digest))
        except FileNotFoundError:
            return False
        return True

    def size(self, digest: str) -> int:
        """Return the blob's size in bytes; `FileNotFoundError` if it is not here."""
        return self.blob_path(digest).stat().st_size

    def open(self, digest: str) -> BinaryIO:
        """Open a blob for reading."""
        return self.blob_path(digest).open("rb")

    def read(self, digest: str) -> bytes:
        """Return a small blob (a manifest, a config) whole."""
        return self.blob_path(digest).read_bytes()

    def writer(self) -> BlobWriter:
        """Start a blob; use as a context manager, so that an uncommitted blob leaves nothing behind."""
        return BlobWriter(self._ingest, self.blob_path, self._reserve_disk)

    def staging(self) -> Path:
        """Return a new folder for a confined process, on the store's disk; the caller removes it."""
        with disk_errors():
            return Path(tempfile.mkdtemp(dir=self._ingest)).absolute()

    def adopt(self, file: Path) -> tuple[str, int]:
        """Move a file that a confined process wrote into a folder of its own here; return digest and size."""
        with disk_errors(), handed_over(file, self._ingest) as (moved, content):
            size = os.fstat(content.fileno()).st_size
            self._reserve_disk(size)
            digest = f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
            os.fsync(content.fileno())
            moved.chmod(0o644)
            moved.replace(self.blob_path(digest))
        return digest, size

    def put(self, data: bytes, media_type: str) -> Descriptor:
        """Store a small blob and return its descriptor."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if not self.has(digest):
            with self.writer() as blob:
                blob.write(data)
                blob.commit(digest)
        return Descriptor(media_type=media_type, digest=digest, size=len(data))

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """Let `name` mean this manifest from now on. A manifest with a missing blob is refused."""
        self.tag_all({name: descriptor})

    def tag_all(self, names: Mapping[str, Descriptor]) -> None:
        """Let names mean these manifests from now on: all, or none if a blob of any is missing."""
        with self._locked():
            checked: dict[str, bool] = {}
            for name, descriptor in names.items():
                self._refuse_missing(name, descriptor, checked)
            kept = [entry for entry in self._entries() if _name(entry) not in names]
            for name, descriptor in names.items():
                entry = descriptor.to_json()
                entry["annotations"] = {**(descriptor.annotations or {}), REF_NAME: name}
                kept.append(entry)
            self._replace("index.json", {"schemaVersion": 2, "manifests": kept})

    def _refuse_missing(self, name: str, descriptor: Descriptor, checked: dict[str, bool]) -> None:
        """Raise ImageError if a blob of the image is not here; `checked` are blobs that were looked up."""
        for digest in self._reachable([descriptor]):
            if digest not in checked:
                checked[digest] = self.has(digest)
            if not checked[digest]:
                raise ImageError(
                    "blob-missing",
                    f"The image “{name}” cannot be stored: blobs are gone, such as {digest}.",
                    "Build it again.",
                    fault="studio",
                )

    def untag(self, *names: str, untouched_since: float = math.inf) -> int:
        """Forget names, if nobody touched their manifests since; blobs stay until the next cleaning. Return how many."""
        going = set(names)
        with self._locked():
            before = self._entries()
            kept = [
                entry
                for entry in before
                if _name(entry) not in going or self.touched(entry["digest"], since=untouched_since)
            ]
            if len(kept) < len(before):
                self._replace("index.json", {"schemaVersion": 2, "manifests": kept})
        return len(before) - len(kept)

    def touched(self, digest: str, *, since: float) -> bool:
        """Return whether the blob is here, and was written or looked up since."""
        try:
            return self.blob_path(digest).stat().st_mtime >= since
        except FileNotFoundError:
            return False

    def tags(self) -> dict[str, Descriptor]:
        """Return every name and what it means."""
        return {_name(e): Descriptor.model_validate(e) for e in self._entries() if _name(e)}

    def find(self, name: str) -> Descriptor | None:
        """Return what a name means, or None."""
        return self.tags().get(name)

    def whole(self, descriptor: Descriptor) -> bool:
        """Return whether an image is here with all its blobs, and keep them from the next cleaning."""
        return self.has(descriptor.digest) and all(self.has(d) for d in self._reachable([descriptor]))

    def collect(
        self, *, dry_run: bool = True, keep: Iterable[str] = (), grace_seconds: float = GRACE_SECONDS
    ) -> dict[str, int]:
        """Delete blobs that no named image needs and nobody touched recently; return their digests and bytes.

        `keep` names more manifests to hold (older images, addressable by digest only). With `dry_run`,
        nothing is deleted. The grace protects the blobs of builds under way.
        """
        before = time.time() - grace_seconds
        kept = [Descriptor(media_type="", digest=digest, size=0) for digest in keep]
        # With very many images this takes seconds, in which builds go on giving names.
        needed = self._reachable([*self._named(), *kept])
        unused = {}
        for path in sorted(self._blobs.iterdir()):
            with suppress(FileNotFoundError):  # somebody else cleans too
                status = path.stat()
                if f"sha256:{path.name}" not in needed and status.st_mtime < before:
                    unused[f"sha256:{path.name}"] = status.st_size
        if dry_run:
            return unused
        with self._locked():
            # A process that names an image first touches all its blobs, or named it before this.
            needed = self._reachable([item for item in self._named() if item.digest not in needed])
            for digest in list(unused):
                if digest in needed or self.touched(digest, since=before):
                    del unused[digest]
                else:
                    self.blob_path(digest).unlink(missing_ok=True)
        for path in self._ingest.iterdir():
            with suppress(FileNotFoundError):  # it was put in its place meanwhile
                if path.stat().st_mtime < before:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        return unused

    def _reachable(self, roots: Iterable[Descriptor]) -> set[str]:
        reachable: set[str] = set()
        waiting = list(roots)
        while waiting:
            at = waiting.pop()
            if at.digest in reachable:
                continue
            reachable.add(at.digest)
            # Only manifests and indexes point further. A root known by its digest alone has no type.
            if not at.media_type or at.media_type in MANIFESTS + INDEXES:
                waiting.extend(descriptors_of(self._document(at.digest)))
        return reachable

    def _named(self) -> list[Descriptor]:
        return [Descriptor.model_validate(entry) for entry in self._entries()]

    def _document(self, digest: str) -> Any:
        try:
            return json.loads(self.read(digest))
        except (FileNotFoundError, ValueError):
            return None

    def _entries(self) -> list[dict[str, Any]]:
        index = json.loads((self.path / "index.json").read_bytes())
        entries: list[dict[str, Any]] = index["manifests"]
        return entries

    def _replace(self, name: str, document: dict[str, Any]) -> None:
        temporary = self._ingest / secrets.token_hex(16)
        with disk_errors():
            with temporary.open("w") as file:
                file.write(json.dumps(document))  # json.dump is Python's own, and much slower
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.path / "index.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _name(entry: dict[str, Any]) -> str:
    return str((entry.get("annotations") or {}).get(REF_NAME, ""))


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn a full disk into an `ImageError` that says so."""
    try:
        yield
    except OSError as error:
        _say_full(error)
        raise


def _say_full(error: OSError) -> None:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise ImageError(
            "disk-full",
            "The studio's disk is full: the image could not be written.",
            "Clean up unused images, or give the studio more room, and build again.",
            fault="studio",
        ) from error
