"""The nodes of a YAML or JSON document, with their places in its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DEEPEST = 60
MOST_NODES = 400_000
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "yes", "on"))
_FALSE = frozenset(("false", "no", "off"))


class Unreadable(ValueError):
    """The text is not YAML or JSON that is safe to read. `line` and `column` count from 1."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line, self.column = line, column
        self.begun: int | None = None
        """The line of what was being read, such as that of a bracket that is never closed."""
        self.read: Any = None
        """What was read before the fault."""
        self.open_from: int | None = None
        """The line of the item that was not read to its end."""


@dataclass(slots=True, kw_only=True)
class Node:
    """A node: its position, and its number of nodes with aliases expanded."""

    line: int
    column: int
    weight: int = 1


@dataclass(slots=True)
class Scalar(Node):
    """A value, kept as it was written: `1.10` stays `1.10`."""

    text: str
    plain: bool = True

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in _NULLS

    @property
    def truth(self) -> bool | None:
        """True or False where the scalar says so; None for anything else."""
        word = self.text.lower() if self.plain else ""
        return True if word in _TRUE else False if word in _FALSE else None


@dataclass(slots=True)
class Sequence(Node):
    """A list."""

    items: list[Tree] = field(default_factory=list)


@dataclass(slots=True)
class Mapping(Node):
    """A mapping in its written order; `repeated` are the keys that stand there again."""

    entries: dict[str, Tree] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)
    repeated: list[Scalar] = field(default_factory=list)

    def get(self, *names: str) -> Tree | None:
        """The first of these keys that holds something other than null."""
        for name in names:
            entry = self.entries.get(name)
            if entry is not None and not (isinstance(entry, Scalar) and entry.is_null):
                return entry
        return None

    def put(self, key: Scalar, value: Tree) -> None:
        if key.text in self.entries:
            self.repeated.append(key)
        self.entries[key.text], self.keys[key.text] = value, key

    def merge(self, other: Tree) -> None:
        """Take over the keys of a YAML merge (`<<`) that are not given here."""
        for mapping in other.items if isinstance(other, Sequence) else [other]:
            if isinstance(mapping, Mapping):
                for name, value in mapping.entries.items():
                    self.entries.setdefault(name, value)
                    self.keys.setdefault(name, mapping.keys[name])


Tree = Scalar | Sequence | Mapping
