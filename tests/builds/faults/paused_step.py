"""Pause builds at a step of the test's choice, in a real worker.

The build of an environment named `in-fetch` pauses at the end of its step `fetch`, when its work is done but not
recorded (`at-fetch`: at the beginning), in its first attempt, until the studio's folder has a file `resume`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.conf import settings

if TYPE_CHECKING:
    from builds.models.steps import StepName
    from builds.worker.reporter import BuildReporter, StepHandle


class PausedStep(AppConfig):
    """Adds the pauses to the steps of a build, and changes nothing else."""

    name = "tests.builds"
    label = "paused_step"

    def ready(self) -> None:
        """Wrap every step."""
        from builds.worker.reporter import BuildReporter

        step = BuildReporter.step

        @contextmanager
        def pausing(self: BuildReporter, name: StepName) -> Iterator[StepHandle]:
            with step(self, name) as handle:
                pause(self, f"at-{name.value}")
                yield handle
                pause(self, f"in-{name.value}")

        BuildReporter.step = pausing  # type: ignore[method-assign]


def pause(reporter: BuildReporter, point: str) -> None:
    """Wait here if this is the build's pause, and show it in the log and as a file `paused/<point>`."""
    from builds.models import Build

    claim = reporter.claim
    wanted = reporter.lease.run(
        Build.objects.filter(pk=claim.build_id).values_list("version__environment__name", flat=True).get
    )
    if wanted != point or claim.attempt != 1:
        return
    reporter.line(f"Paused {point}.")
    (settings.VAR / "paused").mkdir(exist_ok=True)
    (settings.VAR / "paused" / point).touch()
    while not (settings.VAR / "resume").exists():
        reporter.check()
        time.sleep(0.1)  # another process creates the file
