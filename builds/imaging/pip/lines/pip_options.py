"""pip's options that the solver gets in another form: wheel or source, pre-releases, what a source is built with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from builds.imaging.reporting import ImageError, Reporter
from environments.definition.packages.pip_line import (
    OF_A_REQUIREMENT,
    OF_THE_FILE,
    PipLine,
    taken_apart,
    written,
)
from environments.network.masking import masked

ALL, NONE = ":all:", ":none:"
_SO_ANYWAY = {
    "--trusted-host": "certificates are checked all the same; plain http:// is used where an address says so",
    "--use-feature": "it is a feature of pip's own, and nothing depends on it here",
}
_OF_INDEXES = ("--index-url", "--extra-index-url", "--find-links", "--no-index")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Kinds:
    """Packages, by their normalised names, that are to come as wheels only, and those that are not to.

    With `prefer_wheels`, an older wheel is better than a newer source.
    """

    wheels: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    prefer_wheels: bool = False

    def may_be_source(self, name: str) -> bool:
        """Return whether a package without a wheel may be built from its source."""
        return not {ALL, name} & self.wheels or name in self.sources


@dataclass(frozen=True)
class PipOptions:
    """The options of a definition: `releases` in the solver's form, `settings` and `misplaced` by a package's name."""

    kinds: Kinds = Kinds()
    releases: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    misplaced: Mapping[str, str] = field(default_factory=dict)


def options_of(lines: Sequence[str], reporter: Reporter | None = None) -> tuple[list[str], PipOptions]:
    """Return the lines without these options, and the options. Options without effect are logged."""
    rest: list[str] = []
    chosen = _Chosen()
    for line in lines:
        read = taken_apart(line) if " -" in line or line.startswith("-") else PipLine(line)
        if read.requirement:
            rest.append(_bare(read, chosen, reporter))
            continue
        ((option, value), *_) = read.options
        if option in _SO_ANYWAY:
            if reporter is not None:
                reporter.line(f"{line}: {_SO_ANYWAY[option]}")
        elif not chosen.take(option, value):
            rest.append(line)
    return rest, chosen.options()


def _bare(read: PipLine, chosen: _Chosen, reporter: Reporter | None) -> str:
    """Return a requirement with its hashes only; note its settings, and what has no effect beside it."""
    name = canonicalize_name(named[0]) if (named := _NAME.match(read.requirement)) else ""
    settings = tuple(value for option, value in read.options if option == "--config-settings")
    if settings:
        chosen.settings[name] = (*chosen.settings.get(name, ()), *settings)
    for option, value in read.honoured:
        if option in OF_THE_FILE:
            chosen.take(option, value)
    if without := read.passed_over:
        text = masked(written(without))
        if any(option in _OF_INDEXES for option, _ in without):
            chosen.misplaced[name] = text
        if reporter is not None:
            reporter.line(
                f"Warning: {text} has no effect on the line of {name}, as in pip: put it on a line of its own"
            )
    hashes = [option for option in read.options if option[0] == "--hash"]
    return f"{read.requirement} {written(hashes)}".rstrip()


class _Chosen:
    """Options as they add up from line to line: the later line wins, as in pip."""

    def __init__(self) -> None:
        self.settings: dict[str, tuple[str, ...]] = {}
        self.misplaced: dict[str, str] = {}
        self._wheels: set[str] = set()
        self._sources: set[str] = set()
        self._early: set[str] = set()
        self._final: set[str] = set()
        self._prefer_wheels = False

    def take(self, option: str, value: str) -> bool:
        """Take an option of a line of its own; return whether it is among these."""
        match option:
            case "--prefer-binary":
                self._prefer_wheels = True
            case "--only-binary":
                _add(value, self._wheels, self._sources)
            case "--no-binary":
                _add(value, self._sources, self._wheels)
            case "--pre":
                _add(ALL, self._early, self._final)
            case "--all-releases":
                _add(value, self._early, self._final)
            case "--only-final":
                _add(value, self._final, self._early)
            case _:
                return option in OF_A_REQUIREMENT  # alone on a line, pip passes over it
        return True

    def options(self) -> PipOptions:
        """Return what they come to. Raises ImageError for what is not done here."""
        if ALL in self._sources:
            raise ImageError(
                "bad-spec",
                "Not everything is built from source here, as --no-binary :all: requests.",
                "Name the packages that have to be: --no-binary name.",
            )
        releases: list[str] = []
        for mode, names in (("allow", self._early), ("disallow", self._final)):
            for name in sorted(names):
                releases += (
                    ["--prerelease", mode] if name == ALL else ["--prerelease-package", f"{name}={mode}"]
                )
        kinds = Kinds(frozenset(self._wheels), frozenset(self._sources), self._prefer_wheels)
        return PipOptions(kinds, tuple(releases), self.settings, self.misplaced)


def _add(value: str, target: set[str], other: set[str]) -> None:
    """Add names to a set and take them out of its opposite, as pip does with each option."""
    for item in (item.strip() for item in value.split(",") if item.strip()):
        if item == ALL:
            target.clear()
            other.clear()
            target.add(ALL)
        elif item == NONE:
            target.clear()
        else:
            name = str(canonicalize_name(item))
            other.discard(name)
            target.add(name)
