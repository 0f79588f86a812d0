"""Post-link scripts of conda packages: run in a container of the image, and what they change is its last layer.

Nothing of a package runs on the studio's own machine.
"""

from __future__ import annotations

import io
import json
import posixpath
import shlex
import tarfile
import tempfile
from collections.abc import Sequence
from typing import BinaryIO, cast

from django.conf import settings

from builds.engine.connection import Engine
from builds.engine.exchange import PIECE, EngineRefused
from builds.engine.gateway.network import Network, network_of
from builds.engine.running import Changes, Container, container
from builds.imaging.bases.model import Base
from builds.imaging.lock import LockedPackage
from builds.imaging.oci.layer import Layer, LayerWriter
from builds.imaging.oci.store import disk_errors
from builds.imaging.packing.wheel import PREFIX
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

_FORMAT = "post-link-1"
_PREFIX = f"/{PREFIX}"
_MESSAGES = f"{_PREFIX}/.messages.txt"
_RUNS = "Running the post-link script of "


def linked(
    image: Base,
    packages: Sequence[LockedPackage],
    workshop: Workshop,
    reporter: Reporter,
    *,
    docker_host: str | None = None,
) -> tuple[Layer, bool]:
    """Return the layer of what these packages' scripts change in an image, and whether it was known.

    The same scripts in the same image run once; then no engine is asked. Raises ImageError.
    """
    key = json.dumps([_FORMAT, image.digest, [package.sha256 for package in packages]])
    known = workshop.recall("post-link", key)
    if known is not None:
        layer = Layer.from_json(known)
        if workshop.store.has(layer.descriptor.digest):
            reporter.line(f"What the post-link scripts of {_named(packages)} change is known already.")
            return layer, True
    host = docker_host or settings.DOCKER_HOST
    try:
        with Engine.at(host) as engine:
            engine.remove_left_over()
            with (
                network_of(engine, workshop, reporter) as network,
                engine.temporary_image(image, workshop.store, reporter) as name,
            ):
                layer = _run(engine, name, image, packages, workshop, network)
    except ImageError as error:
        if error.code != "engine-unreachable":
            raise
        raise _no_engine(packages, host) from error
    except EngineRefused as error:
        raise _refused(packages, image, error) from error
    workshop.remember("post-link", key, layer.to_json())
    return layer, False


def _run(
    engine: Engine,
    name: str,
    image: Base,
    packages: Sequence[LockedPackage],
    workshop: Workshop,
    network: Network,
) -> Layer:
    variables = {"PREFIX": _PREFIX, "PYTHONDONTWRITEBYTECODE": "1", **network.variables}
    reporter = network.reporter
    script = "\n".join(_script_lines(package) for package in packages)
    with container(
        engine,
        name,
        ["/bin/sh"],
        ["-c", script],
        label=image.digest,
        user="0:0",
        variables=variables,
        network=network.mode,
    ) as running:
        code = running.run(reporter)
        if code:
            raise _failed(packages, code, running)
        changes = running.changes(_PREFIX)
        if changes.elsewhere:
            reporter.line(f"{changes.elsewhere} changes outside of {_PREFIX} are left out")
        return _layer(running, changes, packages, workshop, reporter)


def _script_lines(package: LockedPackage) -> str:
    """Return the lines that run a package's script, as conda does."""
    path = shlex.quote(f"{_PREFIX}/bin/.{package.name}-post-link.sh")
    variables = {
        "PKG_NAME": package.name,
        "PKG_VERSION": package.version,
        "PKG_BUILDNUM": package.build.rpartition("_")[2],
    }
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    return (
        f"echo {shlex.quote(f'{_RUNS}{package.name} {package.version}')}\n"
        f"shell=/bin/bash; [ -x $shell ] || shell=/bin/sh\n"
        f"{exports} $shell {path} || exit\n"
    )


def _layer(
    running: Container,
    changes: Changes,
    packages: Sequence[LockedPackage],
    workshop: Workshop,
    reporter: Reporter,
) -> Layer:
    """Write what was changed as a layer: the same changes give the same bytes, whenever they were made."""
    with (
        disk_errors(),
        workshop.store.writer() as blob,
    ):
        writer = LayerWriter(blob)
        for path in changes.removed:
            writer.whiteout(path.lstrip("/"))
        for number, path in enumerate(changes.written):
            reporter.progress(number, len(changes.written), "changes")
            with tempfile.TemporaryFile(dir=workshop.folder("engine")) as spool:
                for piece in running.archive(path, reporter):
                    spool.write(piece)
                spool.seek(0)
                _add(writer, path, cast(BinaryIO, spool), reporter)
        return writer.commit(f"what the post-link scripts of {_named(packages)} changed")


def _add(writer: LayerWriter, path: str, spool: BinaryIO, reporter: Reporter) -> None:
    above = posixpath.dirname(path).lstrip("/")
    with tarfile.open(fileobj=spool) as archive:
        for entry in sorted(archive, key=lambda entry: entry.name):
            target = f"{above}/{entry.name}"
            if entry.isdir():
                writer.directory(f"{target}/", entry.mode & 0o7777)
            elif entry.issym():
                writer.symlink(target, entry.linkname)
            elif entry.isreg() or entry.islnk():
                content = cast(io.BufferedReader, archive.extractfile(entry))
                if f"/{target}" == _MESSAGES:
                    _log(content.read(), reporter)
                else:
                    _copy(writer, target, content, entry.mode & 0o777)


def _copy(writer: LayerWriter, path: str, content: io.BufferedReader, mode: int) -> None:
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    writer.tree(path)
    writer.tar.begin(path, size, mode)
    while piece := content.read(PIECE):
        writer.tar.more(piece)
    writer.tar.padded(size)


def _log(messages: bytes, reporter: Reporter) -> None:
    """Pass the scripts' messages for the user on to the log."""
    for line in messages.decode(errors="replace").splitlines():
        reporter.line(line)


def _named(packages: Sequence[LockedPackage]) -> str:
    return ", ".join(f"{package.name} {package.version}" for package in packages)


def _no_engine(packages: Sequence[LockedPackage], host: str) -> ImageError:
    have = "has a post-link script, which has" if len(packages) == 1 else "have post-link scripts, which have"
    return ImageError(
        "post-link-script",
        f"{_named(packages)} {have} to run in a container, and the Docker Engine at {host} can't be reached.",
        "Start Docker, or set DOCKER_HOST to where it listens; or leave the package out.",
        fault="studio",
    )


def _refused(packages: Sequence[LockedPackage], image: Base, error: EngineRefused) -> ImageError:
    return ImageError(
        "post-link-script",
        f"The post-link scripts of {_named(packages)} cannot be run in {image.reference}: {error.message[:500]}",
        "They need a base image with a shell at /bin/sh.",
    )


def _failed(packages: Sequence[LockedPackage], code: int, running: Container) -> ImageError:
    lines = [line for line in running.output.last if line.strip()]
    begun = next((line for line in reversed(lines) if line.startswith(_RUNS)), "")
    which = begun.removeprefix(_RUNS).strip() or _named(packages)
    last = f": {lines[-1].strip()[:500]}" if lines and lines[-1] != begun else ""
    return ImageError(
        "post-link-script",
        f"The post-link script of {which} failed with exit code {code}{last}",
        "The lines before this one say why. Choose a base image with what it needs, or leave the package out.",
    )
