"""TOML documents of projects and locks: read with findings, and their values by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from environments.definition.findings.result import Draft
from environments.definition.syntax import toml
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Document, Table
from environments.definition.syntax.tree import Unreadable


def document(draft: Draft, text: str) -> Document:
    """The document. Refuses what is no TOML, or too deep."""
    try:
        return toml.parse(text)
    except Unreadable as error:
        at = Placed("", error.line or 1, error.column, draft.file)
        raise draft.refuse("bad-toml", at, what=str(error)) from None


def at(draft: Draft, document: Document, *path: str | int) -> Placed:
    """Return an empty text at the line of this key, for a finding."""
    return Placed("", document.line(*path), None, draft.file)


def table(holder: object, *keys: str) -> Table:
    """Return the table at this path; an empty one where there is none, or something else."""
    for key in keys:
        holder = holder.get(key) if isinstance(holder, Mapping) else None
    return dict(holder) if isinstance(holder, Mapping) else {}


def items(holder: Mapping[str, Any], key: str) -> list[Any]:
    """Return the list under this key; an empty one where there is none, or something else."""
    value = holder.get(key)
    return value if isinstance(value, list) else []


def text(holder: Mapping[str, Any], key: str) -> str:
    """Return the string under this key; empty where there is none, or something else."""
    value = holder.get(key)
    return value if isinstance(value, str) else ""
