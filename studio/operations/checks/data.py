"""Checks of the database, the workers, the image store, and the disk."""

import hashlib
import json
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import DateTimeField as Time
from django.db.models import ExpressionWrapper
from django.db.models.functions import Now

from builds.imaging.oci.manifest import MANIFESTS, descriptors_of
from builds.models import Build, BuildState, Image
from studio.migration_history import other_version
from studio.models import CounterCursor
from studio.operations import workers
from studio.operations.finding import Finding, ok, warning, wrong
from studio.operations.readiness import first_line, pending_migrations, store_problem

SAMPLE_IMAGES = 20
SAMPLE_BYTES = 200 * 10**6
FULL_BYTES, NEARLY_FULL_BYTES = 10**9, 5 * 10**9
NEARLY_FULL = 0.05
CLOCK_SECONDS, CLOCK_WRONG_SECONDS = 2.0, 60.0
PIECE = 1 << 20


def database() -> Iterator[Finding]:
    """Check that it answers, is up to date and set up correctly."""
    try:
        other = other_version()
        behind = pending_migrations()
        version = _version()
    except DatabaseError as error:
        connection.close()
        yield wrong(
            "database",
            f"It does not answer: {first_line(error)}",
            "Start it, or correct DATABASE_URL. Running builds wait for it for some seconds, then start again.",
        )
        return
    if other is not None:
        yield wrong("database", *other)
        return
    if behind:
        yield wrong(
            "database",
            f"{len(behind)} migrations are missing, the first is {behind[0]}.",
            "Run  python manage.py prepare",
        )
        return
    yield version


def _version() -> Finding:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA journal_mode")
            mode = str(cursor.fetchone()[0])
            if mode != "wal":
                return warning(
                    "database",
                    f"SQLite's journal is {mode}, not wal: readers and writers wait for one another.",
                    "Keep STUDIO_VAR on a local disk; network file systems cannot do it.",
                )
            return ok("database", "SQLite answers, with a write-ahead log, and is up to date.")
        cursor.execute("SHOW server_version")
        return ok("database", f"PostgreSQL {str(cursor.fetchone()[0]).split()[0]} answers and is up to date.")


def clock() -> Iterator[Finding]:
    """Check that this machine and the database agree on the time."""
    before = time.time()
    try:
        mark = CounterCursor.objects.annotate(now=ExpressionWrapper(Now(), output_field=Time())).first()
    except DatabaseError:
        connection.close()
        return  # reported already
    if mark is None:
        return
    seconds = abs(mark.now.timestamp() - (before + time.time()) / 2)
    if seconds > CLOCK_SECONDS:
        tell = wrong if seconds > CLOCK_WRONG_SECONDS else warning
        yield tell(
            "clock",
            f"This machine's clock and the database's are {seconds:.0f} seconds apart.",
            "Let both follow a time server: sign-in links, tokens and durations go by the clock.",
        )
    else:
        yield ok("clock", "This machine and the database agree on the time.")


def workers_() -> Iterator[Finding]:
    """Check that workers have reported recently, and that no build waits in vain."""
    try:
        there = list(workers.alive().values_list("name", "concurrency"))
        waiting = Build.objects.filter(state=BuildState.QUEUED).count()
    except DatabaseError:
        connection.close()
        return  # reported already
    if there:
        hands = sum(n for _, n in there)
        yield ok("workers", f"{len(there)} there, which make {hands} builds side by side; {waiting} wait.")
        return
    tell = wrong if waiting else warning
    yield tell(
        "workers",
        f"None was heard of in the last {settings.LOST_AFTER_SECONDS:.0f} seconds; {waiting} builds wait.",
        "Start one; docs/running.md has the command. If one runs, its log says what keeps it from the database.",
    )


def disk() -> Iterator[Finding]:
    """Check the free space for images and downloads."""
    folder = settings.VAR if settings.VAR.is_dir() else settings.VAR.parent
    usage = shutil.disk_usage(folder)
    left = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB are free under {settings.VAR}."
    help = f"Free space: {settings.CACHE} may go at any time; then unused images."
    if usage.free < FULL_BYTES:
        yield wrong("disk", left, help)
    elif usage.free < max(NEARLY_FULL_BYTES, NEARLY_FULL * usage.total):
        yield warning("disk", left, help)
    else:
        yield ok("disk", left)


def store(*, deep: bool) -> Iterator[Finding]:
    """Check that images can be stored, and that stored images are complete."""
    problem = store_problem()
    if problem:
        yield wrong("store", problem, f"Give {settings.VAR} to the user that the studio runs as.")
        return
    if not settings.STORE.exists():
        yield ok("store", "The first build creates it.")
        return
    try:
        json.loads((settings.STORE / "index.json").read_bytes())["manifests"]
    except (OSError, ValueError, KeyError) as error:
        yield wrong(
            "store",
            f"Its index.json cannot be read: {first_line(error)}",
            "Bring it back from a backup, together with the database.",
        )
        return
    yield from _images(deep=deep)


def _images(*, deep: bool) -> Iterator[Finding]:
    try:
        kept = Image.objects.filter(current=True).order_by("-built_at")
        chosen = list(kept if deep else kept[:SAMPLE_IMAGES])
    except DatabaseError:
        connection.close()
        return  # reported already
    blobs: dict[str, int] = {}
    for image in chosen:
        blobs[image.digest] = -1
        waiting = [image.digest]
        while waiting:
            try:
                descriptors = descriptors_of(json.loads(_blob(waiting.pop()).read_bytes()))
            except (OSError, ValueError):
                continue  # the manifest itself is found missing or damaged below
            blobs |= {descriptor.digest: descriptor.size for descriptor in descriptors}
            waiting += [descriptor.digest for descriptor in descriptors if descriptor.media_type in MANIFESTS]
    bad = {digest: problem for digest, size in blobs.items() if (problem := _size_problem(digest, size))}
    sound = [digest for digest in blobs if digest not in bad]
    random.shuffle(sound)
    read = 0
    looked = 0
    for digest in sound:
        path = _blob(digest)
        if not deep and read + path.stat().st_size > SAMPLE_BYTES:
            continue
        read += path.stat().st_size
        looked += 1
        if _sha256(path) != digest:
            bad[digest] = "holds other bytes than its name says"
    if bad:
        digest, what = next(iter(bad.items()))
        yield wrong(
            "store",
            f"{len(bad)} of {len(blobs)} blobs are not whole; {digest} {what}.",
            "Bring blobs/ back from a backup (blobs never change), or remove the damaged ones and rebuild what uses "
            "them.",
        )
    else:
        more = "" if deep else "; --deep reads all"
        yield ok(
            "store", f"{len(chosen)} images with {len(blobs)} blobs are there, {looked} read and whole{more}."
        )


def _blob(digest: str) -> Path:
    return Path(settings.STORE) / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _size_problem(digest: str, size: int) -> str:
    try:
        actual = _blob(digest).stat().st_size
    except OSError:
        return "is missing"
    return "" if size in (-1, actual) else f"has {actual} bytes instead of {size}"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"
