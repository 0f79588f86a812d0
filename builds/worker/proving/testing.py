"""Test the image of a build in the Docker Engine: import its packages, run its definition's own command."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from builds.engine.trials.command import Ran, command_in
from builds.engine.trials.importing import Imported, imported_in
from builds.engine.trials.loading import LoadedImage, loaded
from builds.engine.wheels.build import engine_answers
from builds.healing.runs import heals
from builds.imaging.lock import Lock
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Cancelled, ImageError, Reporter
from builds.models import Build, Image
from builds.models.trial import TrialState
from builds.policies.service import import_test_required
from builds.queue import tests
from builds.queue.claims import ClaimLost
from builds.worker.reporter import BuildReporter
from builds.worker.trial import LOAD_SECONDS, MAX_PROBLEMS, NO_ENGINE, OUR_FAULT, requested
from environments.models.workspaces import ImportTest
from environments.workspaces.registry import import_test_of

log = logging.getLogger(__name__)

SHOWN = 5  # failed imports in the log


class _TooSlow(Exception):
    """The engine took too long with an image."""


class _Until:
    """A reporter that gives up when the engine takes too long, and passes everything else on."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._until = time.monotonic() + LOAD_SECONDS + 2 * settings.TRIAL_SECONDS

    def line(self, text: str) -> None:
        self._reporter.line(text)

    def progress(self, done: int, total: int, unit: str) -> None:
        self._reporter.progress(done, total, unit)

    def check(self) -> None:
        self._reporter.check()
        if time.monotonic() > self._until:
            raise _TooSlow


@dataclass(frozen=True)
class _Wanted:
    """The tests that an image still needs: names of distributions to import, and a command to run."""

    digest: str
    interpreter: str
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    imports: bool
    command: str


def check_image(build: Build, row: Mapping[str, Any], store: BlobStore, reporter: BuildReporter) -> None:
    """Test an image, unless an equal image was tested, and record the result for its digest.

    `row` has the fields of the image's row. A failed import is a warning; a smoke test that fails raises ImageError.
    """
    command = build.version.definition.smoke_test
    wanted = reporter.lease.run(lambda: _wanted(build, row, command, reporter))
    if wanted.imports or wanted.command:
        _run(wanted, f"build {build.pk}", store, reporter)
    if command:
        reporter.lease.run(lambda: _refuse_failed(wanted.digest, command))


def row_of(image: Image) -> dict[str, Any]:
    """Return the fields of an existing image that `check_image` takes."""
    return {"digest": image.digest, "interpreter": image.interpreter, "lock": image.lock}


def _wanted(build: Build, row: Mapping[str, Any], command: str, reporter: BuildReporter) -> _Wanted:
    """Return what is left to test, and log what is known already."""
    digest, interpreter = str(row["digest"]), str(row["interpreter"] or "")
    lock = Lock.model_validate(row["lock"] or {})
    names, skipped = requested(lock)
    imports = bool(interpreter and names)
    when = import_test_of(build.workspace)
    if imports and when == ImportTest.OFF:
        reporter.line("Import test: switched off.")
        imports = False
    elif imports and when == ImportTest.AFTER and not command and not _needed_at_once(build):
        reporter.line("Import test: follows once the image is ready.")
        imports = False
    elif imports and (known := tests.import_test_known(digest)) is not None:
        reporter.line(f"Import test: {known.state} before, with the same image.")
        imports = False
    known_command = tests.smoke_test_of(digest, command) if command else None
    if known_command is not None and known_command.state == TrialState.PASSED:
        reporter.line("Smoke test: passed before, with the same image and command.")
        command = ""
    return _Wanted(digest, interpreter, tuple(names), tuple(skipped), imports, command)


def _needed_at_once(build: Build) -> bool:
    """Return whether something waits for the import test. A healed image may be tested by another worker."""
    return import_test_required(build.workspace) or (heals(build) and engine_answers())


