"""Start an image once and import its requested packages: without network, with limits, leaving nothing behind."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from builds.engine.exchange import EngineRefused
from builds.engine.running import Container
from builds.engine.trials.keeping import NotTried
from builds.engine.trials.loading import LoadedImage, loaded
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Reporter

__all__ = ["Imported", "NotTried", "Problem", "import_in", "imported_in"]

_SCRIPT = Path(__file__).with_name("imports_worker.py").read_text()


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
    with loaded(digest, store, reporter, docker_host=docker_host) as image:
        return imported_in(image, interpreter, names, reporter)


def imported_in(image: LoadedImage, interpreter: str, names: Sequence[str], reporter: Reporter) -> Imported:
    """Import the modules of these distributions in an image that the engine has. Raises what `import_in` raises."""
    mark = secrets.token_hex(8)
    collector = _ResultReporter(mark, reporter)
    arguments = ["-c", _SCRIPT, mark, str(settings.TRIAL_SECONDS), json.dumps(list(names))]
    try:
        with image.started([interpreter], arguments) as running:
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
