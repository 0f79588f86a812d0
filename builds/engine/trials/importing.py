"""An image started once, to see whether what was asked for can be imported: without network, bounded, nothing left."""

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
from builds.images.base import Base
from builds.images.manifest import Descriptor, descriptors_of
from builds.images.probe import Probe
from builds.images.report import ImageError, Reporter
from builds.images.store import BlobStore

PROCESSES = 1024  # threads count: mathematics takes one a core
SCRATCH = 64 * 1024**2
_SCRIPT = Path(__file__).with_name("imports_worker.py").read_text()


class NotTried(ImageError):
    """An image could not be tried, whatever is in it. No build ends by that."""

    def __init__(self, message: str) -> None:
        super().__init__("not-tried", message, fault="studio")


@dataclass(frozen=True)
class Problem:
    """What could not be imported: the package, its module (empty for none), and why."""

    package: str
    module: str
    words: str


@dataclass
class Imported:
    """What came of starting an image: its Python, how many modules were imported, what was not."""

    python: str = ""
    modules: int = 0
    problems: list[Problem] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    old: bool = False  # its Python cannot tell what is installed
    unreached: int | None = None  # modules that had no turn; None where it did not come to its end


class _Facts:
    """A reporter that takes in what the script tells, and passes everything else on."""

    def __init__(self, mark: str, reporter: Reporter) -> None:
        self.found = Imported()
        self._mark = mark
        self._reporter = reporter

    def line(self, text: str) -> None:
        if not text.startswith(self._mark):
            return
        fact: dict[str, Any] = json.loads(text.removeprefix(self._mark))
        if "python" in fact:
            self.found.python = fact["python"]
        elif "old" in fact:
            self.found.old = True
        elif "skipped" in fact:
            self.found.skipped.append(fact["skipped"])
        elif "end" in fact:
            self.found.unreached = fact["end"]
        elif fact["words"]:
            # PostgreSQL's text has no NUL.
            self.found.problems.append(Problem(**{k: v.replace("\0", "") for k, v in fact.items()}))
        else:
            self.found.modules += 1

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
    """Start an image of the store, import what these distributions install, and return how that went.

    Raises ImageError where it cannot be tried: NotTried, or what the engine says.
    """
    image = _stored(digest, store)
    with Engine.at(docker_host or settings.DOCKER_HOST) as engine:
        _refuse_other_machine(image, engine)
        engine.remove_left_over()
        owner = f"trial {digest}"
        kept = not engine.remove_containers_of(owner)
        with engine.lent(image, store, reporter, keep=kept) as name:
            mark = secrets.token_hex(8)
            facts = _Facts(mark, reporter)
            words = ["-c", _SCRIPT, mark, str(settings.TRIAL_SECONDS), json.dumps(list(names))]
            bounds = Bounds(settings.TRIAL_MEMORY, PROCESSES, SCRATCH)
            try:
                with container(
                    engine,
                    name,
                    [interpreter],
                    words,
                    label=owner,
                    user="",  # the image's own, as who uses it starts it
                    variables={"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"},  # noqa: S108
                    network=False,
                    bounds=bounds,
                ) as running:
                    code = running.run(facts)
                    return _ended(facts.found, code, running)
            except EngineRefused as error:
                return _not_started(interpreter, error.message)


def _ended(found: Imported, code: int, running: Container) -> Imported:
    """Return what was found, with what kept it from coming to its end."""
    if found.old:
        raise NotTried(f"The image's Python {found.python} is too old to tell what is installed.")
    if found.unreached is None:
        last = next((line.strip() for line in reversed(running.output.last) if line.strip()), "")
        how = "It was killed, most likely for want of memory." if code == 137 else f"Exit code {code}."
        found.problems.append(Problem("", "", f"{how} {last[:500]}".strip()))
    return found


def _not_started(interpreter: str, why: str) -> Imported:
    return Imported(problems=[Problem("", "", f"{interpreter} cannot be started: {why[:500]}")])


def _refuse_other_machine(image: Base, engine: Engine) -> None:
    ours, theirs = str(engine.api.version()["Arch"]), image.probe.architecture
    if ours != theirs:
        raise NotTried(f"The image is made for {theirs}, and the Docker Engine runs on {ours}.")


def _stored(digest: str, store: BlobStore) -> Base:
    """Return an image of the store as the engine takes it."""
    if not store.has(digest):
        raise NotTried("The image is no longer in the studio's store.")
    manifest = json.loads(store.read(digest))
    config, *layers = descriptors_of(manifest)
    missing = [blob for blob in (config, *layers) if not store.has(blob.digest)]
    if missing:
        raise NotTried("The image is no longer whole in the studio's store.")
    return _described(digest, json.loads(store.read(config.digest)), layers)


def _described(digest: str, config: dict[str, Any], layers: Sequence[Descriptor]) -> Base:
    return Base(
        reference="the image",
        digest=digest,
        layers=tuple(layers),
        diff_ids=tuple(config["rootfs"]["diff_ids"]),
        config=config,
        probe=Probe(architecture=str(config.get("architecture") or "amd64")),
    )
