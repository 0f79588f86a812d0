"""Taking values of the expected shape out of a tree; anything else is a finding with its place, and then as absent."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from environments.definition.findings.result import Draft
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Sequence, Tree

_MOST_STRANGERS = 50
"""How many unknown keys are named; a file of a hundred thousand is not looked through to its end."""


def likely_key(name: str, known: list[str]) -> str:
    """Return the key that is meant by a misspelt name: spelt nearly so, or a part of it (`local_path`: `path`)."""
    bare = re.sub(r"[-_\s]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name[:60])).lower()
    near = difflib.get_close_matches(bare, known, n=1, cutoff=0.75)
    if near:
        return near[0]
    parts = bare.split("_")
    held = [key for key in known if len(key) > 2 and (key.lower() in parts or bare in key.lower().split("_"))]
    return held[0] if len(held) == 1 else ""


def kind_of(node: Tree) -> str:
    """Return a label for a node's type."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    return "empty" if node.is_null else "a single value"


def text_of(draft: Draft, node: Tree | None, what: str) -> Placed | None:
    """The single value of this node; None where it is absent, null or something else."""
    if node is None:
        return None
    if isinstance(node, Scalar):
        return None if node.is_null else Placed(node.text, node.line, node.column, draft.file)
    draft.note("wrong-shape", node, what=what, expected="a single value", found=kind_of(node))
    return None


def mapping_of(draft: Draft, node: Tree | None, what: str) -> Mapping:
    """The mapping that this node is; an empty one where it is absent or null."""
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return Mapping(line=1, column=1)
    if isinstance(node, Mapping):
        for key in node.repeated:
            draft.note("duplicate-key", key, what=f"“{key.text}”")
        return node
    draft.note("wrong-shape", node, what=what, expected="a mapping", found=kind_of(node))
    return Mapping(line=node.line, column=node.column)


def list_of(draft: Draft, node: Tree | None, what: str) -> list[Tree]:
    """The items of this list; none where it is absent or null."""
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return []
    if isinstance(node, Sequence):
        return node.items
    draft.note("wrong-shape", node, what=what, expected="a list", found=kind_of(node))
    return []


def texts_of(draft: Draft, node: Tree | None, what: str) -> list[Placed]:
    """The single values of this list; a lone value counts as a list of one."""
    if isinstance(node, Scalar) and not node.is_null:
        return [Placed(node.text, node.line, node.column, draft.file)]
    texts = []
    for item in list_of(draft, node, what):
        text = text_of(draft, item, f"each of {what}")
        if text is not None:
            texts.append(text)
    return texts


def strings_of(draft: Draft, node: Tree | None, what: str) -> dict[str, Placed]:
    """The names and values of this mapping, such as tags or variables; null is the empty string."""
    strings: dict[str, Placed] = {}
    for name, value in mapping_of(draft, node, what).entries.items():
        if isinstance(value, Scalar):
            strings[name] = Placed("" if value.is_null else value.text, value.line, value.column, draft.file)
        else:
            shape = {"expected": "a single value", "found": kind_of(value)}
            draft.note("wrong-shape", value, what=f"{name} in {what}", **shape)
    return strings


def truth_of(draft: Draft, node: Tree | None, what: str) -> bool | None:
    """True or False; None where it is absent or null."""
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return None
    if isinstance(node, Scalar):
        # Some tools write JSON booleans as strings.
        truth = {"true": True, "false": False}.get(node.text.lower(), node.truth)
        if truth is not None:
            return truth
    draft.note("wrong-shape", node, what=what, expected="true or false", found=kind_of(node))
    return None


def unknown_keys(
    draft: Draft, mapping: Mapping, known: Iterable[str], prefix: str = "", meant: Iterable[str] = ()
) -> None:
    """Add a finding for each unknown key, with the key that was probably meant (of `meant`, or of those known)."""
    names = frozenset(known)
    candidates = sorted(meant or names)
    strangers = [name for name in mapping.keys if name not in names]
    for name in strangers[:_MOST_STRANGERS]:
        key = mapping.keys[name]
        near = likely_key(name, candidates)
        draft.note("unknown-key", key, what=f"{prefix}{name[:60]}", meant=near)
