"""Wheels for packages that come as source alone: built in a container of the base, once, then kept.

Whatever a source distribution runs, it runs there: without privileges, as nobody, and with nothing of the
studio's but the sources, pip, and the certificates that the machine trusts. What the workspace's own indexes
want to know lies in a file of that container, and goes with it.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import tarfile
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from django.conf import settings
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builds.engine.connection import Engine
from builds.engine.exchange import PIECE, EngineRefused
from builds.engine.running import Container, container
from builds.engine.surroundings import NOBODY, PLACE, Surroundings
from builds.engine.unbuilt import not_a_wheel, refused, unbuilt, unreachable
from builds.images.base import Base
from builds.images.fetch import Fetched, fetch
from builds.images.lock import Lock
from builds.images.pylock import target_tags
from builds.images.report import Reporter
from builds.images.resolve import resolve
from builds.images.sdist import checked_need, needs_of
from builds.images.segment import WheelFile
from builds.images.sources import needs_when_built, remember_needs
from builds.images.store import disk_errors
from builds.images.wheel import MOST_BYTES, Wheel
from builds.images.workshop import Workshop

_FORMAT = "wheel-1"
_KNOWN = "built-wheels"


@dataclass(frozen=True)
class Built:
    """The lock's files with a wheel for every source distribution.

    `surprises` are packages whose wheel needs something else than its source said.
    """

    fetched: Fetched
    surprises: tuple[str, ...]
    cached: bool


def build_wheels(
    base: Base,
    lock: Lock,
    fetched: Fetched,
    workshop: Workshop,
    reporter: Reporter,
    *,
    docker_host: str | None = None,
    lines: Sequence[str] = (),
) -> Built:
    """Return the files with a wheel for each source distribution: built before, else built now.

    The same source on the same base is built once; then no engine is asked. What builds it comes from the
    indexes that the requirement `lines` name, else from the studio's. Raises ImageError.
    """
    around = Surroundings(lines, workshop)
    wheels: dict[WheelFile, WheelFile | None] = {
        sdist: _known(sdist, base, around, workshop) for sdist in fetched.sdists
    }
    missing = [sdist for sdist, wheel in wheels.items() if wheel is None]
    surprises = []
    if missing:
        with ExitStack() as stack:
            engine = _reached(docker_host or settings.DOCKER_HOST, missing, stack)
            engine.remove_left_over()
            pip = _pip(base, workshop, reporter)
            image = engine.give(base, workshop.store, reporter)
            for number, sdist in enumerate(missing):
                reporter.progress(number, len(missing), "packages")
                wheel = wheels[sdist] = _built(sdist, pip, image, base, around, engine, workshop, reporter)
                if _surprising(sdist, wheel, base, workshop):
                    surprises.append(sdist.name)
    for sdist in [one for one in wheels if one not in missing]:
        reporter.line(f"{sdist.path.name}: the wheel that was built before is used again")
    made = [wheel for wheel in wheels.values() if wheel is not None]
    everything = tuple(sorted((*fetched.wheels, *made), key=lambda file: file.name))
    return Built(replace(fetched, wheels=everything), tuple(surprises), cached=not missing)


def _key(sdist: WheelFile, base: Base, around: Surroundings) -> str:
    # Other indexes may give other things to build it with.
    return json.dumps([_FORMAT, sdist.sha256, base.digest, base.probe.version, *around.mark])


def _known(sdist: WheelFile, base: Base, around: Surroundings, workshop: Workshop) -> WheelFile | None:
    """Return the wheel that was built of this source on this base before, if it is still here."""
    found = workshop.recall(_KNOWN, _key(sdist, base, around))
    if found is None:
        return None
    path = _kept_at(workshop, found["sha256"], found["filename"])
    if not workshop.used(path):
        return None
    return WheelFile(sdist.name, sdist.version, path, found["sha256"], path.stat().st_size)


def _kept_at(workshop: Workshop, sha256: str, filename: str) -> Path:
    return workshop.cache / "files" / sha256[:2] / sha256 / filename


def _reached(host: str, missing: Sequence[WheelFile], stack: ExitStack) -> Engine:
    with unreachable(host, missing):
        return stack.enter_context(Engine.at(host))


def _pip(base: Base, workshop: Workshop, reporter: Reporter) -> WheelFile:
    """Return pip for the base's Python, as a wheel: it runs from there, whether the base has one or not."""
    reporter.line("pip builds the wheels:")
    return fetch(resolve(base, ["pip"], workshop, reporter), workshop, reporter).wheels[0]


