"""Markers of locks, over the Pythons that an image on Linux may have.

A lock forks by marker. Over one platform the answers differ by the version of Python only, and only at the versions that
its markers name. So the versions fall into a few stretches with the same answers, and a set of stretches is an `int`,
bit by bit: *and* and *or* of markers are `&` and `|`.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TypeVar

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

Key = TypeVar("Key", bound=Hashable)
Release = tuple[int, int, int]

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
"""What markers call the machines of platforms."""
OLDEST, NEWEST = 6, 16
"""The minor versions of Python 3 that are told apart."""
_FULL = re.compile(r"""python_full_version\s*[<>=!~]{1,3}\s*["']3\.(\d{1,3})(?:\.(\d{1,3}))?""")
_FULL_SWAPPED = re.compile(r"""["']3\.(\d{1,3})(?:\.(\d{1,3}))?[^"']{0,9}["']\s*[<>=!~]{1,3}\s*python_full""")
_VERSION = re.compile(r"(?<![<>=!~])([<>=!~]{1,3})\s*3\.(\d{1,3})(?:\.(\d{1,3}))?(?![\d.])")
_MOST_STRETCHES = 256
_MOST_ANSWERS = 5_000
"""How many comparisons are answered for one lock; a real one has a few hundred."""
_QUOTED = r"""(?:"[^"]{0,500}"|'[^']{0,500}')"""
_OPERAND = rf"""(?:{_QUOTED}|[A-Za-z_][\w.]{{0,60}})"""
_WORD = re.compile(
    rf"""\s*+(?:(?P<word>[()]|(?:and|or)(?![\w.]))"""
    rf"""|(?P<comparison>{_OPERAND}\s*+(?:[<>=!~]{{1,3}}|not\s++in(?!\w)|in(?!\w))\s*+{_OPERAND}))?"""
)


def machine_of(platform: str) -> str:
    """Return what markers call the machine of a platform: x86_64 for those that no image is built for."""
    return MACHINES.get(platform, "x86_64")


class Pythons:
    """The stretches of Python versions that the markers of one lock tell apart, on one kind of machine."""

    def __init__(
        self,
        requires: str,
        markers: Iterable[str],
        machine: str = "x86_64",
        *,
        extras: Iterable[str] = (),
        groups: Iterable[str] = (),
    ) -> None:
        """`requires` is the lock's `requires-python`; versions outside it are left out where any is inside.

        `extras` and `groups` are what PEP 751's markers compare with: `"dev" in dependency_groups`.
        """
        self._sets: dict[str, frozenset[str]] = {
            "extras": frozenset(map(canonicalize_name, extras)),
            "dependency_groups": frozenset(map(canonicalize_name, groups)),
        }
        self._atoms: dict[str, int] = {}
        self._left = _MOST_ANSWERS
        starts = {(3, minor, 0) for minor in range(OLDEST, NEWEST + 1)}
        for text in (requires, *markers):
            starts |= _named(text)
        self._starts = sorted(starts)[:_MOST_STRETCHES]
        self._machine = machine
        self._answers: dict[str, int] = {"": (1 << len(self._starts)) - 1}
        self.all = self._meant(requires)
        """The stretches that the lock is for."""

    def where(self, marker: str) -> int:
        """The stretches in which this marker holds. Raises ValueError for what is no marker."""
        answer = self._answers.get(marker)
        if answer is None:
            answer = self._answers[marker] = self._where(marker)
        return answer & self.all

    def python(self, version: str) -> int:
        """The stretch that holds this version; 0 where the lock is not for it."""
        parts = [int(part) for part in re.findall(r"\d+", version)[:3]]
        release = (*parts, 0, 0, 0)[:3]
        for index in range(len(self._starts) - 1, -1, -1):
            if self._starts[index] <= release:
                return (1 << index) & self.all
        return 0

    def marker(self, stretches: int) -> str:
        """The marker that holds in just these of the lock's stretches; empty where it holds in all of them.

        Raises ValueError for none: what is nowhere installed is no line of a lock.
        """
        stretches &= self.all
        if not stretches:
            raise ValueError("no Python is left")
        if stretches == self.all:
            return ""
        inside = [index for index in range(len(self._starts)) if self.all >> index & 1]
        runs: list[tuple[int, int]] = []
        for rank, index in enumerate(inside):
            if not stretches >> index & 1:
                continue
            if runs and runs[-1][1] == rank:
                runs[-1] = (runs[-1][0], rank + 1)
            else:
                runs.append((rank, rank + 1))
        return " or ".join(self._bounds(inside, run, len(runs) > 1) for run in runs)

    def _bounds(self, inside: list[int], run: tuple[int, int], several: bool) -> str:
        first, end = run
        parts = []
        if first > 0:
            parts.append(_bound(">=", self._starts[inside[first]]))
        if end < len(inside):
            parts.append(_bound("<", self._starts[inside[end]]))
        text = " and ".join(parts)
        return f"({text})" if several and len(parts) > 1 else text

    def _where(self, marker: str) -> int:
        """Combine the answers of its comparisons: a lock has thousands of markers, made of a few comparisons."""
        values: list[int] = []
        waiting: list[str] = []
        for comparison, word in _parts(marker):
            if comparison:
                values.append(self._compared(comparison, marker))
            elif word == "(":
                waiting.append(word)
            elif word == ")":
                _combine(values, waiting, ("and", "or"), marker)
                if not waiting or waiting.pop() != "(":
                    raise _bad(marker)
            else:
                _combine(values, waiting, ("and",) if word == "and" else ("and", "or"), marker)
                waiting.append(word)
        _combine(values, waiting, ("and", "or"), marker)
        if len(values) != 1 or waiting:
            raise _bad(marker)
        return values[0]

    def _compared(self, comparison: str, marker: str) -> int:
        answer = self._atoms.get(comparison)
        if answer is None:
            answer = self._atoms[comparison] = self._answer(comparison, marker)
        return answer

    def _answer(self, comparison: str, marker: str) -> int:
        try:
            parsed = Marker(comparison)
        except InvalidMarker as error:
            raise _bad(marker) from error
        # A comparison that does not depend on the version has one answer.
        starts = self._starts if "python" in comparison or "version" in comparison else self._starts[:1]
        self._left -= len(starts)
        if self._left < 0:
            raise ValueError("the lock has more markers than can be told apart")
        # Of the extras and groups only those that it names: packaging goes through all, each time.
        named = {canonicalize_name(literal_eval(text)) for text in re.findall(_QUOTED, comparison)}
        sets = {kind: names & named for kind, names in self._sets.items()}
        stretches = 0
        for index, start in enumerate(starts):
            # A marker on something that no image has (`extra` without a value) installs nothing.
            with suppress(UndefinedComparison, UndefinedEnvironmentName):
                holds = parsed.evaluate({**self._environment(start), **sets}, "lock_file")
                stretches |= int(holds) << index
        return (1 << len(self._starts)) - 1 if stretches and len(starts) == 1 else stretches

    def _environment(self, start: Release) -> dict[str, str]:
        full = ".".join(map(str, start))
        return {
            "implementation_name": "cpython",
            "implementation_version": full,
            "os_name": "posix",
            "platform_machine": self._machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": full,
            "python_version": f"{start[0]}.{start[1]}",
            "sys_platform": "linux",
            "extra": "",
        }

    def _meant(self, requires: str) -> int:
        everything = (1 << len(self._starts)) - 1
        try:
            specifiers = SpecifierSet(requires)
        except InvalidSpecifier:
            return everything
        meant = 0
        for index, start in enumerate(self._starts):
            # `>=3.11.4` is for the stretch from 3.11.0 too, where no marker tells the two apart.
            inside = specifiers.contains(".".join(map(str, start)), prereleases=True)
            meant |= int(inside) << index
        return meant or everything


