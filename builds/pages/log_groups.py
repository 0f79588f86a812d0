"""A build's log as its page shows it first: grouped by step, with gaps for the lines that come on demand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from builds.logs import lines_between
from builds.logs.ansi import lines_html
from builds.models import Build, LogChunk, Step
from builds.pages.steps import state_of, step_label

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LINES_SHOWN = 5_000
AROUND_THE_CAUSE = 500
FOLDED_FROM = 400
"""The lines of a log from which its succeeded steps are folded at first."""


@dataclass
class LogGroup:
    """Consecutive lines of one step; lines of no step have no name and are not folded."""

    key: str
    name: "StrOrPromise"
    step: Step | None
    state: str
    parts: list[str] = field(default_factory=list)
    loaded: bool = False  # whether any of its lines are here
    folded: bool = False

    @property
    def open(self) -> bool:
        """Whether its lines are shown at first."""
        return self.loaded and not self.folded

    @property
    def html(self) -> str:
        """Its lines and gaps, escaped."""
        return "".join(self.parts)


def log_groups(build: Build, *, everything: bool) -> tuple[list[LogGroup], int]:
    """Return the groups of the log so far, and the cursor after it.

    Of a long log the end is loaded, and the lines around the cause of a failure, unless `everything` is wanted.
    """
    steps = list(build.steps.order_by("attempt", "position"))
    grouping = _Grouping(build, steps)
    cursor, line = 0, 1
    for first, last in _windows(build, everything=everything):
        grouping.add_gap(line, first - 1)
        for chunk in lines_between(build.pk, first, last):
            grouping.add(chunk)
            cursor = chunk.seq
        line = last + 1
    return grouping.groups, cursor


def _windows(build: Build, *, everything: bool) -> Iterator[tuple[int, int]]:
    """Yield the ranges of lines that are loaded at first, in order."""
    start = 1 if everything else max(1, build.log_lines - LINES_SHOWN + 1)
    cause = build.error_line or start
    if cause < start:
        yield max(1, cause - AROUND_THE_CAUSE), min(start - 1, cause + AROUND_THE_CAUSE)
    if build.log_lines:
        yield start, build.log_lines


class _Grouping:
    def __init__(self, build: Build, steps: list[Step]) -> None:
        self._build = build
        self._steps = steps
        self.groups: list[LogGroup] = []

    def add(self, chunk: LogChunk) -> None:
        """Add the lines of a chunk to the group of their step."""
        rows = [
            step for step in self._steps if step.name == chunk.step and step.first_line <= chunk.first_line
        ]
        group = self._group(chunk.step, rows[-1] if rows else None)
        group.parts.append(lines_html(chunk))
        group.loaded = True

    def add_gap(self, first: int, last: int) -> None:
        """Add lines that are not loaded, to the groups of the steps that began before them."""
        starts = sorted({step.first_line for step in self._steps if first < step.first_line <= last})
        for begin, following in pairwise([first, *starts, last + 1]):
            if begin < following:
                rows = [step for step in self._steps if step.first_line <= begin]
                row = rows[-1] if rows else None
                group = self._group(row.name if row else "", row)
                group.parts.append(_gap(begin, following - 1))

    def _group(self, key: str, step: Step | None) -> LogGroup:
        last = self.groups[-1] if self.groups else None
        if last is not None and last.key == key and last.step == step:
            return last
        state = state_of(self._build, step) if step else ""
        group = LogGroup(key, step_label(key, self._build) if key else "", step, state)
        group.folded = (
            state == "succeeded" and not self._build.active and self._build.log_lines >= FOLDED_FROM
        )
        self.groups.append(group)
        return group


def _gap(first: int, last: int) -> SafeString:
    return format_html(
        '<div class="log-gap" data-from="{}" data-to="{}"><a href="?all">{}</a></div>',
        first,
        last,
        gettext("Show lines %(first)s to %(last)s") % {"first": first, "last": last},
    )
