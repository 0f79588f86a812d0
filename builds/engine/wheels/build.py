"""Wheels for packages that come as source alone: built in a container of the base, once, then kept.

Code of source distributions runs only there: without privileges, as nobody, and with nothing of the
studio's but the sources, pip, and the certificates that the machine trusts. Logins for the workspace's own
indexes are in a file of that container, and are deleted with it.
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
from builds.engine.gateway.network import Network, network_of
from builds.engine.running import Container, container
from builds.engine.wheels.build_environment import FOLDER, NOBODY, BuildEnvironment
from builds.engine.wheels.wheel_errors import not_a_wheel, refused, unbuilt, unreachable
from builds.imaging.bases.model import Base
from builds.imaging.cutoffs.limits import NO_LIMITS, Limits
from builds.imaging.download.fetch import Fetched, fetch
from builds.imaging.files import WheelFile
from builds.imaging.lock import Lock
from builds.imaging.oci.store import disk_errors
from builds.imaging.packing.archive import MOST_BYTES
from builds.imaging.pip.available import wheels_of
from builds.imaging.pip.declared.reading import needs_of_sdists, read_wheels
from builds.imaging.pip.declared.sdist import checked_need
from builds.imaging.pip.pylock import target_tags
from builds.imaging.pip.resolve import resolve
from builds.imaging.pip.sources import needs_when_built, remember_needs
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

_FORMAT = "wheel-1"
_KNOWN = "built-wheels"


@dataclass(frozen=True)
class Built:
    """The lock's files with a wheel for every source distribution.

    `surprises` are packages whose wheel needs something else than its source declares.
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
    limits: Limits = NO_LIMITS,
) -> Built:
    """Return the files with a wheel for each source distribution: built before, else built now.

    The same source on the same base is built once; then no engine is asked. What builds it comes from the
    indexes that the requirement `lines` name, else from the studio's, and was uploaded early enough for `limits`.
    Raises ImageError.
    """
    around = BuildEnvironment(lines, workshop, limits)
    wheels: dict[WheelFile, WheelFile | None] = {
        sdist: _known(sdist, base, around, workshop) for sdist in fetched.sdists
    }
    missing = [sdist for sdist, wheel in wheels.items() if wheel is None]
    surprises = []
    if missing:
        with ExitStack() as stack:
            engine = _reached(docker_host or settings.DOCKER_HOST, missing, base, around, reporter, stack)
            engine.remove_left_over()
            pip = _pip(base, workshop, reporter)
            image = engine.give(base, workshop.store, reporter)
            network = stack.enter_context(network_of(engine, workshop, reporter, urls=around.urls))
            for number, sdist in enumerate(missing):
                reporter.progress(number, len(missing), "packages")
                wheel = wheels[sdist] = _built(sdist, pip, image, base, around, engine, network, workshop)
                if _surprising(sdist, wheel, base, workshop, reporter):
                    surprises.append(sdist.name)
    for sdist in [wheel for wheel in wheels if wheel not in missing]:
        reporter.line(f"{sdist.path.name}: the wheel that was built before is used again")
    made = [wheel for wheel in wheels.values() if wheel is not None]
    everything = tuple(sorted((*fetched.wheels, *made), key=lambda file: file.name))
    return Built(replace(fetched, wheels=everything), tuple(surprises), cached=not missing)


def engine_answers(docker_host: str | None = None) -> bool:
    """Return whether a Docker Engine is there that can build wheels."""
    try:
        with Engine.at(docker_host or settings.DOCKER_HOST):
            return True
    except ImageError:
        return False


def _key(sdist: WheelFile, base: Base, around: BuildEnvironment) -> str:
    # Other indexes may give other things to build it with.
    given = around.settings(sdist.name)
    return json.dumps([_FORMAT, sdist.sha256, base.digest, base.probe.version, *around.mark, *given])


def _known(sdist: WheelFile, base: Base, around: BuildEnvironment, workshop: Workshop) -> WheelFile | None:
    """Return the wheel that was built of this source on this base before, if it is still here."""
    result = workshop.recall(_KNOWN, _key(sdist, base, around))
    if result is None:
        return None
    path = _kept_at(workshop, result["sha256"], result["filename"])
    if not workshop.used(path):
        return None
    return WheelFile(sdist.name, sdist.version, path, result["sha256"], path.stat().st_size)


def _kept_at(workshop: Workshop, sha256: str, filename: str) -> Path:
    return workshop.cache / "files" / sha256[:2] / sha256 / filename


def _reached(
    host: str,
    missing: Sequence[WheelFile],
    base: Base,
    around: BuildEnvironment,
    reporter: Reporter,
    stack: ExitStack,
) -> Engine:
    with unreachable(host, missing, lambda sdist: _wheels(sdist, base, around, reporter)):
        return stack.enter_context(Engine.at(host))


