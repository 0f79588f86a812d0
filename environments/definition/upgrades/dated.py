"""Limit a definition to what had been uploaded at a time: built again, it stays what it was then."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from environments.definition.findings.result import Reading
from environments.definition.formats.azure import v2
from environments.definition.model import Definition
from environments.definition.upgrades.texts import CannotUpgrade
from environments.definition.writing.write import CannotWrite, write

_LIMIT = re.compile(r"(?m)^(?P<indent>[ \t]*)(?:as_of|newest)[ \t]*:[^\n]*$")
_FIRST_KEY = re.compile(r"(?m)^[A-Za-z_$][\w$-]*[ \t]*:")


def dated(text: str, reading: Reading, time: str, reread: Callable[[str], Reading]) -> tuple[str, bool]:
    """Return the text with `as_of: time`, and whether it is the same file with one line more or changed.

    Formats without that key are written as YAML instead. Raises CannotUpgrade.
    """
    if reading.definition is None:
        raise CannotUpgrade("The definition cannot be read.")
    expected = _dated(reading.definition, time)
    for candidate in _candidates(text, time) if reading.format == v2.FORMAT else ():
        if reread(candidate).definition == expected:
            return candidate, True
    try:
        return write(expected, v2.FORMAT), False
    except CannotWrite as error:
        raise CannotUpgrade(f"It cannot be limited to a time: {error}") from error


def _dated(definition: Definition, time: str) -> Definition:
    cutoff = definition.cutoff.model_copy(update={"as_of": time, "newest": ""})
    return definition.model_copy(update={"cutoff": cutoff})


def _candidates(text: str, time: str) -> Iterator[str]:
    line = f'as_of: "{time}"'
    if _LIMIT.search(text):
        yield _LIMIT.sub(lambda match: f"{match['indent']}{line}", text, count=1)
        return
    newline = "\r\n" if "\r\n" in text else "\n"
    yield f"{text.rstrip()}{newline}{line}{newline}"
    if first := _FIRST_KEY.search(text):
        yield f"{text[: first.start()]}{line}{newline}{text[first.start() :]}"
