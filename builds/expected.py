"""How long a build is likely to take, from how long builds like it took, step by step.

Nothing is said without a basis: builds of the same content come first, then those of the same environment,
then those of the workspace.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from builds.models import Build, State, Step
from environments.models import Version

LOOKED_AT = 9  # builds: the newest ones tell most

# What the builds have in common, how many of them are enough to go by, and what a page says of them
LIKENESSES: tuple[tuple[str, int, Callable[[Version], dict[str, Any]]], ...] = (
    ("this content", 1, lambda version: {"hash": version.hash}),
    ("this environment", 1, lambda version: {"version__environment": version.environment_id}),
    ("this workspace", 3, lambda version: {}),
)


@dataclass(frozen=True)
class History:
    """How long builds like this one took: the median in all and of each step, and what they have in common."""

    seconds: float
    steps: dict[str, float]
    alike: str
    builds: int

    @property
    def like_it(self) -> str:
        """The builds gone by, for a sentence: `The last 5 builds of this environment`."""
        return (
            f"The last {self.builds} builds of {self.alike}"
            if self.builds > 1
            else f"The last build of {self.alike}"
        )

    def left(self, steps: list[Step], elapsed: float) -> float:
        """Return how many seconds a build that has come this far has likely yet to go."""
        begun = {step.name: step for step in steps}
        now = timezone.now()
        left = 0.0
        for name, usual in self.steps.items():
            step = begun.get(name)
            if step is None:
                later = not any(self._after(name, other) for other in begun)
                left += usual if later else 0.0  # a step that was passed over is not coming
            elif step.ended_at is None:
                left += max(0.0, usual - (now - step.started_at).total_seconds())
        return left if begun else max(0.0, self.seconds - elapsed)

    def _after(self, name: str, other: str) -> bool:
        order = list(self.steps)
        return other in order and order.index(other) > order.index(name)


def history_of(version: Version) -> History | None:
    """Return how long builds like one of this version took; None where there is nothing to go by."""
    made = Build.objects.filter(
        workspace=version.environment.workspace_id, state=State.SUCCEEDED, reused=False
    ).order_by("-ended_at")
    for alike, enough, common in LIKENESSES:
        if version.environment_id is None and "version__environment" in common(version):
            continue  # a definition that is not saved yet
        recent = list(made.filter(**common(version))[:LOOKED_AT])
        if len(recent) >= enough:
            took = [build.seconds for build in recent if build.seconds is not None]
            return History(median(took), _medians(recent), alike, len(recent)) if took else None
    return None


def _medians(builds: list[Build]) -> dict[str, float]:
    """Return the median of each step by its name, in the order of the steps."""
    steps: QuerySet[Step] = Step.objects.filter(build__in=builds, failed=False).order_by("position")
    took: dict[str, list[float]] = defaultdict(list)
    for step in steps:
        if step.seconds is not None:
            took[step.name].append(step.seconds)
    # A step that most of them did without is none to expect.
    return {name: median(times) for name, times in took.items() if 2 * len(times) > len(builds)}


def expectation(build: Build, steps: list[Step]) -> str:
    """Return a sentence about how long a build will take; empty where there is nothing to go by."""
    history = history_of(build.version) if build.active else None
    if history is None:
        return ""
    if build.state == State.QUEUED or build.started_at is None:
        return f"{history.like_it} took about {roughly(history.seconds)}."
    left = history.left(steps, (timezone.now() - build.started_at).total_seconds())
    if left < 1:
        return f"It takes longer than usual: {history.like_it.lower()} took about {roughly(history.seconds)}."
    return f"About {roughly(left)} left, going by {history.like_it.lower()}."


def expectation_of(version: Version) -> str:
    """Return a sentence about how long a build of a version would take; empty where there is nothing to go by."""
    history = history_of(version)
    return f"{history.like_it} took about {roughly(history.seconds)}." if history else ""


def roughly(seconds: float) -> str:
    """Return a length of time no more exactly than it can be known: 8 s, 40 s, 3 min, 1 h 20 min."""
    if seconds < 17.5:
        return f"{max(1, round(seconds))} s"
    if seconds < 87.5:
        return f"{5 * round(seconds / 5)} s"
    minutes = max(2, round(seconds / 60)) if seconds < 3600 else 10 * round(seconds / 600)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
