"""Estimates of a build's end, step by step, from the durations of similar builds.

No estimate without enough history: builds of the same definition come first, then of the same environment, then of
the same kind of source in the workspace: a Dockerfile takes its own time, however fast pip is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
SEARCHED = 100  # the newest builds of a workspace, among which those of one kind are looked for
ENOUGH_OF_A_KIND = 3

OF_DEFINITION = pgettext_lazy("builds of", "this definition")
OF_ENVIRONMENT = pgettext_lazy("builds of", "this environment")
KINDS: dict[str, StrPromise] = {
    "dockerfile": pgettext_lazy("builds of", "Dockerfiles"),
    "conda": pgettext_lazy("builds of", "conda environments"),
    "pip": pgettext_lazy("builds of", "pip environments"),
    "curated": pgettext_lazy("builds of", "curated environments"),
}

TOOK = ngettext_lazy(
    "Takes about %(time)s (based on the last build of %(alike)s).",
    "Takes about %(time)s (based on the last %(builds)s builds of %(alike)s).",
    "builds",
)
LONGER = ngettext_lazy(
    "Taking longer than usual (the last build of %(alike)s took about %(time)s).",
    "Taking longer than usual (the last %(builds)s builds of %(alike)s took about %(time)s).",
    "builds",
)
LEFT = ngettext_lazy(
    "About %(time)s left (based on the last build of %(alike)s).",
    "About %(time)s left (based on the last %(builds)s builds of %(alike)s).",
    "builds",
)


@dataclass(frozen=True)
class History:
    """The durations of similar builds: the median of the whole and of each step, and their similarity."""

    seconds: float
    steps: dict[str, float]
    alike: StrPromise
    builds: int
    of: str  # definition, environment, or a kind of source

    def say(self, sentence: Any, time: str) -> str:
        """Return a sentence about these builds, translated when it is rendered."""
        return _later(sentence, self, time)

    def end_of(self, steps: Sequence[Step], started_at: datetime) -> datetime:
        """Return when a build that started then, with these steps so far, is expected to end.

        It stays the same while a step takes longer than usual, so that the time left goes down to zero.
        """
        if not steps:
            return started_at + timedelta(seconds=self.seconds)
        begun = {step.name for step in steps}
        latest = max(steps, key=lambda step: step.started_at)
        if latest.ended_at is None:
            known = latest.started_at + timedelta(seconds=self.steps.get(latest.name, 0.0))
        else:
            known = latest.ended_at
        # A skipped step does not run later.
        later = (
            usual
            for name, usual in self.steps.items()
            if name not in begun and not any(self._after(name, other) for other in begun)
        )
        return known + timedelta(seconds=sum(later))

    def _after(self, name: str, other: str) -> bool:
        order = list(self.steps)
        return other in order and order.index(other) > order.index(name)


@dataclass(frozen=True)
class Estimate:
    """When a running build is expected to end; of a queued build, how long it will take."""

    history: History
    ends_at: datetime | None

    @property
    def seconds_left(self) -> float | None:
        """The seconds left, 0 once the build takes longer than usual; None before it has begun."""
        return None if self.ends_at is None else max(0.0, (self.ends_at - timezone.now()).total_seconds())

    @property
    def sentence(self) -> str:
        """The estimate as it is now."""
        left = self.seconds_left
        if left is None:
            return self.history.say(TOOK, roughly(self.history.seconds))
        return self.history.say(LEFT, roughly(left)) if left >= 1 else self.longer

    @property
    def template(self) -> str:
        """The sentence with `{time}` for the time left, which the page's script fills in each second."""
        return self.history.say(LEFT, "{time}")

    @property
    def longer(self) -> str:
        """The sentence once the estimate is exceeded."""
        return self.history.say(LONGER, roughly(self.history.seconds))


def _fill(sentence: Any, history: History, time: str) -> str:
    return str(sentence % {"builds": history.builds, "alike": history.alike, "time": time})


# Viewers share the look-up, and each reads it in their language.
_later = lazy(_fill, str)


