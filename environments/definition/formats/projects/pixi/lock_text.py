"""The text of a pixi.lock, of which only the part for one environment and platform is parsed.

A lock holds every environment for every platform: a file of 2 MB says in 50 kB what one image needs. pixi writes one
item a line, so the rest is left out before YAML is parsed. A text in any other layout is parsed as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cached_property

from environments.definition.syntax.tree import Mapping, Scalar, Sequence, Tree, Unreadable, parse, parse_yaml

_TOP = re.compile(
    r"""(?:"(?P<quoted>[^"\\]{1,200})"|'(?P<single>[^']{1,200})'|(?P<plain>[A-Za-z0-9_][\w.-]{0,200}))[ ]*:(?=[ \r]|$)"""
)
_REFERENCE = re.compile(r"""[ ]*+(?:-[ ]++)?(?:conda|pypi|conda_source|url|path):[ ]++(\S.*+)""")
_NEEDED = frozenset(
    (
        "kind", "conda", "pypi", "conda_source", "name", "version", "url", "path", "sha256", "md5", "hash", "index", "size",
        "depends", "requires_dist", "dependencies", "purls", "manager", "platform",
    )
)  # fmt: skip
_PLATFORM = re.compile(r"""[ ]*+(?:-[ ]++)?platform:[ ]++["']?([\w-]++)""")


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the lock's list of packages, as lines of the text."""

    start: int
    end: int


class LockText:
    """The lines of a lock, by its sections."""

    def __init__(self, text: str) -> None:
        """Raises Unreadable."""
        self._lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
        self._sections = dict(self._keys(0, len(self._lines), 0))
        self._whole: Tree | None = None
        if not self.environments and "package" not in self._sections:
            # It is in no layout of pixi's own.
            self._whole = parse(text)

    @cached_property
    def environments(self) -> dict[str, tuple[int, int]]:
        """The environments by name, each with its lines; empty where the lock has none, or another layout."""
        start, end = self._sections.get("environments", (0, 0))
        indent = self._indent(start + 1, end)
        return dict(self._keys(start + 1, end, indent)) if indent else {}

    @property
    def line_of_environments(self) -> int:
        """The line on which the environments begin."""
        return self._sections["environments"][0] + 1 if "environments" in self._sections else 1

    def head(self, environment: str) -> Tree | None:
        """The lock without its packages, and with this environment alone. Raises Unreadable."""
        if self._whole is not None:
            return self._whole
        start, end = self._sections.get("environments", (0, 0))
        keep: list[int] = []
        for key, (first, last) in self._sections.items():
            if key == "environments":
                wanted = self.environments.get(environment)
                keep += range(start, end) if wanted is None else [start, *range(*wanted)]
            elif key not in ("packages", "package"):
                keep += range(first, last)
        return self._parsed(keep)

    def packages(self, wanted: Set[str]) -> list[Mapping]:
        """The packages with these URLs or paths. Raises Unreadable."""
        return self._items(
            "packages", lambda item: any(reference in wanted for reference in self._references(item))
        )

    def packages_for(self, platform: str) -> list[Mapping]:
        """The packages of a lock of format 1 to 3 that are for this platform. Raises Unreadable."""
        return self._items("package", lambda item: self._platform(item) == platform)

    def platforms(self) -> list[str]:
        """The platforms that the packages of a lock of format 1 to 3 are for."""
        start, end = self._sections.get("package", (0, 0))
        matches = (_PLATFORM.match(self._lines[number]) for number in range(start, end))
        return list(dict.fromkeys(match[1] for match in matches if match))

    def _items(self, section: str, wanted: object) -> list[Mapping]:
        if self._whole is not None:
            return _mappings(self._whole, section)
        start, end = self._sections.get(section, (0, 0))
        keep = [start] if end else []
        for item in self._split(start + 1, end):
            if callable(wanted) and wanted(item):
                keep += self._needed(item)
        return _mappings(self._parsed(keep), section)

    def _needed(self, item: Item) -> Iterator[int]:
        """Yield the lines of the item's keys that are read; most of the others are licences and constraints."""
        first = self._lines[item.start]
        indent = len(first) - len(first.lstrip(" ")) + 2
        wanted = True
        for number in range(item.start, item.end):
            line = self._lines[number]
            match = _TOP.match(line, indent) if number > item.start and not line[:indent].strip() else None
            if match:
                wanted = (match["plain"] or "") in _NEEDED
            if wanted:
                yield number

    def _parsed(self, numbers: list[int]) -> Tree | None:
        try:
            tree = parse_yaml("\n".join(self._lines[number] for number in numbers))
        except Unreadable as error:
            line = numbers[error.line - 1] + 1 if error.line and error.line <= len(numbers) else error.line
            raise Unreadable(str(error), line, error.column) from None
        _move(tree, numbers)
        return tree

    def _references(self, item: Item) -> Iterator[str]:
        for number in range(item.start, item.end):
            match = _REFERENCE.match(self._lines[number])
            if match:
                yield match[1].strip().strip("\"'")

    def _platform(self, item: Item) -> str:
        matches = (_PLATFORM.match(self._lines[number]) for number in range(item.start, item.end))
        return next((match[1] for match in matches if match), "")

    def _keys(self, start: int, end: int, indent: int) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield the keys at this indentation, with the lines from each to the next."""
        name, first = "", start
        for number in range(start, end):
            line = self._lines[number]
            match = _TOP.match(line, indent) if line[:indent].strip() == "" else None
            if match:
                if name:
                    yield name, (first, number)
                name, first = match["plain"] or match["quoted"] or match["single"], number
        if name:
            yield name, (first, end)

    def _split(self, start: int, end: int) -> Iterator[Item]:
        indent = self._indent(start, end)
        mark = " " * indent + "- "
        first: int | None = None
        for number in range(start, end):
            if self._lines[number].startswith(mark):
                if first is not None:
                    yield Item(first, number)
                first = number
        if first is not None:
            yield Item(first, end)

    def _indent(self, start: int, end: int) -> int:
        for number in range(start, end):
            bare = self._lines[number].lstrip(" ")
            if bare.strip() and not bare.startswith("#"):
                return len(self._lines[number]) - len(bare)
        return 0


def _mappings(tree: Tree | None, section: str) -> list[Mapping]:
    items = tree.get(section) if isinstance(tree, Mapping) else None
    return [node for node in items.items if isinstance(node, Mapping)] if isinstance(items, Sequence) else []


def _move(tree: Tree | None, numbers: list[int]) -> None:
    """Give the nodes the lines that they have in the whole text."""
    waiting: list[Tree] = [] if tree is None else [tree]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        node.line = numbers[node.line - 1] + 1 if 0 < node.line <= len(numbers) else node.line
        if isinstance(node, Sequence):
            waiting += node.items
        elif isinstance(node, Mapping):
            keys: list[Scalar] = [*node.keys.values(), *node.repeated]
            waiting += [*node.entries.values(), *keys]