def reach(roots: Mapping[Key, int], needs: Callable[[Key], Iterable[tuple[Key, int]]]) -> dict[Key, int]:
    """Return the stretches in which each package of a lock is installed.

    `roots` are the packages that are requested, and where; `needs` gives what a package needs, and where.
    """
    reached: dict[Key, int] = {}
    waiting = deque(roots.items())
    while waiting:
        key, stretches = waiting.popleft()
        before = reached.get(key, 0)
        if not stretches & ~before:
            continue
        reached[key] = before | stretches
        for needed, where in needs(key):
            if where & stretches:
                waiting.append((needed, where & stretches))
    return reached


def _parts(marker: str) -> Iterator[tuple[str, str]]:
    """Yield the comparisons of a marker, and what is between them: `and`, `or` and brackets."""
    at, expects_value = 0, True
    while at < len(marker):
        match = _WORD.match(marker, at)
        if match is None or match.end() == at:
            raise _bad(marker)
        at = match.end()
        if match["comparison"]:
            if not expects_value:
                raise _bad(marker)
            expects_value = False
        elif match["word"]:
            if (match["word"] == "(") != expects_value:
                raise _bad(marker)
            expects_value = match["word"] != ")"
        else:
            continue
        yield match["comparison"] or "", match["word"] or ""


def _combine(values: list[int], waiting: list[str], operators: tuple[str, ...], marker: str) -> None:
    """Combine values by the operators before that bind at least as tightly."""
    while waiting and waiting[-1] in operators:
        if len(values) < 2:
            raise _bad(marker)
        right = values.pop()
        values[-1] = values[-1] & right if waiting.pop() == "and" else values[-1] | right


def _bad(marker: str) -> ValueError:
    return ValueError(f"{marker[:80]!r} is not a marker")


def _named(text: str) -> set[Release]:
    """Return the full versions at which a marker or specifier may change its answer."""
    starts: set[Release] = set()
    for pattern in (_FULL, _FULL_SWAPPED):
        for match in pattern.finditer(text):
            minor, micro = int(match[1]), int(match[2] or 0)
            starts |= {(3, minor, micro), (3, minor, micro + 1)} if micro else {(3, minor, 0), (3, minor, 1)}
    for match in _VERSION.finditer(text):
        minor, micro = int(match[2]), int(match[3] or 0)
        if match[3] or match[1] in (">", "<=", "==", "!="):  # 3.8.1 is > 3.8, and 3.8.0 is not
            starts |= {(3, minor, micro), (3, minor, micro + 1)}
    return {start for start in starts if OLDEST <= start[1] <= NEWEST}


def _bound(sign: str, start: Release) -> str:
    if start[2] == 0:
        return f'python_version {sign} "3.{start[1]}"'
    return f'python_full_version {sign} "3.{start[1]}.{start[2]}"'
