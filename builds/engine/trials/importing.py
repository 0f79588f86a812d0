"""Start an image once and import its requested packages: without network, with limits, leaving nothing behind."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from builds.engine.connection import Engine
from builds.engine.exchange import EngineRefused
from builds.engine.running import Bounds, Container, container
from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.oci.index import image_of, manifests_of
from builds.imaging.oci.manifest import Descriptor, descriptors_of
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError, Reporter

PROCESSES = 1024  # threads count: mathematics takes one a core
SCRATCH = 64 * 1024**2
_SCRIPT = Path(__file__).with_name("imports_worker.py").read_text()


class NotTried(ImageError):
    """An image could not be tried, for reasons outside the image. It does not fail the build."""

    def __init__(self, message: str) -> None:
        super().__init__("not-tried", message, fault="studio")


@dataclass(frozen=True)
class Problem:
    """A failed import: the package, its module (empty for none), and the error."""

    package: str
    module: str
    error: str


@dataclass
class Imported:
    """The result of an import trial: the image's Python, the number of imported modules, the failed imports."""

    python: str = ""
    modules: int = 0
    problems: list[Problem] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    old: bool = False  # its Python is too old to list installed packages
    unreached: int | None = None  # modules that were not tried; None if the trial did not finish


class _ResultReporter:
    """A reporter that collects the facts that the script writes, and passes everything else on."""

    def __init__(self, mark: str, reporter: Reporter) -> None:
        self.result = Imported()
        self._mark = mark
        self._reporter = reporter

    def line(self, text: str) -> None:
        if not text.startswith(self._mark):
            return
        fact: dict[str, Any] = json.loads(text.removeprefix(self._mark))
        if "python" in fact:
            self.result.python = fact["python"]
        elif "old" in fact:
            self.result.old = True
        elif "skipped" in fact:
            self.result.skipped.append(fact["skipped"])
        elif "end" in fact:
            self.result.unreached = fact["end"]
        elif fact["error"]:
            # PostgreSQL's text has no NUL.
            self.result.problems.append(Problem(**{k: v.replace("\0", "") for k, v in fact.items()}))
        else:
            self.result.modules += 1

    def progress(self, done: int, total: int, unit: str) -> None:
        self._reporter.progress(done, total, unit)

    def check(self) -> None:
        self._reporter.check()


def import_in(
    digest: str,
    interpreter: str,
    names: Sequence[str],
    store: BlobStore,
    reporter: Reporter,
    *,
    docker_host: str | None = None,
) -> Imported:
    """Start an image of the store, import the modules of these distributions, and return the result.

    Raises ImageError if it cannot be tried: NotTried, or the error of the engine.
    """
    images = _stored(digest, store)
    with Engine.at(docker_host or settings.DOCKER_HOST) as engine:
        image = _for_machine(images, engine)
        engine.remove_left_over()
        owner = f"trial {digest}"
        kept = not engine.remove_containers_of(owner)
        with engine.temporary_image(image, store, reporter, keep=kept) as name:
            mark = secrets.token_hex(8)
            collector = _ResultReporter(mark, reporter)
            arguments = ["-c", _SCRIPT, mark, str(settings.TRIAL_SECONDS), json.dumps(list(names))]
            bounds = Bounds(settings.TRIAL_MEMORY, PROCESSES, SCRATCH)
            try:
                with container(
                    engine,
                    name,
                    [interpreter],
                    arguments,
                    label=owner,
                    user="",  # the image's own, as its users start it
                    variables={"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"},  # noqa: S108
                    bounds=bounds,
                ) as running:
                    code = running.run(collector)
                    return _ended(collector.result, code, running)
            except EngineRefused as error:
                return _not_started(interpreter, error.message)


def _ended(imported: Imported, code: int, running: Container) -> Imported:
    """Return the result, with the reason if the script did not finish."""
    if imported.old:
        raise NotTried(f"The image's Python {imported.python} is too old to tell what is installed.")
    if imported.unreached is None:
        last = next((line.strip() for line in reversed(running.output.last) if line.strip()), "")
        how = "It was killed, most likely for want of memory." if code == 137 else f"Exit code {code}."
        imported.problems.append(Problem("", "", f"{how} {last[:500]}".strip()))
    return imported


def _not_started(interpreter: str, why: str) -> Imported:
    return Imported(problems=[Problem("", "", f"{interpreter} cannot be started: {why[:500]}")])


def _for_machine(images: Sequence[Base], engine: Engine) -> Base:
    """Return the first image that the engine's machine runs."""
    ours = str(engine.api.version()["Arch"])
    for image in images:
        if image.probe.architecture == ours:
            return image
    theirs = " and ".join(image.probe.architecture for image in images)
    raise NotTried(f"The image is made for {theirs}, and the Docker Engine runs on {ours}.")


def _stored(digest: str, store: BlobStore) -> list[Base]:
    """Return an image of the store as the engine takes it, for each manifest that it has."""
    if not store.has(digest):
        raise NotTried("The image is no longer in the studio's store.")
    image = image_of(store, digest)
    if not store.whole(image):
        raise NotTried("The image is no longer whole in the studio's store.")
    bases = []
    for manifest in manifests_of(store, image):
        config, *layers = descriptors_of(json.loads(store.read(manifest.digest)))
        bases.append(_described(manifest.digest, json.loads(store.read(config.digest)), layers))
    return bases


def _described(digest: str, config: dict[str, Any], layers: Sequence[Descriptor]) -> Base:
    return Base(
        reference="the image",
        digest=digest,
        layers=tuple(layers),
        diff_ids=tuple(config["rootfs"]["diff_ids"]),
        config=config,
        probe=Probe(architecture=str(config.get("architecture") or "amd64")),
    )