def _wheels(sdist: WheelFile, base: Base, around: BuildEnvironment, reporter: Reporter) -> tuple[str, str]:
    """Return what wheels there are of a source's version, and what can be done instead of building it."""
    return wheels_of(sdist.name, sdist.version, around.listed(sdist.name, reporter), base.probe)


def _pip(base: Base, workshop: Workshop, reporter: Reporter) -> WheelFile:
    """Return pip for the base's Python, as a wheel: it runs from there, whether the base has one or not."""
    reporter.line("pip builds the wheels:")
    return fetch(resolve(base, ["pip"], workshop, reporter), workshop, reporter).wheels[0]


def _built(
    sdist: WheelFile,
    pip: WheelFile,
    image: str,
    base: Base,
    around: BuildEnvironment,
    engine: Engine,
    network: Network,
    workshop: Workshop,
) -> WheelFile:
    """Build one wheel, keep it, and leave nothing of it in the engine."""
    reporter = network.reporter
    reporter.line(f"Building a wheel from {sdist.path.name} in a container of {base.reference}")
    began = time.monotonic()
    arguments = [
        "wheel",
        "--verbose",
        "--no-deps",
        *around.settings(sdist.name),
        "--wheel-dir",
        f"/{FOLDER}/out",
    ]
    try:
        with container(
            engine,
            image,
            [base.probe.python],
            [f"/{FOLDER}/{pip.path.name}/pip", *arguments, f"/{FOLDER}/{sdist.path.name}"],
            label=base.digest,
            user=f"{NOBODY}:{NOBODY}",
            folder=f"/{FOLDER}/home",
            variables={**around.variables(), **network.variables},
            network=network.mode,
        ) as running:
            running.put(around.given(sdist, pip), reporter)
            code = running.run(reporter)
            if code:
                raise unbuilt(sdist, base, code, running.output, _wheels(sdist, base, around, reporter))
            wheel = _taken(sdist, running, base, around, workshop, reporter)
    except EngineRefused as error:
        raise refused(sdist, base, error) from error
    reporter.line(f"Built {wheel.path.name} in {time.monotonic() - began:.1f} s")
    return wheel


def _taken(
    sdist: WheelFile,
    running: Container,
    base: Base,
    around: BuildEnvironment,
    workshop: Workshop,
    reporter: Reporter,
) -> WheelFile:
    """Take the wheel out of the container into the cache, if it is one and fits."""
    with disk_errors(), tempfile.TemporaryFile(dir=workshop.folder("engine")) as spool:
        for piece in running.archive(f"/{FOLDER}/out", reporter):
            spool.write(piece)
            if spool.tell() > MOST_BYTES:
                raise not_a_wheel(sdist, "what it made is larger than any package")
        spool.seek(0)
        return _kept(sdist, spool, base, around, workshop)


def _kept(
    sdist: WheelFile, spool: BinaryIO, base: Base, around: BuildEnvironment, workshop: Workshop
) -> WheelFile:
    with tarfile.open(fileobj=spool) as archive:
        result = [entry for entry in archive if entry.isreg() and entry.name.endswith(".whl")]
        if len(result) != 1:
            raise not_a_wheel(sdist, f"{len(result)} wheels came of it, not one")
        filename = Path(result[0].name).name
        _check_fits(sdist, filename, base)
        content = cast(io.BufferedReader, archive.extractfile(result[0]))
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        path = _kept_at(workshop, digest, filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{secrets.token_hex(8)}")
        try:
            content.seek(0)
            with temporary.open("wb") as file:
                while piece := content.read(PIECE):
                    file.write(piece)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    workshop.remember(_KNOWN, _key(sdist, base, around), {"sha256": digest, "filename": filename})
    return WheelFile(sdist.name, sdist.version, path, digest, path.stat().st_size)


def _check_fits(sdist: WheelFile, filename: str, base: Base) -> None:
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise not_a_wheel(sdist, f"what it made is no wheel ({error})") from error
    if (canonicalize_name(name), str(version)) != (sdist.name, sdist.version):
        raise not_a_wheel(sdist, f"it made a wheel of another package or version, {filename}")
    if not tags & set(target_tags(base.probe)):
        raise not_a_wheel(sdist, f"it made a wheel that does not run on the base, {filename}")


def _surprising(
    sdist: WheelFile, wheel: WheelFile, base: Base, workshop: Workshop, reporter: Reporter
) -> bool:
    """Remember the wheel's requirements; return whether its source, or an earlier wheel, declares others."""
    ((_, declared),) = read_wheels([wheel], base.probe.minor, reporter)
    written = declared["needs"]
    needs = sorted(checked_need(wheel, need) for need in written)
    before = needs_when_built(sdist.sha256, base.probe, workshop)
    remember_needs(sdist.sha256, base.probe, workshop, needs)
    return needs != sorted(needs_of_sdists([sdist], reporter)[sdist.sha256] if before is None else before)
