"""Read a line of requirements into a requirement and options, as pip does: quotes, short forms, glued values."""

from __future__ import annotations

import optparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

# The options that pip takes in a file of requirements, with their short forms; those with a value first.
_WITH_VALUE = (
    ("--index-url", "-i", "--pypi-url"),
    ("--extra-index-url",),
    ("--find-links", "-f"),
    ("--constraint", "-c"),
    ("--requirement", "-r"),
    ("--editable", "-e"),
    ("--no-binary",),
    ("--only-binary",),
    ("--all-releases",),
    ("--only-final",),
    ("--trusted-host",),
    ("--use-feature",),
    ("--hash",),
    ("--config-settings", "-C"),
)
_WITHOUT_VALUE = (
    ("--no-index",),
    ("--prefer-binary",),
    ("--require-hashes",),
    ("--no-require-hashes",),
    ("--pre",),
)
# Those that count on a requirement's own line; pip takes the others there, and does nothing with them.
OF_A_REQUIREMENT = ("--hash", "--config-settings")
# Those that say where packages come from.
OF_INDEXES = ("--index-url", "--extra-index-url", "--find-links", "--no-index")
_UNKNOWN = re.compile(r"no such option: (?P<name>\S+)")
_AMBIGUOUS = re.compile(r"ambiguous option: (?P<name>\S+) \((?P<may_be>[^)]*)\)")
_LACKING = re.compile(r"(?P<name>-\S+) option requires")

Option = tuple[str, str]
"""Its long name, and its value; empty for an option without one."""


class BadOptions(ValueError):
    """Options that pip does not take, with what is wrong about them and what to do."""

    def __init__(self, why: str, help: str) -> None:
        super().__init__(why)
        self.why = why
        self.help = help


@dataclass(frozen=True)
class PipLine:
    """A line: its requirement, empty for a line of options only, and its options in the order written."""

    requirement: str
    options: tuple[Option, ...]

    @property
    def misplaced(self) -> tuple[Option, ...]:
        """The options beside a requirement that have no effect there."""
        if not self.requirement:
            return ()
        return tuple(option for option in self.options if option[0] not in OF_A_REQUIREMENT)

    @property
    def own(self) -> tuple[Option, ...]:
        """The options of the line's requirement."""
        return tuple(option for option in self.options if option[0] in OF_A_REQUIREMENT)


def read_line(line: str) -> PipLine:
    """Return a line's requirement and options. Raises BadOptions."""
    parts = line.split(" ")
    first = next((number for number, word in enumerate(parts) if word.startswith("-")), len(parts))
    requirement = " ".join(parts[:first]).strip()
    if first == len(parts):
        return PipLine(requirement, ())
    if "\\" in line:
        # Not all programs read it alike in an address.
        raise BadOptions("there is a backslash in it", "Write its options without.")
    try:
        arguments = shlex.split(" ".join(parts[first:]))
    except ValueError:
        raise BadOptions("a quotation mark in it has no partner", "Close the quotation mark.") from None
    parser = _Parser()
    parser.parse_args(arguments)
    return PipLine(requirement, tuple(parser.options))


def written(options: Sequence[Option]) -> str:
    """Return options as they are written on a line, in their long names."""
    return " ".join(_spelled(name, value) for name, value in options)


def _spelled(name: str, value: str) -> str:
    if name in OF_A_REQUIREMENT:
        return f"{name}={shlex.quote(value)}"
    return f"{name} {value}".rstrip()


class _Parser(optparse.OptionParser):
    """pip's own parser is one of these, so that abbreviations and glued values are read alike."""

    def __init__(self) -> None:
        super().__init__(add_help_option=False, usage="")
        self.options: list[Option] = []
        for names in _WITH_VALUE:
            self._take(names, "str")
        for names in _WITHOUT_VALUE:
            self._take(names)

    def _take(self, names: Sequence[str], type: str | None = None) -> None:
        def add(_: optparse.Option, __: str, value: str | None, ___: optparse.OptionParser) -> None:
            self.options.append((names[0], value or ""))

        self.add_option(*names, action="callback", type=type, callback=add)

    def error(self, msg: str) -> NoReturn:
        if (match := _AMBIGUOUS.search(msg)) is not None:
            raise BadOptions(
                f"the option {match['name']} may be any of {match['may_be'].removesuffix('?')}",
                "Write its whole name.",
            )
        if (match := _LACKING.search(msg)) is not None:
            raise BadOptions(f"the option {match['name']} has no value", "Write its value after it.")
        name = match["name"] if (match := _UNKNOWN.search(msg)) is not None else "in it"
        raise BadOptions(f"the option {name} cannot be used here", "Leave it out.")
