"""JSON that anybody may have written, read within a depth that code behind it can walk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

MOST_LEVELS = 100
"""Deeper than anything that people and programs send, and far from the end of the stack."""


class TooDeep(ValueError):
    """The JSON has lists or objects within each other, too many."""

    def __init__(self, most: int) -> None:
        super().__init__(f"it is nested more than {most} levels deep")


def read_json(content: str | bytes, most_levels: int = MOST_LEVELS) -> Any:
    """Return what the JSON says. Raises ValueError if it is no JSON, or nested deeper than so many levels.

    Python's own limit depends on its version, and on how much of the stack is in use. From 3.12 on, it reads thousands of
    levels, more than code written in Python can walk afterwards.
    """
    try:
        document = json.loads(content)
    except RecursionError:
        raise TooDeep(most_levels) from None
    check_depth(document, most_levels)
    return document


def check_depth(document: Any, most_levels: int = MOST_LEVELS) -> None:
    """Raise TooDeep if lists and objects are nested in a document more than so many levels deep."""
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(most_levels):
        level = [inner for value in level for inner in _inside(value) if isinstance(inner, dict | list)]
    if level:
        raise TooDeep(most_levels)


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value
