"""Fetch the files of a lock: in parallel, verified, into a cache that all builds share."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from builds.imaging import egress
from builds.imaging.access_errors import refused
from builds.imaging.answers import following_redirects
from builds.imaging.channels import mirrored
from builds.imaging.files import WheelFile
from builds.imaging.interruptible import completed_batches
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.names import shown, why_unusable
from builds.imaging.oci.store import disk_errors
from builds.imaging.packing.archive import MOST_BYTES
from builds.imaging.packing.pipeline import Ahead, packing_ahead
from builds.imaging.reporting import Cancelled, ImageError, Reporter
from builds.imaging.workshop import Workshop

PARALLEL = 8
ATTEMPTS = 5
# Fewer are fetched and packed sooner than processes for it are started.
EARLY_BYTES = 8 * 1024**2
_CHECK_SECONDS = 0.2
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_TIMEOUT = httpx.Timeout(20.0, pool=None)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The files of a lock's packages, on this disk. `received` is what came over the network."""

    wheels: tuple[WheelFile, ...]
    received: int
    conda: tuple[WheelFile, ...] = ()
    sdists: tuple[WheelFile, ...] = ()

    @property
    def cached(self) -> bool:
        """Return whether nothing had to be fetched."""
        return self.received == 0


def measured(lock: Lock, fetched: Fetched) -> Lock:
    """Return the lock with the size of every file in bytes: indexes need not tell it, the files do."""
    sizes = {file.sha256: file.size for file in (*fetched.wheels, *fetched.conda, *fetched.sdists)}
    packages = (
        package.model_copy(update={"size": sizes.get(package.sha256, package.size)})
        for package in lock.packages
    )
    return lock.model_copy(update={"packages": tuple(packages)})


def fetch(lock: Lock, workshop: Workshop, reporter: Reporter) -> Fetched:
    """Return the files of the lock's packages; those that are not here yet are fetched and verified."""
    conda, received = fetch_conda(lock, workshop, reporter)
    wheels, more = _files(
        [p for p in lock.packages if p.kind == "wheel"], workshop, reporter, lock.python, lock.requested
    )
    sdists, still_more = fetch_sdists(lock.packages, workshop, reporter)
    return Fetched(wheels, received + more + still_more, conda, sdists)


def fetch_together(locks: Sequence[Lock], workshop: Workshop, reporter: Reporter) -> list[Fetched]:
    """Return the files of each of several locks; what more than one of them has is fetched once."""
    first, *others = locks
    if not others or any(lock.python != first.python for lock in others):
        return [fetch(lock, workshop, reporter) for lock in locks]
    packages = {package.sha256: package for lock in locks for package in lock.packages}
    together = fetch(first.model_copy(update={"packages": tuple(packages.values())}), workshop, reporter)
    return [_part(together, {package.sha256 for package in lock.packages}) for lock in locks]


def _part(fetched: Fetched, wanted: Collection[str]) -> Fetched:
    """Return those of the files with these digests."""
    wheels, conda, sdists = (
        tuple(file for file in files if file.sha256 in wanted)
        for files in (fetched.wheels, fetched.conda, fetched.sdists)
    )
    return Fetched(wheels, fetched.received, conda, sdists)


def fetch_sdists(
    packages: Sequence[LockedPackage], workshop: Workshop, reporter: Reporter
) -> tuple[tuple[WheelFile, ...], int]:
    """Return the source distributions among these packages, and how many bytes were received for it."""
    return _files([p for p in packages if p.kind == "sdist"], workshop, reporter)


def fetch_conda(lock: Lock, workshop: Workshop, reporter: Reporter) -> tuple[tuple[WheelFile, ...], int]:
    """Return the files of the lock's conda packages, and how many bytes were received for it."""
    packages = [
        package.model_copy(update={"url": mirrored(package.url, workshop.channel_mirrors)})
        for package in lock.packages
        if package.kind == "conda"
    ]
    return _files(packages, workshop, reporter)


