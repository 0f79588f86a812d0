"""Write a running build's log, steps, progress and heartbeats."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from builds.imaging.reporting import Cancelled
from builds.logs import LogWriter
from builds.logs.dockerfile_steps import DockerfileSteps
from builds.models import Build, Step
from builds.models.steps import StepName
from builds.queue import fairness
from builds.queue.claims import Claim, ClaimLost
from builds.queue.limits import default_limits
from builds.worker.budget import Budget
from builds.worker.lease import Lease

FLUSH_SECONDS = 0.05
CHECK_SECONDS = 0.5  # so that a silent step stops within two seconds of being cancelled

stopping = threading.Event()
"""Set when this process is about to end: its running builds return to the queue."""


class StudioStopping(Cancelled):
    """The studio is stopping: the build returns to the queue."""


class StepHandle:
    """The running step."""

    def __init__(self, row: Step) -> None:
        self.row = row
        self.cached = False


class BuildReporter:
    """Write a build's log, steps and progress, and stop it when it should stop.

    A separate thread flushes the log, sends heartbeats and reads the cancel flag, so that a step that is silent
    for a minute neither loses its claim nor misses a cancellation. While the database is away, writes wait.
    """

    def __init__(self, claim: Claim, budget: Budget | None = None, *, secrets: Iterable[str] = ()) -> None:
        self.claim = claim
        self.budget = budget or Budget(default_limits())
        self.lease = Lease()
        rows = Build.objects.values_list("log_lines", "background")
        before, self._background = rows.get(pk=claim.build_id)
        self.log = LogWriter(claim, before, secrets=secrets, on_line=self._on_line)
        self.failed_from: int | None = None  # the first line of what failed
        self.cancelled = False  # whether a check stopped the build because it was cancelled
        self.overtaken = (
            False  # whether a check stopped it in the background, as somebody waits for another build
        )
        self._step: Step | None = None
        self._parts = DockerfileSteps()
        self._parts_moved = False
        self._progress: tuple[int, int, str] | None = None
        self._wake = threading.Event()
        self._done = threading.Event()
        self._cancel = threading.Event()
        self._overtaken = threading.Event()
        self._lost: BaseException | None = None
        self._heartbeat_thread = threading.Thread(
            target=copy_context().run,
            args=(self._keep_alive,),
            name=f"heartbeat {claim.build_id}",
            daemon=True,
        )

    def __enter__(self) -> "BuildReporter":
        self._heartbeat_thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._wake.set()
        self._heartbeat_thread.join()

    # Called by the steps

    def line(self, text: str) -> None:
        """Add text to the log."""
        self.log.add(text)
        self._wake.set()

    def progress(self, done: int, total: int, unit: str) -> None:
        """Report the step's progress."""
        self._progress = (done, total, unit)
        self._wake.set()

    def check(self) -> None:
        """Raise if the build should stop: claim lost, cancelled, over its limits, or the studio is stopping."""
        # The lease has expired, as after a halt of this machine or while the database hangs: another worker may
        # have the build. Do nothing until the heartbeat's answer arrives.
        while self.lease.expired and self._lost is None and not stopping.is_set():
            if self._done.wait(CHECK_SECONDS):
                break
        if self._lost is not None:
            raise ClaimLost from self._lost
        if self._cancel.is_set():
            self.cancelled = True
            raise Cancelled
        if stopping.is_set():
            raise StudioStopping("The studio is stopping.")
        if self._overtaken.is_set():
            self.overtaken = True
            raise Cancelled("A requested build comes first.")
        self.budget.check()

    @contextmanager
    def step(self, name: StepName) -> Iterator[StepHandle]:
        """Record the block as a step: its duration, whether it was cached, whether it failed."""
        self.check()
        self.flush()
        self.log.step = name.value
        self._progress = None
        self._parts = DockerfileSteps()
        row = self.lease.run(lambda: self._begin(name))
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
            self.lease.run(lambda: self._update(row, **ended))

    def flush(self, *, everything: bool = False) -> None:
        """Write pending lines; `everything` when no more come."""
        self.lease.run(lambda: self.log.flush(everything=everything))

    def _begin(self, name: StepName) -> Step:
        row, _ = Step.objects.get_or_create(
            build_id=self.claim.build_id,
            attempt=self.claim.attempt,
            position=name.position,
            defaults={"name": name.value, "started_at": timezone.now(), "first_line": self.log.lines + 1},
        )
        self.claim.write()
        return row

    # A Dockerfile's own steps, read from the log

    def _on_line(self, number: int, step: str, line: str) -> None:
        row = self._step
        if row is not None and row.name == step and self._parts.feed(number, line, time.monotonic()):
            self._parts_moved = True

    def _end_parts(self, row: Step) -> None:
        if row.failed:
            self.failed_from = self._parts.failing_from or row.first_line
        self._parts.end(time.monotonic(), failed=row.failed)
        row.parts = self._parts.copy()

    # The heartbeat thread

    def _keep_alive(self) -> None:
        """Flush, send heartbeats and read the cancel flag until the build is done."""
        try:
            while not self._done.is_set():
                woken = self._wake.wait(min(settings.HEARTBEAT_SECONDS / 2, CHECK_SECONDS))
                self._wake.clear()
                if woken or not self.log.empty:
                    self._done.wait(FLUSH_SECONDS)  # collect a few more lines
                    self.flush()
                    self.lease.run(self._write_progress)
                if self.lease.run(self.claim.should_stop):
                    self._cancel.set()
                else:
                    self._cancel.clear()  # requested again before it stopped
                if self._background:
                    self._background = self.lease.run(self._still_in_background)
        except BaseException as error:  # raised in the build's own thread at its next check
            self._lost = error
        finally:
            connection.close()

    def _still_in_background(self) -> bool:
        """Stop this build if somebody waits for another build; return False once somebody waits for it."""
        if not Build.objects.filter(pk=self.claim.build_id, background=True).exists():
            return False
        if fairness.somebody_waits():
            self._overtaken.set()
        return True

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
        """Write a step's progress, unless another worker has taken the build over and closed it."""
        values |= {"done": row.done, "total": row.total, "unit": row.unit, "parts": row.parts}
        if Step.objects.filter(pk=row.pk, ended_at=None).update(**values):
            Build.objects.filter(pk=self.claim.build_id).update(revision=F("revision") + 1)
