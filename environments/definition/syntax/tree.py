"""YAML and JSON as one tree of nodes that know where they stand, bounded in depth and size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]

import yaml

DEEPEST = 60
MOST_NODES = 200_000
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "yes", "on"))
_FALSE = frozenset(("false", "no", "off"))
_TAGS = "tag:yaml.org,2002:"


class Unreadable(ValueError):
    """The text is not YAML or JSON that is safe to read. `line` and `column` count from 1."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line, self.column = line, column


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


def parse(text: str) -> Tree | None:
    """Return the single document of a YAML or JSON text; None if it is empty. Raises Unreadable."""
    head = text.lstrip("\ufeff \t\r\n")[:1]
    if head in ("{", "["):
        try:
            return _Json(text.lstrip("\ufeff")).document()
        except Unreadable as not_json:
            try:
                return parse_yaml(text)
            except Unreadable:
                raise not_json from None
    return parse_yaml(text)


def parse_yaml(text: str) -> Tree | None:
    """Return the single document of a YAML text; None if it is empty. Raises Unreadable."""
    builder = _Builder()
    try:
        for event in yaml.parse(text.removeprefix("\ufeff"), Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(part for part in (error.context, error.problem) if part)
        raise Unreadable(
            message, mark.line + 1 if mark else None, mark.column + 1 if mark else None
        ) from error
    except yaml.YAMLError as error:
        raise Unreadable(" ".join(str(error).split())) from error
    return builder.root


def walk(node: Tree | None) -> Iterator[Scalar]:
    """Every value in the tree, keys left out."""
    waiting: list[Tree] = [] if node is None else [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Scalar):
            yield current
        elif isinstance(current, Sequence):
            waiting.extend(reversed(current.items))
        else:
            waiting.extend(reversed(current.entries.values()))


class _Builder:
    """Builds the tree from the parser's events without recursion, counting what aliases would unfold to."""

    def __init__(self) -> None:
        self.root: Tree | None = None
        self.open: list[tuple[Sequence | Mapping, Scalar | None, str | None]] = []
        self.anchors: dict[str, Tree] = {}
        self.key: Scalar | None = None
        self.nodes = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise Unreadable("a second YAML document begins here; one was expected", *_at(event))
        if isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.NodeEvent):
            self._node(event)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            node, key, anchor = self.open.pop()
            self._done(node, key, anchor)

    def _node(self, event: yaml.NodeEvent) -> None:
        line, column = _at(event)
        self._count(line, column, 1)
        _check_tag(event, line, column)
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style in (None, "") and event.tag != _TAGS + "str"
            self._done(Scalar(event.value, plain, line=line, column=column), self._take_key(), event.anchor)
            return
        if len(self.open) >= DEEPEST:
            raise Unreadable(f"the nesting is deeper than {DEEPEST} levels", line, column)
        node: Sequence | Mapping
        if isinstance(event, yaml.SequenceStartEvent):
            node = Sequence(line=line, column=column)
        else:
            node = Mapping(line=line, column=column)
        if self._expects_key():
            raise Unreadable("a list or a mapping stands where a key was expected", line, column)
        self.open.append((node, self._take_key(), event.anchor))
        self.key = None

    def _alias(self, event: yaml.AliasEvent) -> None:
        line, column = _at(event)
        node = self.anchors.get(event.anchor or "")
        if node is None:
            raise Unreadable(f"the alias *{event.anchor} points at nothing above it", line, column)
        self._count(line, column, node.weight)
        self._done(node, self._take_key(), None)

    def _count(self, line: int, column: int, more: int) -> None:
        self.nodes += more
        if self.nodes > MOST_NODES:
            raise Unreadable(
                f"with its aliases written out this is more than {MOST_NODES} values", line, column
            )

    def _expects_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1][0], Mapping) and self.key is None

    def _take_key(self) -> Scalar | None:
        return self.key

    def _done(self, node: Tree, key: Scalar | None, anchor: str | None) -> None:
        if anchor:
            self.anchors[anchor] = node
        if not self.open:
            self.root = node
            return
        parent = self.open[-1][0]
        parent.weight += node.weight
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif key is None:
            if not isinstance(node, Scalar):
                raise Unreadable(
                    "a list or a mapping stands where a key was expected", node.line, node.column
                )
            self.key = node
        else:
            self.key = None
            if key.text == "<<" and key.plain:
                parent.merge(node)
            else:
                parent.put(key, node)


