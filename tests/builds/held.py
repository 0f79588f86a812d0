"""Stop a build in a step of a test's choice, in a real worker: what the step had to do is done, and not yet told.

The build of an environment named `in-fetch` is held at the end of its step `fetch` (`at-fetch`: at the
beginning) in its first attempt, until the studio's folder has a file `let-go`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import AppConfig
from django.conf import settings


class Held(AppConfig):
    """Adds the stop to the steps of a build, and changes nothing else."""

    name = "tests.builds"
    label = "held"

    def ready(self) -> None:
        """Put the stop around every step."""
        from builds import reporting

        step = reporting.BuildReporter.step

        @contextmanager
        def holding(
            self: reporting.BuildReporter, position: int, name: str
        ) -> Iterator[reporting.StepHandle]:
            with step(self, position, name) as handle:
                hold(self, f"at-{name}")
                yield handle
                hold(self, f"in-{name}")

        reporting.BuildReporter.step = holding  # type: ignore[method-assign]


def hold(reporter: object, place: str) -> None:
    """Wait here when it is this build's place, and tell so in the log and by a file `held/<place>`."""
    from builds.models import Build
    from builds.reporting import BuildReporter

    assert isinstance(reporter, BuildReporter)
    claim = reporter.claim
    wanted = reporter.lease.keep(
        Build.objects.filter(pk=claim.build_id).values_list("version__environment__name", flat=True).get
    )
    if wanted != place or claim.attempt != 1:
        return
    reporter.line(f"Held {place}.")
    (settings.VAR / "held").mkdir(exist_ok=True)
    (settings.VAR / "held" / place).touch()
    while not (settings.VAR / "let-go").exists():
        reporter.check()
        time.sleep(0.05)  # another process's file
