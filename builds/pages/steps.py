"""A build's steps as its page lists them: past, running and to come."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy

from builds.models import Build, BuildState, Step
from builds.models.steps import StepName

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

STATE_LABELS = {
    "running": gettext_lazy("running"),
    "succeeded": gettext_lazy("succeeded"),
    "failed": gettext_lazy("failed"),
    "stopped": gettext_lazy("stopped"),
    "skipped": gettext_lazy("skipped"),
    "to-come": gettext_lazy("to come"),
}
# Only builds that have work for them run these: they are listed once they have begun.
SOMETIMES = {StepName.BUILD, StepName.LINK}
OF_PACKAGES = {StepName.RESOLVE, StepName.FETCH}


@dataclass(frozen=True)
class StepRow:
    """A step of the list: its name as shown, its state, its row if it began, and how far it is in percent."""

    key: str  # as in the log
    name: "StrOrPromise"
    state: str
    step: Step | None = None
    percent: int | None = None
    parts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def state_label(self) -> "StrOrPromise":
        """The state in words."""
        return STATE_LABELS[self.state]


def step_rows(build: Build, steps: list[Step]) -> list[StepRow]:
    """Return all steps of a build in their order, from the rows of its last attempt."""
    begun = {step.name: step for step in steps}
    latest = max((step.position for step in steps), default=0)
    rows = []
    for name in StepName:
        step = begun.pop(name.value, None)
        if step is not None:
            rows.append(_row(build, step))
        elif name not in SOMETIMES and not (name in OF_PACKAGES and _has_no_packages(build)):
            to_come = build.active and name.position > latest
            rows.append(
                StepRow(name.value, step_label(name.value, build), "to-come" if to_come else "skipped")
            )
    return rows + [_row(build, step) for step in begun.values()]


def step_label(name: str, build: Build) -> "StrOrPromise":
    """Return a step's name as shown; the first step of a Dockerfile is the whole run of it."""
    if name == StepName.BASE and _is_dockerfile(build):
        return gettext_lazy("Dockerfile")
    return StepName(name).label if name in StepName.values else name


def state_of(build: Build, step: Step) -> str:
    """Return a step's state: what a cancelled build was doing is stopped, not failed."""
    if step.failed:
        return "stopped" if build.state == BuildState.CANCELLED else "failed"
    return "running" if step.ended_at is None else "succeeded"


def _row(build: Build, step: Step) -> StepRow:
    state = state_of(build, step)
    percent = min(100, round(100 * step.done / step.total)) if step.total else None
    parts = [{**part, "state": _state_of_part(state, part)} for part in step.parts]
    return StepRow(step.name, step_label(step.name, build), state, step, percent, parts)


def _state_of_part(step: str, part: dict[str, Any]) -> str:
    """Return the state of a step of a Dockerfile."""
    if part["failed"]:
        return "stopped" if step == "stopped" else "failed"
    if part["cached"]:
        return "cached"
    return "running" if part["seconds"] is None else "succeeded"


def _is_dockerfile(build: Build) -> bool:
    data = build.version.data
    return bool(data.get("dockerfile") is not None or data.get("context"))


def _has_no_packages(build: Build) -> bool:
    python = build.version.data.get("python") or {}
    return not (python.get("pip") or python.get("conda"))
