"""TOML 1.1 as plain values, bounded in depth, with the lines of its tables and keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import tomli

from environments.definition.syntax.tree import Unreadable

Table = dict[str, Any]
Path = tuple[str | int, ...]

_DEEPEST_LINE = 100
# The parser needs quadratic time for a key of many parts. In a string this is a path of that many names with dots between.
_MOST_PARTS = 32
_PART = r"""(?:[\w-]++|"(?>[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_KEY = rf"{_PART}(?>[ \t]*+\.[ \t]*+{_PART})*+"
_KEYS = re.compile(rf"""{_KEY}|["'][^\n]*+""")
_EACH_PART = re.compile(
    rf"""{_PART}|["'][^\n]*+"""
)  # quotes without an end, too: else each is tried to the end of the text
_HEADER = re.compile(rf"[ \t]*+(?P<open>\[\[?)[ \t]*+(?P<key>{_KEY})[ \t]*+\]")
_ASSIGNED = re.compile(rf"[ \t]*+(?P<key>{_KEY})[ \t]*+=")
# The parts of a value that decide on which line it ends.
_TOKEN = re.compile(
    r"""(?P<string>\"\"\"(?>[^"\\]|\\.|"(?!""))*+(?:"{3,5}|\Z)|\'\'\'(?>[^']|'(?!''))*+(?:'{3,5}|\Z)"""
    r"""|"(?>[^"\\\n]|\\.)*+"?|'[^'\n]*+'?)|(?P<comment>\#[^\n]*+)|(?P<open>[\[{])|(?P<close>[\]}])"""
    r"""|(?P<comma>,)|(?P<end>\n)|(?P<other>[^"'\#\[\]{},\n]++)""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Document:
    """A TOML document: its values, and where in the text they are."""

    text: str = field(repr=False)
    values: Table

    def line(self, *path: str | int) -> int:
        """The line of this key or of this item of a list; where it has none, that of what holds it."""
        for length in range(len(path), 0, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return line
        return 1

    @cached_property
    def _lines(self) -> Mapping[Path, int]:
        lines: dict[Path, int] = {}
        for path, line in _positions(self.text):
            lines.setdefault(path, line)
        return lines


def parse(text: str) -> Document:
    """The document. Raises Unreadable for anything else than TOML of a bounded depth."""
    text = text.replace("\r\n", "\n")
    _refuse_depth(text)
    try:
        return Document(text, tomli.loads(text))
    except tomli.TOMLDecodeError as error:
        raise Unreadable(str(error).partition(" (at")[0].lower(), error.lineno, error.colno) from None
    except RecursionError:
        raise Unreadable("the nesting is too deep", 1) from None


def header_lines(text: str, name: str) -> Iterator[int]:
    """The lines of the headers `[[name]]`, in their order; quicker than a document's lines."""
    line, counted = 1, 0
    for match in re.finditer(rf"(?m)^[ \t]*\[\[[ \t]*{re.escape(name)}[ \t]*\]\]", text):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        yield line


def _refuse_depth(text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if line.count("[") + line.count("{") > _DEEPEST_LINE:
            raise Unreadable("the nesting is too deep", number)
    for match in _KEYS.finditer(text):
        # A dot in quotes counts too: a key is rarely that long at all.
        long = match.end() - match.start() > _MOST_PARTS and match[0].count(".") > _MOST_PARTS
        if long and len(_EACH_PART.findall(match[0])) > _MOST_PARTS:
            line = text.count("\n", 0, match.start()) + 1
            raise Unreadable(f"a key has more than {_MOST_PARTS} parts", line)


def _positions(text: str) -> Iterator[tuple[Path, int]]:
    """Yield the paths of tables, keys and items of lists, with their lines."""
    table: Path = ()
    counts: dict[Path, int] = {}
    at, line = 0, 1
    while at < len(text):
        header = _HEADER.match(text, at)
        assigned = None if header else _ASSIGNED.match(text, at)
        if header:
            table = _parts(header["key"])
            if header["open"] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            table = _within_lists(table, counts)
            yield table, line
        if assigned:
            path = (*table, *_parts(assigned["key"]))
            yield path, line
            at = assigned.end()
            of_item, counted = line, at
            for index, offset in _items(text, at):
                of_item, counted = of_item + text.count("\n", counted, offset), offset
                yield (*path, index), of_item
        end = _end_of_lines(text, header.end() if header else at)
        line += text.count("\n", at, end)
        at = end


def _within_lists(table: Path, counts: Mapping[Path, int]) -> Path:
    """Return the path of `[a.b]` below the last `[[a]]`."""
    for length in range(1, len(table)):
        names = table[:length]
        if names in counts and not isinstance(table[length], int):
            return (*names, counts[names], *table[length:])
    return table


def _parts(key: str) -> Path:
    return tuple(_unquoted(part) for part in _EACH_PART.findall(key))


def _unquoted(part: str) -> str:
    if part[0] not in "\"'":
        return part
    name: str = next(iter(tomli.loads(f"{part} = 1"))) if part[0] == '"' and "\\" in part else part[1:-1]
    return name


def _end_of_lines(text: str, at: int) -> int:
    """Return the end of the line on which the value that begins here ends."""
    depth = 0
    for match in _TOKEN.finditer(text, at):
        if match.lastgroup == "open":
            depth += 1
        elif match.lastgroup == "close":
            depth -= 1
        elif match.lastgroup == "end" and depth <= 0:
            return match.end()
    return len(text)


def _items(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Yield the positions of a list's items; nothing for any other value."""
    depth, index, inside = 0, 0, False
    for match in _TOKEN.finditer(text, at):
        kind = match.lastgroup
        blank = kind in ("comment", "end") or (kind == "other" and not match[0].strip())
        if depth == 0 and not blank and match[0] != "[":
            return
        if depth == 1 and not blank and not inside and kind not in ("close", "comma"):
            inside = True
            yield index, match.start()
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "comma" and depth == 1:
            index, inside = index + 1, False
        if depth == 0 and not blank:
            return


def quoted(text: str) -> str:
    """The text as a string of TOML."""
    return '"' + "".join(_ESCAPES.get(sign) or _plain(sign) for sign in text) + '"'


def _plain(sign: str) -> str:
    if sign.isprintable():
        return sign
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