def duration_history(version: Version) -> History | None:
    """Return the durations of builds similar to one of this version; None without enough history."""
    made = Build.objects.filter(
        workspace=version.environment.workspace_id, state=BuildState.SUCCEEDED, reused=False
    ).order_by("-ended_at")
    kind = kind_of_source(version)
    looks: list[tuple[str, StrPromise, int, Callable[[], list[Build]]]] = [
        ("definition", OF_DEFINITION, 1, lambda: list(made.filter(hash=version.hash)[:LOOKED_AT])),
        (kind, KINDS[kind], ENOUGH_OF_A_KIND, lambda: _of_kind(made, kind)),
    ]
    if version.environment_id is not None:  # else the definition is not saved yet
        own = made.filter(version__environment=version.environment_id)
        looks.insert(1, ("environment", OF_ENVIRONMENT, 1, lambda: list(own[:LOOKED_AT])))
    for of, alike, enough, look in looks:
        recent = look()
        took = [build.seconds for build in recent if build.seconds is not None]
        if len(took) >= enough:
            return History(median(took), _medians(recent), alike, len(took), of)
    return None


def kind_of_source(version: Version) -> str:
    """Return the kind of a version's source, which decides how long its builds take: a key of KINDS."""
    if version.environment.workspace.curated:
        return "curated"
    return kind_of(version.base, (version.data.get("python") or {}).get("conda"))


def kind_of(base: str, conda: object) -> str:
    """Return the kind of a source in a workspace: a Dockerfile has no base of its own."""
    return "dockerfile" if not base else "conda" if conda else "pip"


def _of_kind(made: QuerySet[Build], kind: str) -> list[Build]:
    rows = made.values_list("pk", "version__base", "version__data__python__conda")[:SEARCHED]
    # All builds of the catalogue's workspace are of curated environments.
    alike = [pk for pk, base, conda in rows if kind in ("curated", kind_of(base, conda))][:LOOKED_AT]
    return list(made.filter(pk__in=alike)) if alike else []


def typical_seconds(workspace: int) -> float | None:
    """Return the median duration of a workspace's last builds; None if it has built nothing."""
    made = Build.objects.filter(workspace=workspace, state=BuildState.SUCCEEDED, reused=False)
    took = [build.seconds for build in made.order_by("-ended_at").only("started_at", "ended_at")[:LOOKED_AT]]
    known = [seconds for seconds in took if seconds is not None]
    return median(known) if known else None


def _medians(builds: list[Build]) -> dict[str, float]:
    """Return the median of each step by its name, in the order of the steps."""
    steps: QuerySet[Step] = Step.objects.filter(build__in=builds, failed=False).order_by("position")
    took: dict[str, list[float]] = defaultdict(list)
    for step in steps:
        if step.seconds is not None:
            took[step.name].append(step.seconds)
    # A step that most of them skipped is not expected.
    return {name: median(times) for name, times in took.items() if 2 * len(times) > len(builds)}


def estimate_of(build: Build, steps: Sequence[Step]) -> Estimate | None:
    """Return when an active build is expected to end; None without enough history."""
    history = duration_history(build.version) if build.active else None
    if history is None:
        return None
    if build.state == BuildState.QUEUED or build.started_at is None:
        return Estimate(history, None)
    return Estimate(history, history.end_of(steps, build.started_at))


def build_estimate(build: Build, steps: Sequence[Step]) -> str:
    """Return a sentence with a build's estimated duration; empty without enough history."""
    estimate = estimate_of(build, steps)
    return estimate.sentence if estimate else ""


def version_estimate(version: Version) -> str:
    """Return a sentence with the estimated duration of a version's build; empty without enough history."""
    history = duration_history(version)
    return history.say(TOOK, roughly(history.seconds)) if history else ""


def roughly(seconds: float) -> str:
    """Return a duration as precise as an estimate can be: 8 s, 40 s, 3 min, 1 h 20 min."""
    if seconds < 17.5:
        return f"{max(1, round(seconds))} s"
    if seconds < 87.5:
        return f"{5 * round(seconds / 5)} s"
    minutes = max(2, round(seconds / 60)) if seconds < 3600 else 10 * round(seconds / 600)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