def _files(
    packages: Sequence[LockedPackage],
    workshop: Workshop,
    reporter: Reporter,
    python: str = "",
    requested: frozenset[str] = frozenset(),
) -> tuple[tuple[WheelFile, ...], int]:
    """Return the packages' files; for a `python` they are packed while others still arrive."""
    missing = [package for package in packages if not _is_here(package, workshop)]
    early = {package.sha256: package.size for package in packages if package.sha256 in workshop.early}
    workshop.early.difference_update(early)
    received = sum(early.values())
    if missing:
        folders = [_cache_path(package, workshop).parent.absolute() for package in missing]
        with disk_errors(), packing_ahead(python, requested, folders, workshop, reporter) as ahead:
            received += _Downloads(missing, workshop, reporter, ahead).run()
    files = [_file(package, workshop) for package in packages]
    size = sum(file.size for file in files)
    if packages:
        reporter.line(
            f"{len(packages)} files, {size / 1e6:.1f} MB:"
            f" {len(packages) - len(missing) - len(early)} here already,"
            f" {len(missing) + len(early)} fetched ({received / 1e6:.1f} MB)"
        )
    return tuple(files), received


def fetch_early(
    packages: Sequence[LockedPackage],
    workshop: Workshop,
    reporter: Reporter,
    python: str,
    chosen: threading.Event,
) -> None:
    """Fetch wheels that are not here, and pack them until the other packages are `chosen`, if that is worth it."""
    missing = [package for package in packages if not _is_here(package, workshop)]
    if sum(package.size for package in missing) < EARLY_BYTES:
        return
    folders = [_cache_path(package, workshop).parent.absolute() for package in missing]
    names = frozenset(package.name for package in missing)
    with disk_errors(), packing_ahead(python, names, folders, workshop, reporter, fewest=1) as ahead:
        _Downloads(missing, workshop, reporter, ahead).run()
        workshop.early.update(package.sha256 for package in missing)
        while not chosen.wait(_CHECK_SECONDS):
            reporter.check()


def _is_here(package: LockedPackage, workshop: Workshop) -> bool:
    """Return whether the file is in the cache, and not as something that only another workspace may have."""
    return workshop.used(_cache_path(package, workshop)) and workshop.has_received(package.sha256)


def _file(package: LockedPackage, workshop: Workshop) -> WheelFile:
    path = _cache_path(package, workshop)
    return WheelFile(package.name, package.version, path, package.sha256, path.stat().st_size)


def _cache_path(package: LockedPackage, workshop: Workshop) -> Path:
    if "/" in package.filename or why_unusable(package.filename):
        raise ImageError(
            "bad-package",
            f"{_host(package.url)} names a file “{shown(package.filename)}”, which no disk can hold.",
            "Pin another version of the package, or tell its maintainers.",
            fault="outside",
        )
    return workshop.cache / "files" / package.sha256[:2] / package.sha256 / package.filename


