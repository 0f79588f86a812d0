"""A worker tries images that are proposed for the catalogue: one at a time, beside its builds."""

import logging
import threading
import time
from dataclasses import asdict

from django.conf import settings
from packaging.utils import canonicalize_name

from builds import trials
from builds.dry_run import Patience
from builds.engine.importing import Imported, NotTried, import_in
from builds.images import BlobStore, Cancelled, ImageError, Lock
from builds.limits import OverLimit
from builds.models import Image
from builds.reporting import StudioStopping, stopping
from builds.trial_models import Trial, TrialState

log = logging.getLogger(__name__)

GIVING_SECONDS = 900.0  # for an engine that has to be given a large image first
MOST_PROBLEMS = 50  # kept
NO_ENGINE = "No Docker Engine can be reached, so the image could not be started."
OUR_FAULT = "The studio made an error while it tried the image; its log holds the details."

_trying = threading.Lock()


class TrialLost(Cancelled):
    """The trial is another worker's now."""


class _Beating(Patience):
    """A reporter that says nothing, and beats the heart of a trial."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(GIVING_SECONDS + settings.TRIAL_SECONDS)
        self._trial = trial
        self._next = 0.0

    def check(self) -> None:
        """Raise where it has taken too long, is another worker's now, or the studio is stopping."""
        super().check()
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + settings.HEARTBEAT_SECONDS
        if not trials.beat(self._trial):
            raise TrialLost


def try_what_waits() -> None:
    """Try what waits, until there is nothing more; nothing where another thread of this worker is at it."""
    if not _trying.acquire(blocking=False):
        return
    try:
        while not stopping.is_set() and (trial := trials.take_next()) is not None:
            _try(trial)
    finally:
        _trying.release()


def _try(trial: Trial) -> None:
    """Try an image and write down what came of it."""
    try:
        found = _imported(trial)
    except StudioStopping:
        trials.give_back(trial)
    except TrialLost:
        log.warning("The %s is another worker's now; this one stops.", trial)
    except OverLimit:
        trials.end(trial, TrialState.UNTRIED, words="The Docker Engine took too long.")
    except ImageError as error:
        # An engine's error speaks of Dockerfiles, which have no part in this.
        nowhere = error.code == "engine-unreachable"
        trials.end(trial, TrialState.UNTRIED, words=NO_ENGINE if nowhere else error.message)
    except Exception:
        log.exception("The %s failed by an error of the studio's own", trial)
        trials.end(trial, TrialState.UNTRIED, words=OUR_FAULT)
    else:
        trials.end(
            trial,
            TrialState.FAILED if found.problems else TrialState.PASSED,
            python=found.python[:20],
            imported=found.modules,
            problems=[asdict(problem) for problem in found.problems[:MOST_PROBLEMS]],
            skipped=found.skipped,
        )


def _imported(trial: Trial) -> Imported:
    image = Image.objects.filter(digest=trial.digest).order_by("-current", "pk").first()
    if image is None:
        raise NotTried("The image is no longer there.")
    if not image.interpreter:
        raise NotTried("The image has no Python that could be started.")
    lock = Lock.model_validate(image.lock) if image.lock else Lock()
    names, nothing = requested(lock)
    found = import_in(image.digest, image.interpreter, names, BlobStore(settings.STORE), _Beating(trial))
    found.skipped = sorted([*found.skipped, *nothing])
    return found


def requested(lock: Lock) -> tuple[list[str], list[str]]:
    """Return the distributions that were asked for, as pip knows them, and conda packages that are none."""
    names: set[str] = set()
    nothing: list[str] = []
    for package in lock.packages:
        if not package.requested or (package.ecosystem, package.name) == ("conda", "python"):
            continue
        if package.ecosystem == "pypi":
            names.add(package.name)
            continue
        brought = [one.partition("==")[0] for one in package.distributions]
        names.update(canonicalize_name(one) for one in brought)
        if not brought:
            nothing.append(package.name)
    return sorted(names), nothing
