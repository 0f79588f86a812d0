"""Run import tests of finished images, beside the worker's builds: as many at once as builds."""

import logging
import threading
import time
from dataclasses import asdict

from django.conf import settings
from django.db import DatabaseError, connection
from packaging.utils import canonicalize_name

from builds.engine.trials.importing import Imported, NotTried, import_in
from builds.imaging.lock import Lock
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Cancelled, ImageError
from builds.models import Image
from builds.models.trial import Trial, TrialState
from builds.queue import trials
from builds.worker.budget import LimitExceeded
from builds.worker.deadline import DeadlineReporter
from builds.worker.reporter import StudioStopping, stopping

log = logging.getLogger(__name__)

LOAD_SECONDS = 900.0  # to load a large image into the engine
MAX_PROBLEMS = 50  # recorded
NO_ENGINE = "No Docker Engine can be reached, so the image could not be started."
OUR_FAULT = "The studio made an error while it tried the image; its log holds the details."

_trying = threading.Lock()


class TrialLost(Cancelled):
    """Another worker has the trial now."""


class _TrialReporter(DeadlineReporter):
    """A silent reporter that sends a trial's heartbeats."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(LOAD_SECONDS + settings.TRIAL_SECONDS)
        self._trial = trial
        self._next_heartbeat = 0.0

    def check(self) -> None:
        """Raise after the deadline, when the trial was lost, or when the studio is stopping."""
        super().check()
        if time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + settings.HEARTBEAT_SECONDS
        if not trials.heartbeat(self._trial):
            raise TrialLost


def run_waiting_trials() -> None:
    """Run trials until none waits; return at once if another thread of this worker runs them."""
    if not _trying.acquire(blocking=False):
        return
    try:
        beside = min(trials.count_waiting(), settings.BUILDS_AT_ONCE) - 1
        others = [threading.Thread(target=_run_beside, name="trial") for _ in range(beside)]
        for thread in others:
            thread.start()
        _run_until_none_waits()
        for thread in others:
            thread.join()
    finally:
        _trying.release()


def _run_beside() -> None:
    try:
        _run_until_none_waits()
    except DatabaseError as error:
        log.warning("Could not read the waiting trials (%s); retrying.", error)
    finally:
        connection.close()


def _run_until_none_waits() -> None:
    while not stopping.is_set() and (trial := trials.claim_next()) is not None:
        _run_trial(trial)


def _run_trial(trial: Trial) -> None:
    """Try an image and record the outcome."""
    try:
        outcome = _imported(trial)
    except StudioStopping:
        trials.requeue(trial)
    except TrialLost:
        log.warning("The %s belongs to another worker now; this one stops.", trial)
    except LimitExceeded:
        trials.finish(trial, TrialState.UNTRIED, reason="The Docker Engine took too long.")
    except ImageError as error:
        # The engine's own message is about Dockerfiles.
        unreachable = error.code == "engine-unreachable"
        trials.finish(trial, TrialState.UNTRIED, reason=NO_ENGINE if unreachable else error.message)
    except Exception:
        log.exception("The %s failed with an error of the studio", trial)
        trials.finish(trial, TrialState.UNTRIED, reason=OUR_FAULT)
    else:
        trials.finish(
            trial,
            TrialState.FAILED if outcome.problems else TrialState.PASSED,
            python=outcome.python[:20],
            imported=outcome.modules,
            problems=[asdict(problem) for problem in outcome.problems[:MAX_PROBLEMS]],
            skipped=outcome.skipped,
        )


def _imported(trial: Trial) -> Imported:
    image = Image.objects.filter(digest=trial.digest).order_by("-current", "pk").first()
    if image is None:
        raise NotTried("The image is no longer there.")
    if not image.interpreter:
        raise NotTried("The image has no Python that could be started.")
    lock = Lock.model_validate(image.lock) if image.lock else Lock()
    names, without_distribution = requested(lock)
    outcome = import_in(
        image.digest, image.interpreter, names, BlobStore(settings.STORE), _TrialReporter(trial)
    )
    outcome.skipped = sorted([*outcome.skipped, *without_distribution])
    return outcome


def requested(lock: Lock) -> tuple[list[str], list[str]]:
    """Return the names of the requested distributions, and the requested conda packages that contain none."""
    names: set[str] = set()
    without_distribution: list[str] = []
    for package in lock.packages:
        if not package.requested or (package.ecosystem, package.name) == ("conda", "python"):
            continue
        if package.ecosystem == "pypi":
            names.add(package.name)
            continue
        names.update(canonicalize_name(pin.partition("==")[0]) for pin in package.distributions)
        if not package.distributions:
            without_distribution.append(package.name)
    return sorted(names), without_distribution