def _at(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _check_tag(event: yaml.NodeEvent, line: int, column: int) -> None:
    tag = getattr(event, "tag", None)
    if (
        tag
        and tag != "!"
        and tag.removeprefix(_TAGS) not in ("str", "int", "float", "bool", "null", "seq", "map")
    ):
        raise Unreadable(f"the tag {tag!r} is not allowed here", line, column)


class _Json:
    """A JSON reader that keeps lines and columns."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.nodes = 0
        self.line, self.line_start, self.counted = 1, 0, 0

    def document(self) -> Tree:
        node = self._value(0)
        self._space()
        if self.at < len(self.text):
            raise self._wrong("the JSON ended before this")
        return node

    def _wrong(self, what: str) -> Unreadable:
        return Unreadable(what, *self._position())

    def _position(self) -> tuple[int, int]:
        # From where it was counted last: a document may be a single line.
        newlines = self.text.count("\n", self.counted, self.at)
        if newlines:
            self.line += newlines
            self.line_start = self.text.rindex("\n", self.counted, self.at) + 1
        self.counted = max(self.counted, self.at)
        return self.line, self.at - self.line_start + 1

    def _space(self) -> None:
        text, at = self.text, self.at
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        self.at = at

    def _value(self, depth: int) -> Tree:
        self._space()
        if depth > DEEPEST:
            raise self._wrong(f"the nesting is deeper than {DEEPEST} levels")
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self._wrong(f"this is more than {MOST_NODES} values")
        sign = self.text[self.at : self.at + 1]
        if sign == "{":
            return self._mapping(depth)
        if sign == "[":
            return self._sequence(depth)
        line, column = self._position()
        if sign == '"':
            return Scalar(self._string(), False, line=line, column=column)
        end = self.at
        while end < len(self.text) and self.text[end] not in ',]}: \t\r\n"':
            end += 1
        word = self.text[self.at : end]
        if word not in ("true", "false", "null"):
            try:
                json.loads(word)
            except (ValueError, RecursionError):
                raise self._wrong("a JSON value was expected here") from None
        self.at = end
        return Scalar(word, line=line, column=column)

    def _string(self) -> str:
        text: str
        try:
            text, self.at = scanstring(self.text, self.at + 1, True)
        except ValueError as error:
            raise self._wrong(str(error).partition(":")[0].lower()) from None
        if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            raise self._wrong("half of a surrogate pair stands in this string")
        return text

    def _mapping(self, depth: int) -> Mapping:
        line, column = self._position()
        node = Mapping(line=line, column=column)
        self.at += 1
        self._space()
        if self._eat("}"):
            return node
        while True:
            self._space()
            key_line, key_column = self._position()
            if self.text[self.at : self.at + 1] != '"':
                raise self._wrong("a key in double quotes was expected here")
            key = Scalar(self._string(), False, line=key_line, column=key_column)
            self._space()
            if not self._eat(":"):
                raise self._wrong("':' was expected here")
            node.put(key, self._value(depth + 1))
            self._space()
            if self._eat("}"):
                return node
            if not self._eat(","):
                raise self._wrong("',' or '}' was expected here")

    def _sequence(self, depth: int) -> Sequence:
        line, column = self._position()
        node = Sequence(line=line, column=column)
        self.at += 1
        self._space()
        if self._eat("]"):
            return node
        while True:
            node.items.append(self._value(depth + 1))
            self._space()
            if self._eat("]"):
                return node
            if not self._eat(","):
                raise self._wrong("',' or ']' was expected here")

    def _eat(self, sign: str) -> bool:
        if self.text[self.at : self.at + 1] == sign:
            self.at += 1
            return True
        return False
