"""Estimates of a build's duration, step by step, from the durations of similar builds.

No estimate without enough history: builds of the same content come first, then of the same environment, then
of the workspace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import ngettext_lazy, pgettext_lazy

from builds.models import Build, BuildState, Step
from environments.models import Version

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

LOOKED_AT = 9  # the newest builds

# The label of a similarity on pages, the number of builds it needs, and its filter
SIMILARITIES: tuple[tuple[StrPromise, int, Callable[[Version], dict[str, Any]]], ...] = (
    (pgettext_lazy("builds of", "this content"), 1, lambda version: {"hash": version.hash}),
    (
        pgettext_lazy("builds of", "this environment"),
        1,
        lambda version: {"version__environment": version.environment_id},
    ),
    (pgettext_lazy("builds of", "this workspace"), 3, lambda version: {}),
)


TOOK = ngettext_lazy(
    "The last build of %(alike)s took about %(time)s.",
    "The last %(builds)s builds of %(alike)s took about %(time)s.",
    "builds",
)
LONGER = ngettext_lazy(
    "It takes longer than usual: the last build of %(alike)s took about %(time)s.",
    "It takes longer than usual: the last %(builds)s builds of %(alike)s took about %(time)s.",
    "builds",
)
LEFT = ngettext_lazy(
    "About %(time)s left, going by the last build of %(alike)s.",
    "About %(time)s left, going by the last %(builds)s builds of %(alike)s.",
    "builds",
)


@dataclass(frozen=True)
class History:
    """The durations of similar builds: the median of the whole and of each step, and their similarity."""

    seconds: float
    steps: dict[str, float]
    alike: StrPromise
    builds: int

    def say(self, sentence: Any, seconds: float) -> str:
        """Return a sentence about these builds, translated when it is rendered."""
        return _later(sentence, self, roughly(seconds))

    def left(self, steps: list[Step], elapsed: float) -> float:
        """Return the estimated seconds that a build with these steps has left."""
        begun = {step.name: step for step in steps}
        now = timezone.now()
        left = 0.0
        for name, usual in self.steps.items():
            step = begun.get(name)
            if step is None:
                later = not any(self._after(name, other) for other in begun)
                left += usual if later else 0.0  # a skipped step does not run later
            elif step.ended_at is None:
                left += max(0.0, usual - (now - step.started_at).total_seconds())
        return left if begun else max(0.0, self.seconds - elapsed)

    def _after(self, name: str, other: str) -> bool:
        order = list(self.steps)
        return other in order and order.index(other) > order.index(name)


def _fill(sentence: Any, history: History, time: str) -> str:
    return str(sentence % {"builds": history.builds, "alike": history.alike, "time": time})


# Viewers share the look-up, and each reads it in their language.
_later = lazy(_fill, str)


def duration_history(version: Version) -> History | None:
    """Return the durations of builds similar to one of this version; None without enough history."""
    made = Build.objects.filter(
        workspace=version.environment.workspace_id, state=BuildState.SUCCEEDED, reused=False
    ).order_by("-ended_at")
    for alike, enough, common in SIMILARITIES:
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
    # A step that most of them skipped is not expected.
    return {name: median(times) for name, times in took.items() if 2 * len(times) > len(builds)}


def build_estimate(build: Build, steps: list[Step]) -> str:
    """Return a sentence with a build's estimated duration; empty without enough history."""
    history = duration_history(build.version) if build.active else None
    if history is None:
        return ""
    if build.state == BuildState.QUEUED or build.started_at is None:
        return history.say(TOOK, history.seconds)
    left = history.left(steps, (timezone.now() - build.started_at).total_seconds())
    if left < 1:
        return history.say(LONGER, history.seconds)
    return history.say(LEFT, left)


def version_estimate(version: Version) -> str:
    """Return a sentence with the estimated duration of a version's build; empty without enough history."""
    history = duration_history(version)
    return history.say(TOOK, history.seconds) if history else ""


def roughly(seconds: float) -> str:
    """Return a duration as precise as an estimate can be: 8 s, 40 s, 3 min, 1 h 20 min."""
    if seconds < 17.5:
        return f"{max(1, round(seconds))} s"
    if seconds < 87.5:
        return f"{5 * round(seconds / 5)} s"
    minutes = max(2, round(seconds / 60)) if seconds < 3600 else 10 * round(seconds / 600)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
