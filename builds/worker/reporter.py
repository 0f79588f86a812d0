"""What a running build writes to its row: log lines, steps, progress, and that it is alive."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from builds.claims import Claim, ClaimLost
from builds.images import Cancelled
from builds.lease import Lease
from builds.limits import Bounds, defaults
from builds.logs import LogWriter
from builds.logs.parts import Parts
from builds.models import Build, Step

FLUSH_SECONDS = 0.05
LOOK_SECONDS = 0.5  # whoever cancels a silent step sees it stop within two

stopping = threading.Event()
"""Set when this process is asked to end: builds under way go back to the queue."""


class StudioStopping(Cancelled):
    """The studio is being stopped; the build goes back to the queue."""


class StepHandle:
    """The step under way."""

    def __init__(self, row: Step) -> None:
        self.row = row
        self.cached = False


class BuildReporter:
    """Write a build's log, steps and progress, and ask every moment whether to stop.

    A thread of its own flushes the log, beats the heart and reads the cancel flag, so that a step that
    is silent for a minute is neither taken for dead nor deaf. While the database is away, all that waits.
    """

    def __init__(self, claim: Claim, bounds: Bounds | None = None, *, secrets: Iterable[str] = ()) -> None:
        self.claim = claim
        self.bounds = bounds or Bounds(defaults())
        self.lease = Lease()
        before = Build.objects.values_list("log_lines", flat=True).get(pk=claim.build_id)
        self.log = LogWriter(claim, before, secrets=secrets, seen=self._see)
        self.failed_from: int | None = None  # the line where what failed began
        self._step: Step | None = None
        self._parts = Parts()
        self._parts_moved = False
        self._progress: tuple[int, int, str] | None = None
        self._wake = threading.Event()
        self._done = threading.Event()
        self._cancel = threading.Event()
        self._lost: BaseException | None = None
        self._pulse = threading.Thread(
            target=copy_context().run, args=(self._beat,), name=f"pulse {claim.build_id}", daemon=True
        )

    def __enter__(self) -> "BuildReporter":
        self._pulse.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._wake.set()
        self._pulse.join()

    # What the steps call

    def line(self, text: str) -> None:
        """Add text to the log."""
        self.log.add(text)
        self._wake.set()

    def progress(self, done: int, total: int, unit: str) -> None:
        """Say how far the step is."""
        self._progress = (done, total, unit)
        self._wake.set()

    def check(self) -> None:
        """Raise when the build should stop: lost, cancelled, over its limits, or the studio is stopping."""
        # The build may be another worker's now, as when this machine was halted, or the database hangs without
        # a word. What is asked of it is on its way: nothing is done meanwhile.
        while self.lease.over and self._lost is None and not stopping.is_set():
            if self._done.wait(LOOK_SECONDS):
                break
        if self._lost is not None:
            raise ClaimLost from self._lost
        if self._cancel.is_set():
            raise Cancelled
        if stopping.is_set():
            raise StudioStopping("The studio is stopping.")
        self.bounds.check()

    @contextmanager
    def step(self, position: int, name: str) -> Iterator[StepHandle]:
        """Begin a step, and end it: its time, whether it was cached, whether it failed."""
        self.check()
        self.flush()
        self.log.step = name
        self._progress = None
        self._parts = Parts()
        row = self.lease.keep(lambda: self._begin(position, name))
        self._step = row
        handle = StepHandle(row)
        try:
            yield handle
        except BaseException:
            row.failed = True
            raise
        finally:
            self.flush()
            self._step = None
            self._copy_progress(row)
            self._end_parts(row)
            ended = {"cached": handle.cached, "failed": row.failed, "ended_at": timezone.now()}
            self.lease.keep(lambda: self._update(row, **ended))

    def flush(self, *, everything: bool = False) -> None:
        """Write the lines that wait; `everything` when no more come."""
        self.lease.keep(lambda: self.log.flush(everything=everything))

    def _begin(self, position: int, name: str) -> Step:
        row, _ = Step.objects.get_or_create(
            build_id=self.claim.build_id,
            attempt=self.claim.attempt,
            position=position,
            defaults={"name": name, "started_at": timezone.now(), "first_line": self.log.lines + 1},
        )
        self.claim.write()
        return row

    # A Dockerfile's own steps, as the log shows them

    def _see(self, number: int, step: str, line: str) -> None:
        row = self._step
        if row is not None and row.name == step and self._parts.see(number, line, time.monotonic()):
            self._parts_moved = True

    def _end_parts(self, row: Step) -> None:
        if row.failed:
            self.failed_from = self._parts.failing_from or row.first_line
        self._parts.end(time.monotonic(), failed=row.failed)
        row.parts = self._parts.copy()

    # The pulse

    def _beat(self) -> None:
        """Flush, beat and look at the flag until the build is done."""
        try:
            while not self._done.is_set():
                woken = self._wake.wait(min(settings.HEARTBEAT_SECONDS / 2, LOOK_SECONDS))
                self._wake.clear()
                if woken or not self.log.empty:
                    self._done.wait(FLUSH_SECONDS)  # let some more lines come
                    self.flush()
                    self.lease.keep(self._write_progress)
                if self.lease.keep(self.claim.should_stop):
                    self._cancel.set()
                else:
                    self._cancel.clear()  # somebody came to wait for it before it had stopped
        except BaseException as error:  # told to the build's own thread at its next check
            self._lost = error
        finally:
            connection.close()

    def _copy_progress(self, row: Step) -> bool:
        if self._progress is None or self._progress == (row.done, row.total, row.unit):
            return False
        row.done, row.total, row.unit = self._progress
        return True

    def _write_progress(self) -> None:
        row = self._step
        if row is None:
            return
        moved, self._parts_moved = self._parts_moved, False
        if moved:
            row.parts = self._parts.copy()
        if self._copy_progress(row) or moved:
            self._update(row)

    def _update(self, row: Step, **values: object) -> None:
        """Write how far a step is, unless whoever took the build over has closed it."""
        values |= {"done": row.done, "total": row.total, "unit": row.unit, "parts": row.parts}
        if Step.objects.filter(pk=row.pk, ended_at=None).update(**values):
            Build.objects.filter(pk=self.claim.build_id).update(revision=F("revision") + 1)
