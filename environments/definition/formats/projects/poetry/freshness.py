"""Whether a poetry.lock still belongs to its pyproject.toml: poetry's own hash of what matters in it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from environments.definition.formats.toml import table
from environments.definition.syntax.toml import Table

_OF_PROJECT = ("requires-python", "dependencies", "optional-dependencies")
_ALWAYS = ("dependencies", "source", "extras", "dev-dependencies")


def is_fresh(content_hash: str, values: Table) -> bool:
    """Whether a version of poetry computes this hash for this pyproject.toml."""
    return any(content_hash == each for each in _hashes(values))


def _hashes(values: Table) -> Iterator[str]:
    for groups in (True, False):  # poetry 2.3 takes the standard's groups into account
        yield _digest(_relevant(values, groups))
    poetry = table(values, "tool", "poetry")
    yield _digest({key: poetry.get(key) for key in _ALWAYS})  # poetry before its groups


def _relevant(values: Table, with_groups: bool) -> dict[str, Any]:
    project, poetry = table(values, "project"), table(values, "tool", "poetry")
    standard = {key: project[key] for key in _OF_PROJECT if project.get(key) is not None}
    groups = table(values, "dependency-groups") if with_groups else {}
    of_poetry = {
        key: poetry.get(key)
        for key in (*_ALWAYS, "group")
        if poetry.get(key) is not None or (key in _ALWAYS and not standard and not groups)
    }
    if not standard and not groups:
        return of_poetry
    relevant: dict[str, Any] = {"project": standard} if standard else {}
    if groups:
        relevant["dependency-groups"] = groups
    return {**relevant, "tool": {"poetry": of_poetry}}


def _digest(content: object) -> str:
    try:
        text = json.dumps(content, sort_keys=True, default=_as_text)
    except (ValueError, RecursionError):
        return ""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
