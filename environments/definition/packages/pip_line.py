"""A line of a requirements file, taken apart as pip does: the requirement, and the options behind or instead of it."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

TAKES_VALUE = frozenset(
    (
        "--index-url",
        "--extra-index-url",
        "--find-links",
        "--no-binary",
        "--only-binary",
        "--trusted-host",
        "--use-feature",
        "--requirement",
        "--constraint",
        "--editable",
        "--hash",
        "--config-settings",
        "--global-option",
        "--all-releases",
        "--only-final",
    )
)
ALONE = frozenset(("--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre"))
# Second spellings of pip's, with the name that comes out.
_ALIASES = {
    "--pypi-url": "--index-url",
    "--config-setting": "--config-settings",
}
_LONG = (*TAKES_VALUE, *ALONE, "--pypi-url", "--config-setting")
SHORT = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-C": "--config-settings",
}
OF_A_REQUIREMENT = frozenset(("--hash", "--config-settings", "--global-option"))
# pip's parser takes these into account for the whole file as soon as it reads them, behind a requirement too.
OF_THE_FILE = frozenset(("--only-binary", "--no-binary", "--all-releases", "--only-final"))
_PLAIN = re.compile(r"(-[a-z]|--[a-z-]+)[ =]([^\s\"'\\]+)")
INLINE_CONSTRAINT = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\]\s*)?(?:[<>=!~]=?|@)")
"""A constraint in the option's place for a file: the reader's own way to keep what `-c limits.txt` held."""
_CONSTRAINT = re.compile(r"(?:-c|--constraint)[ =]\s*(?=[A-Za-z0-9])")
_OPTION_NEXT = re.compile(r"(?:^|(?<= ))-")


class BadOption(ValueError):
    """pip reads no such option; the message says why, `near` is what was probably meant."""

    def __init__(self, message: str, near: str = "") -> None:
        super().__init__(message)
        self.near = near


@dataclass(frozen=True, slots=True)
class PipLine:
    """The parts of a line: a requirement (empty on a line of options), and options by their whole names."""

    requirement: str
    options: tuple[tuple[str, str], ...] = ()
    rest: str = ""
    """What follows the options, and pip passes over: the marker after an index's URL."""

    @property
    def honoured(self) -> tuple[tuple[str, str], ...]:
        """The options that count: behind a requirement its own and those of the file, elsewhere all but its own."""
        return tuple(option for option in self.options if self._honours(option[0]))

    @property
    def passed_over(self) -> tuple[tuple[str, str], ...]:
        """The options that pip reads and does not obey on this line."""
        return tuple(option for option in self.options if not self._honours(option[0]))

    def _honours(self, name: str) -> bool:
        if self.requirement:
            return name in OF_A_REQUIREMENT or name in OF_THE_FILE
        return name not in OF_A_REQUIREMENT


def taken_apart(line: str) -> PipLine:
    """Return the parts of a logical line, without a comment. Raises BadOption."""
    line = re.sub(r"\s", " ", line).strip()
    constraint = _CONSTRAINT.match(line)
    if constraint and INLINE_CONSTRAINT.match(line, constraint.end()):
        return PipLine("", (("--constraint", line[constraint.end() :]),))
    start = _OPTION_NEXT.search(line)
    if start is None:
        return PipLine(line)
    requirement, rest = line[: start.start()].strip(), line[start.start() :]
    plain = _PLAIN.fullmatch(rest)
    if plain and SHORT.get(plain[1], plain[1]) in TAKES_VALUE and " " not in rest.replace(" ", "", 1):
        return PipLine(requirement, ((SHORT.get(plain[1], plain[1]), plain[2]),))
    try:
        # Unlike pip, leave the backslashes of Windows paths alone.
        tokens = shlex.split(rest) if "'" in rest or '"' in rest else rest.split()
    except ValueError:
        raise BadOption("a quotation mark in it is not closed") from None
    options, beside = _parsed(tokens)
    return PipLine(requirement, tuple(options), " ".join(beside))


def as_pip_takes_it(line: str) -> list[str]:
    """Return the line in one spelling: a requirement with its options, or a line for each option; whole names.

    Raises BadOption.
    """
    parts = taken_apart(line)
    if parts.requirement:
        return [f"{parts.requirement} {written(parts.options)}".rstrip()]
    return [written([option]) for option in parts.options]


def written(options: Iterable[tuple[str, str]]) -> str:
    """Return options as they are written on a line."""
    return " ".join(
        f"{name}={shlex.quote(value)}" if name in OF_A_REQUIREMENT else f"{name} {value}".rstrip()
        for name, value in options
    )


def _parsed(tokens: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return options with their values, and what is beside them, by the rules of Python's optparse."""
    options: list[tuple[str, str]] = []
    beside: list[str] = []
    waiting = list(reversed(tokens))
    while waiting:
        part = waiting.pop()
        if part == "--":
            beside += reversed(waiting)
            break
        if part.startswith("--"):
            written, sign, value = part.partition("=")
            name = _whole(written)
            if name in ALONE:
                if sign:
                    raise BadOption(f"{name} takes no value")
                options.append((name, ""))
            else:
                options.append((name, value if sign else _next(name, waiting)))
        elif part.startswith("-") and len(part) > 1:
            short = SHORT.get(part[:2])
            if short is None:
                raise BadOption(f"pip has no option {part[:2]} in files", _near(part))
            # `-i=URL` is a URL that begins with = to pip, which nobody means.
            options.append((short, part[2:].removeprefix("=") or _next(short, waiting)))
        else:
            beside.append(part)
    return options, beside


def _next(name: str, waiting: list[str]) -> str:
    if not waiting:
        raise BadOption(f"{name} needs a value")
    return waiting.pop()


def _whole(written: str) -> str:
    """Return the option that this is the beginning of, as optparse allows."""
    if written in _LONG:
        return _ALIASES.get(written, written)
    begun = sorted({_ALIASES.get(name, name) for name in _LONG if name.startswith(written)})
    if len(begun) == 1:
        return begun[0]
    if begun and len(written) > 2:
        raise BadOption(f"{written} may be {' or '.join(begun[:3])}", begun[0])
    raise BadOption(f"pip has no option {written[:40]} in files", _near(written))


def _near(written: str) -> str:
    names = [name for name in _LONG if name not in _ALIASES]
    return next(iter(difflib.get_close_matches(written[:60], names, n=1, cutoff=0.75)), "")