def _run(wanted: _Wanted, owner: str, store: BlobStore, reporter: BuildReporter) -> None:
    """Start the image once, and run what is wanted in it; what keeps it from being started is recorded too."""
    if not engine_answers():
        _not_run(wanted, NO_ENGINE, reporter)
        return
    until = _Until(reporter)
    try:
        with loaded(wanted.digest, store, until, owner=owner) as image:
            if wanted.imports:
                _imports(wanted, image, until, reporter)
            if wanted.command:
                _command(wanted, image, until, reporter)
    except (Cancelled, ClaimLost):
        raise
    except _TooSlow:
        _not_run(wanted, "The Docker Engine took too long.", reporter)
    except ImageError as error:
        reason = NO_ENGINE if error.code == "engine-unreachable" else error.message
        _not_run(wanted, reason, reporter)
    except Exception:  # a test that breaks is no reason to have no image
        log.exception("The image %s could not be tested", wanted.digest)
        _not_run(wanted, OUR_FAULT, reporter)


def _imports(wanted: _Wanted, image: LoadedImage, until: Reporter, reporter: BuildReporter) -> None:
    outcome = imported_in(image, wanted.interpreter, wanted.names, until)
    problems = outcome.problems
    state = TrialState.FAILED if problems else TrialState.PASSED
    skipped = sorted([*outcome.skipped, *wanted.skipped])
    reporter.lease.run(
        lambda: tests.record_import_test(
            wanted.digest,
            state,
            python=outcome.python[:20],
            imported=outcome.modules,
            problems=[asdict(problem) for problem in problems[:MAX_PROBLEMS]],
            skipped=skipped,
        )
    )
    _log(outcome, reporter)


def _log(outcome: Imported, reporter: BuildReporter) -> None:
    if not outcome.problems:
        modules = "1 module" if outcome.modules == 1 else f"{outcome.modules} modules"
        reporter.line(f"Import test: {modules} imported.")
        return
    for problem in outcome.problems[:SHOWN]:
        last = problem.error.strip().splitlines()[-1] if problem.error.strip() else "unknown error"
        name = problem.module or problem.package or "the import test"
        reporter.line(f"Warning: {name} can't be imported: {last[:500]}")
    if len(outcome.problems) > SHOWN:
        reporter.line(f"Warning: {len(outcome.problems) - SHOWN} more imports failed.")


def _command(wanted: _Wanted, image: LoadedImage, until: Reporter, reporter: BuildReporter) -> None:
    reporter.line("Smoke test:")
    ran: Ran = command_in(image, wanted.command, until)
    state = TrialState.PASSED if ran.passed else TrialState.FAILED
    output = reporter.log.masked(ran.output).replace("\0", "")
    reporter.lease.run(
        lambda: tests.record_smoke_test(
            wanted.digest, wanted.command, state, ending=ran.ending, output=output, seconds=ran.seconds
        )
    )
    if ran.passed:
        reporter.line(f"Smoke test: succeeded in {ran.seconds:.1f} s.")


def _not_run(wanted: _Wanted, reason: str, reporter: BuildReporter) -> None:
    """Record that the image could not be started, and why."""
    if wanted.imports and tests.import_test_known(wanted.digest) is None:
        reporter.lease.run(lambda: tests.record_import_test(wanted.digest, TrialState.UNTRIED, reason=reason))
        reporter.line(f"Import test: not run. {reason}")
    if wanted.command and not _recorded(wanted):
        reporter.lease.run(
            lambda: tests.record_smoke_test(wanted.digest, wanted.command, TrialState.UNTRIED, ending=reason)
        )
        reporter.line(f"Warning: The smoke test was not run. {reason}")


def _recorded(wanted: _Wanted) -> bool:
    row = tests.smoke_test_of(wanted.digest, wanted.command)
    return row is not None and row.state == TrialState.PASSED


def _refuse_failed(digest: str, command: str) -> None:
    """Raise ImageError if the definition's command failed in the image."""
    row = tests.smoke_test_of(digest, command)
    if row is None or row.state != TrialState.FAILED:
        return
    raise ImageError(
        "smoke-test-failed",
        f"The smoke test failed. {row.ending}",
        "Read its output, then correct the packages or the command smoke_test of the definition.",
        detail=row.output,
    )
