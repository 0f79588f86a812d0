"""TOML documents of projects and locks: read with findings, and their values by kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from environments.definition.findings.result import Draft, Refused
from environments.definition.syntax import toml
from environments.definition.syntax.recovery import recover
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Document, Table
from environments.definition.syntax.tree import Unreadable


def document(draft: Draft, text: str) -> Document:
    """The document, without the lines that break its grammar; each of them is a finding."""
    recovered = recover(text, toml.parse, _doubtful)
    for fault in recovered.faults:
        draft.note("bad-toml", Placed("", fault.line or 1, fault.column, draft.file), what=str(fault))
    if recovered.value is None:
        draft.cut(None)
        raise Refused("bad-toml")
    return recovered.value


def _doubtful(text: str, fault: Unreadable) -> Iterator[tuple[int, int]]:
    """The line of the fault; then its whole table, from its header to the next."""
    line = fault.line or 1
    yield line, line
    headers = [1 + number for number, content in enumerate(text.split("\n")) if content.startswith("[")]
    above = [header for header in headers if header <= line]
    below = [header for header in headers if header > line]
    yield above[-1] if above else 1, below[0] - 1 if below else text.count("\n") + 1


def at(draft: Draft, document: Document, *path: str | int) -> Placed:
    """Return an empty text at the line of this key, for a finding."""
    return Placed("", document.line(*path), None, draft.file)


def table(holder: object, *keys: str) -> Table:
    """Return the table at this path; an empty one where there is none, or something else."""
    for key in keys:
        holder = holder.get(key) if isinstance(holder, Mapping) else None
    # No copy: a project may have thousands of extras, each of which is looked up here.
    return holder if isinstance(holder, dict) else {}


def items(holder: Mapping[str, Any], key: str) -> list[Any]:
    """Return the list under this key; an empty one where there is none, or something else."""
    value = holder.get(key)
    return value if isinstance(value, list) else []


def text(holder: Mapping[str, Any], key: str) -> str:
    """Return the string under this key; empty where there is none, or something else."""
    value = holder.get(key)
    return value if isinstance(value, str) else ""
