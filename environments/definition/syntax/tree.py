"""YAML and JSON as one tree of nodes that know where they stand, bounded in depth and size."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from environments.definition.syntax import json_tree
from environments.definition.syntax.nodes import (
    DEEPEST,
    MOST_NODES,
    Mapping,
    Scalar,
    Sequence,
    Tree,
    Unreadable,
)

__all__ = ["Mapping", "Scalar", "Sequence", "Tree", "Unreadable", "parse", "parse_yaml", "walk"]

_TAGS = "tag:yaml.org,2002:"
_STRING = _TAGS + "str"


def parse(text: str) -> Tree | None:
    """Return the single document of a YAML or JSON text; None if it is empty. Raises Unreadable."""
    head = text.lstrip("\ufeff \t\r\n")[:1]
    if head in ("{", "["):
        try:
            return json_tree.document(text.lstrip("\ufeff"))
        except Unreadable as not_json:
            try:
                return parse_yaml(text)
            except Unreadable as not_yaml:
                not_json.read, not_json.open_from = not_yaml.read, not_yaml.open_from
                raise not_json from None
    return parse_yaml(text)


def parse_yaml(text: str) -> Tree | None:
    """Return the single document of a YAML text; None if it is empty. Raises Unreadable."""
    builder = _Builder()
    # Nothing of this is garbage before the end, and looking for it takes a good part of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        builder.build(yaml.CSafeLoader(text.removeprefix("\ufeff")).get_event)
    except yaml.MarkedYAMLError as error:
        raise builder.cut(_unreadable(error)) from error
    except yaml.YAMLError as error:
        raise builder.cut(Unreadable(" ".join(str(error).split()))) from error
    except Unreadable as error:
        raise builder.cut(error) from None
    finally:
        if collecting:
            gc.enable()
    return builder.root


def _unreadable(error: yaml.MarkedYAMLError) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    message = " ".join(part for part in (error.context, error.problem) if part)
    unreadable = Unreadable(message, mark.line + 1 if mark else None, mark.column + 1 if mark else None)
    unreadable.begun = error.context_mark.line + 1 if error.context_mark else None
    return unreadable


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

    def build(self, next_event: Callable[[], yaml.Event | None]) -> None:
        """Take every event up to the end of the text."""
        while True:
            event: Any = next_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._begin(event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                node, key, anchor = self.open.pop()
                self._done(node, key, anchor)
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent and self.root is not None:
                raise Unreadable("a second YAML document begins here; one was expected", *_at(event))
            elif kind is yaml.StreamEndEvent:
                return

    def cut(self, fault: Unreadable) -> Unreadable:
        """Give the fault what was read before it; its place is the beginning of the item that it breaks."""
        items = zip(self.open, self.open[1:], strict=False)
        lines = [inner[0].line for outer, inner in items if isinstance(outer[0], Sequence)]
        fault.open_from = lines[-1] if lines else None
        while self.open:
            node, key, _ = self.open.pop()
            self._done(node, key, None)
        fault.read = self.root
        return fault

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        mark: Any = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self._refuse_size(line, column)
        tag = event.tag
        if tag is not None:
            _check_tag(tag, line, column)
        node = Scalar(event.value, not event.style and tag != _STRING, line=line, column=column)
        if event.anchor or not self.open:
            self._done(node, self.key, event.anchor)
            return
        # As in _done: most nodes are of this kind.
        parent, key = self.open[-1][0], self.key
        parent.weight += 1
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif key is None:
            self.key = node
        else:
            self.key = None
            name = key.text
            if name in parent.entries or name == "<<":
                self._put(parent, key, node)
            else:
                parent.entries[name], parent.keys[name] = node, key

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        line, column = _at(event)
        self._count(line, column, 1)
        if event.tag is not None:
            _check_tag(event.tag, line, column)
        if len(self.open) >= DEEPEST:
            raise Unreadable(f"the nesting is deeper than {DEEPEST} levels", line, column)
        node: Sequence | Mapping
        if type(event) is yaml.SequenceStartEvent:
            node = Sequence(line=line, column=column)
        else:
            node = Mapping(line=line, column=column)
        if self._expects_key():
            raise Unreadable("a list or a mapping stands where a key was expected", line, column)
        self.open.append((node, self.key, event.anchor))
        self.key = None

    def _alias(self, event: yaml.AliasEvent) -> None:
        line, column = _at(event)
        node = self.anchors.get(event.anchor or "")
        if node is None:
            raise Unreadable(f"the alias *{event.anchor} points at nothing above it", line, column)
        self._count(line, column, node.weight)
        self._done(node, self.key, None)

    def _count(self, line: int, column: int, more: int) -> None:
        self.nodes += more
        if self.nodes > MOST_NODES:
            self._refuse_size(line, column)

    def _refuse_size(self, line: int, column: int) -> None:
        raise Unreadable(f"with its aliases written out this is more than {MOST_NODES} values", line, column)

    def _expects_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1][0], Mapping) and self.key is None

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
            self._put(parent, key, node)

    def _put(self, parent: Mapping, key: Scalar, node: Tree) -> None:
        if key.text == "<<" and key.plain:
            parent.merge(node)
        else:
            parent.put(key, node)


def _at(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _check_tag(tag: str, line: int, column: int) -> None:
    known = ("str", "int", "float", "bool", "null", "seq", "map")
    if tag and tag != "!" and tag.removeprefix(_TAGS) not in known:
        raise Unreadable(f"the tag {tag!r} is not allowed here", line, column)