def _built(
    sdist: WheelFile,
    pip: WheelFile,
    image: str,
    base: Base,
    around: Surroundings,
    engine: Engine,
    workshop: Workshop,
    reporter: Reporter,
) -> WheelFile:
    """Build one wheel, keep it, and leave nothing of it in the engine."""
    reporter.line(f"Building a wheel from {sdist.path.name} in a container of {base.reference}")
    began = time.monotonic()
    words = ["wheel", "--verbose", "--no-deps", "--wheel-dir", f"/{PLACE}/out"]
    try:
        with container(
            engine,
            image,
            [base.probe.python],
            [f"/{PLACE}/{pip.path.name}/pip", *words, f"/{PLACE}/{sdist.path.name}"],
            label=base.digest,
            user=f"{NOBODY}:{NOBODY}",
            folder=f"/{PLACE}/home",
            variables=around.variables(),
        ) as running:
            running.put(around.given(sdist, pip), reporter)
            code = running.run(reporter)
            if code:
                raise unbuilt(sdist, base, code, running.output)
            wheel = _taken(sdist, running, base, around, workshop, reporter)
    except EngineRefused as error:
        raise refused(sdist, base, error) from error
    reporter.line(f"Built {wheel.path.name} in {time.monotonic() - began:.1f} s")
    return wheel


def _taken(
    sdist: WheelFile,
    running: Container,
    base: Base,
    around: Surroundings,
    workshop: Workshop,
    reporter: Reporter,
) -> WheelFile:
    """Take the wheel out of the container into the cache, if it is one and fits."""
    with disk_errors(), tempfile.TemporaryFile(dir=workshop.folder("engine")) as spool:
        for piece in running.archive(f"/{PLACE}/out", reporter):
            spool.write(piece)
            if spool.tell() > MOST_BYTES:
                raise not_a_wheel(sdist, "what it made is larger than any package")
        spool.seek(0)
        return _kept(sdist, spool, base, around, workshop)


def _kept(
    sdist: WheelFile, spool: BinaryIO, base: Base, around: Surroundings, workshop: Workshop
) -> WheelFile:
    with tarfile.open(fileobj=spool) as archive:
        found = [entry for entry in archive if entry.isreg() and entry.name.endswith(".whl")]
        if len(found) != 1:
            raise not_a_wheel(sdist, f"{len(found)} wheels came of it, not one")
        filename = Path(found[0].name).name
        _check_fits(sdist, filename, base)
        content = cast(io.BufferedReader, archive.extractfile(found[0]))
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        place = _kept_at(workshop, digest, filename)
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{secrets.token_hex(8)}")
        try:
            content.seek(0)
            with temporary.open("wb") as file:
                while piece := content.read(PIECE):
                    file.write(piece)
            temporary.replace(place)
        finally:
            temporary.unlink(missing_ok=True)
    workshop.remember(_KNOWN, _key(sdist, base, around), {"sha256": digest, "filename": filename})
    return WheelFile(sdist.name, sdist.version, place, digest, place.stat().st_size)


def _check_fits(sdist: WheelFile, filename: str, base: Base) -> None:
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise not_a_wheel(sdist, f"what it made is no wheel ({error})") from error
    if (canonicalize_name(name), str(version)) != (sdist.name, sdist.version):
        raise not_a_wheel(sdist, f"it made a wheel of another package or version, {filename}")
    if not tags & set(target_tags(base.probe)):
        raise not_a_wheel(sdist, f"it made a wheel that does not run on the base, {filename}")


def _surprising(sdist: WheelFile, wheel: WheelFile, base: Base, workshop: Workshop) -> bool:
    """Remember what the wheel needs; return whether its source, or a wheel before, said otherwise."""
    with Wheel(wheel.path, wheel.name, base.probe.minor) as opened:
        told = opened.metadata().get_all("Requires-Dist") or []
    needs = sorted(checked_need(wheel, str(need)) for need in told)
    before = needs_when_built(sdist.sha256, base.probe, workshop)
    remember_needs(sdist.sha256, base.probe, workshop, needs)
    return needs != sorted(needs_of(sdist) if before is None else before)