class _Downloads:
    """Some files on their way, and how far they are."""

    def __init__(
        self,
        packages: Sequence[LockedPackage],
        workshop: Workshop,
        reporter: Reporter,
        ahead: Ahead | None = None,
    ) -> None:
        self._packages = sorted(packages, key=lambda p: -p.size)
        self._workshop = workshop
        self._reporter = reporter
        self._ahead = ahead
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._sizes = {p.sha256: p.size for p in packages}
        self._private: set[str] = set()  # files for which the workspace's credentials were sent
        self._done = 0
        self._client = egress.client(workshop.reach, timeout=_TIMEOUT)

    def run(self) -> int:
        """Fetch them all; return the bytes received. Says how far it is, and stops within a second."""
        pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="fetch")
        try:
            futures: dict[Future[None], LockedPackage] = {
                pool.submit(self._fetch, package): package for package in self._packages
            }
            for completed in completed_batches(futures, self._reporter):
                for future in completed:
                    package = futures.pop(future)
                    future.result()
                    if self._ahead is not None:
                        self._ahead.arrived(_file(package, self._workshop))
                self._tell(len(self._packages) - len(futures))
        finally:
            # A thread that waits for the network is not waited for: it finds out by itself.
            self._stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()
        return self._done

    def _tell(self, ended: int) -> None:
        with self._lock:
            done, sizes = self._done, list(self._sizes.values())
        if all(sizes):
            self._reporter.progress(done, sum(sizes), "bytes")
        else:
            # An index need not tell sizes: those of files not begun are unknown.
            self._reporter.progress(ended, len(self._packages), "packages")

    def _fetch(self, package: LockedPackage) -> None:
        path = _cache_path(package, self._workshop)
        with disk_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{secrets.token_hex(8)}")
            try:
                with temporary.open("w+b") as file:
                    result = self._receive(package, file)
                if result != package.sha256:
                    raise ImageError(
                        "digest-mismatch",
                        f"{package.filename} is not the file that was locked: its sha256 is {result},"
                        f" not {package.sha256}.",
                        "Build again. If it happens again, something on the way changes files.",
                        fault="outside",
                    )
                temporary.replace(path)
                self._workshop.record_received(package.sha256, private=package.sha256 in self._private)
            finally:
                temporary.unlink(missing_ok=True)

    def _receive(self, package: LockedPackage, file: BufferedRandom) -> str:
        """Write the file's bytes, going on where a broken connection left off; return their sha256."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._once(package, file)
                break
            except (httpx.TransportError, httpx.TooManyRedirects, httpx.InvalidURL, _Again) as error:
                if attempt == ATTEMPTS:
                    raise ImageError(
                        "channel-unreachable" if package.kind == "conda" else "index-unreachable",
                        f"{package.filename} could not be fetched from {_host(package.url)}: {error}.",
                        "Check that it can be reached, and build again.",
                        fault="outside",
                    ) from error
                if self._stop.wait(0.25 * 2**attempt):
                    raise Cancelled from None
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()

    def _once(self, package: LockedPackage, file: BufferedRandom) -> None:
        if package.url.startswith("file://"):
            self._copy(package, file)
            return
        start = file.tell()
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        kind = "channel" if package.kind == "conda" else "index"
        with following_redirects(self._client, kind, package.url, self._workshop, headers) as (
            response,
            private,
        ):
            if private:
                self._private.add(package.sha256)
            if response.status_code in _AGAIN:
                raise _Again(f"it answered {response.status_code}")
            if response.status_code >= 400:
                raise _refused(package, str(response.url), response.status_code)
            if start and response.status_code != 206:
                self._count(-start)
                file.seek(start := 0)
                file.truncate()
            whole = start + int(response.headers.get("content-length") or 0)
            with self._lock:
                self._sizes[package.sha256] = whole or self._sizes[package.sha256]
            for chunk in response.iter_raw(1 << 18):
                if self._stop.is_set():
                    raise Cancelled
                if file.tell() + len(chunk) > (package.size or MOST_BYTES):
                    raise _too_long(package)
                self._write(file, chunk)

    def _copy(self, package: LockedPackage, file: BufferedRandom) -> None:
        """Take the file from a channel that is a folder of this machine, where there may be one."""
        path = _folder(package.url)
        mirrors = (mirror for mirror in self._workshop.channel_mirrors.values() if mirror.startswith("file:"))
        allowed = self._workshop.file_channels or any(
            path.is_relative_to(_folder(mirror)) for mirror in mirrors
        )
        if package.kind != "conda" or not allowed:
            raise egress.a_file_here(package.url)
        if not path.is_file():
            raise _refused(package, package.url, 404)
        with path.open("rb") as source:
            while chunk := source.read(1 << 20):
                if self._stop.is_set():
                    raise Cancelled
                self._write(file, chunk)

    def _write(self, file: BufferedRandom, chunk: bytes) -> None:
        self._workshop.reserve_disk(len(chunk))
        file.write(chunk)
        self._count(len(chunk))

    def _count(self, received: int) -> None:
        with self._lock:
            self._done += received


def _too_long(package: LockedPackage) -> ImageError:
    return ImageError(
        "digest-mismatch",
        f"{_host(package.url)} sends more than the {package.size or MOST_BYTES:,} bytes of {package.filename}.",
        "Build again. If it happens again, tell the people who run that server.",
        fault="outside",
    )


class _Again(Exception):
    """The server asks to be asked again."""


def _folder(url: str) -> Path:
    return Path(os.path.normpath(unquote(urlsplit(url).path)))


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the index"


def _refused(package: LockedPackage, url: str, status: int) -> ImageError:
    if status in (401, 403):
        return refused("channel" if package.kind == "conda" else "index", url, package.filename, status)
    return ImageError(
        "package-gone",
        f"{_host(url)} no longer has {package.filename} ({status}).",
        "Pin another version of the package.",
        fault="outside",
    )
