"""Upgrade packages in the texts of a definition: every edit is checked by reading the result."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from environments.definition.findings.result import Reading
from environments.definition.model import Definition, PythonLayer
from environments.definition.packages.specs import BadSpec, conda_spec, pip_name, pip_spec
from environments.definition.upgrades.raising import NotRaised, appended, raised_conda, raised_pip

Ecosystem = Literal["pip", "conda"]
Texts = Mapping[str, str]
"""The texts of a definition by their paths: its source, and the files beside it."""
Reread = Callable[[Texts], Reading]
MOST_TRIED = 20
"""Spots of a text that are tried for one edit; each costs a reading."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SPACE = r"[ \t]*"
_OPENING = re.compile(r"""\s*(?:-\s+)?["']?""")
_CLOSING = re.compile(r"""(?P<close>["']?(?:[ \t]*+,)?)[ \t]*+(?:\#.*)?""")


class CannotUpgrade(ValueError):
    """The texts cannot be changed so that the package is new enough; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A package, and the version that it must have at least."""

    ecosystem: Ecosystem
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Change:
    """A requirement before and after; `before` is empty if it is new."""

    before: str
    after: str


@dataclass(frozen=True)
class Upgraded:
    """The new texts, what reading them gives, and the requirements that changed."""

    texts: Texts
    reading: Reading
    changes: Sequence[Change] = field(default_factory=tuple)


def upgraded(texts: Texts, reading: Reading, upgrades: Sequence[Upgrade], reread: Reread) -> Upgraded:
    """Return the texts after the smallest edits with which these packages are new enough. Raises CannotUpgrade.

    `reading` is that of `texts`, and `reread` reads changed texts in the same way. Comments and everything else stay.
    """
    result = Upgraded(texts, reading)
    for upgrade in upgrades:
        result = _one_upgraded(result, upgrade, reread)
    return result


def _one_upgraded(before: Upgraded, upgrade: Upgrade, reread: Reread) -> Upgraded:
    changes = _changes(_definition(before.reading).python, upgrade)
    result = before
    for change in changes:
        if change.before != change.after:
            result = _edited(result, change, upgrade.ecosystem, reread)
    return result


def _definition(reading: Reading) -> Definition:
    if reading.definition is None:
        raise CannotUpgrade("The definition cannot be read.")
    return reading.definition


def _changes(python: PythonLayer, upgrade: Upgrade) -> list[Change]:
    """Return the change of each requirement that names the package, or else the new requirement."""
    changes = []
    for line in python.pip if upgrade.ecosystem == "pip" else python.conda:
        if _name_of(line, upgrade.ecosystem) != upgrade.name:
            continue
        try:
            after = (raised_pip if upgrade.ecosystem == "pip" else raised_conda)(line, upgrade.version)
        except NotRaised as error:
            raise CannotUpgrade(f"{upgrade.name} cannot be raised here. {error}") from error
        changes.append(Change(line, after))
    return changes or [Change("", appended(upgrade.name, upgrade.version, upgrade.ecosystem))]


def _name_of(line: str, ecosystem: Ecosystem) -> str:
    with suppress(BadSpec):
        spec = pip_spec(line) if ecosystem == "pip" else conda_spec(line)
        return spec.name if spec is not None else ""
    return ""


def _edited(before: Upgraded, change: Change, ecosystem: Ecosystem, reread: Reread) -> Upgraded:
    """Return the texts with one change, by the first edit that makes exactly this change."""
    definition = _definition(before.reading)
    expected = _with_change(definition, change, ecosystem)
    if change.before:
        candidates = _replacements(before.texts, change)
    else:
        lines = getattr(definition.python, ecosystem)
        candidates = _insertions(before.texts, lines[-1] if lines else "", change.after)
    for tried, texts in enumerate(candidates):
        if tried == MOST_TRIED:
            break
        reading = reread(texts)
        if reading.definition is not None and _same(reading.definition, expected):
            return Upgraded(texts, reading, (*before.changes, change))
    what = f"{change.before} to {change.after}" if change.before else change.after
    raise CannotUpgrade(
        f"The text has no line in which {what} could be written. A lock is updated with the tool that made it."
    )


def _with_change(definition: Definition, change: Change, ecosystem: Ecosystem) -> Definition:
    lines = list(getattr(definition.python, ecosystem))
    if change.before:
        lines[lines.index(change.before)] = change.after
    else:
        lines.append(change.after)
    python = definition.python.model_copy(update={ecosystem: tuple(lines)})
    return definition.model_copy(update={"python": python})


def _same(definition: Definition, expected: Definition) -> bool:
    """Whether two definitions differ at most in the order of their packages."""
    return _unordered(definition) == _unordered(expected) and all(
        Counter(map(_squeezed, getattr(definition.python, ecosystem)))
        == Counter(map(_squeezed, getattr(expected.python, ecosystem)))
        for ecosystem in ("pip", "conda")
    )


def _unordered(definition: Definition) -> Definition:
    python = definition.python.model_copy(update={"pip": (), "conda": ()})
    return definition.model_copy(update={"python": python})


def _squeezed(line: str) -> str:
    return re.sub(r"\s+", "", line)


def _replacements(texts: Texts, change: Change) -> Iterator[Texts]:
    pattern = _written(change.before)
    for path, text in texts.items():
        for match in pattern.finditer(text):
            yield {**texts, path: f"{text[: match.start()]}{change.after}{text[match.end() :]}"}


def _written(requirement: str) -> re.Pattern[str]:
    """Return a pattern of the ways in which a requirement may be spelt: blanks, and letters of its name."""
    name = _NAME.match(requirement)
    start = name.end() if name and "::" not in requirement else 0
    spelt = _SPACE.join(re.escape(character) for character in _squeezed(requirement[start:]))
    if start:
        dashes = "[-_.]+".join(re.escape(part) for part in pip_name(requirement[:start]).split("-"))
        spelt = f"(?i:{dashes}){_SPACE}{spelt}" if spelt else f"(?i:{dashes})"
    return re.compile(rf"(?<![\w.\[-]){spelt}(?![\w.*\[<>=!~-])")


def _insertions(texts: Texts, last: str, new: str) -> Iterator[Texts]:
    """Yield the texts with a new requirement after the last: on a line of its own, else in the same list."""
    if not last:
        return
    pattern = _written(last)
    for path, text in texts.items():
        newline = "\r\n" if "\r\n" in text else "\n"
        for match in pattern.finditer(text):
            start, end = _line_around(text, match.start(), match.end())
            opening, closing = text[start : match.start()], _CLOSING.fullmatch(text[match.end() : end])
            if closing is not None and _OPENING.fullmatch(opening):
                own = f"{newline}{opening}{new}{closing['close'].rstrip()}"
                yield {**texts, path: f"{text[:end]}{own}{text[end:]}"}
            quote = text[match.end()] if text[match.end() : match.end() + 1] in ("'", '"') else ""
            yield {**texts, path: f"{text[: match.end()]}{quote}, {quote}{new}{text[match.end() :]}"}


def _line_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where the line of a match starts and ends, without its line end."""
    first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    last = len(text) if last < 0 else last
    return first, last - 1 if text[last - 1 : last] == "\r" else last
