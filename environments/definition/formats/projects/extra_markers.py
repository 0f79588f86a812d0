"""Markers on extras, answered for the extras that are chosen."""

from __future__ import annotations

import re

from environments.definition.packages.specs import pip_name

_EXTRA = re.compile(r"""extra\s*+(?P<sign>==|!=|in)\s*+(?P<quote>["'])(?P<name>[^"']*+)(?P=quote)""")
_EXTRA_SWAPPED = re.compile(r"""(?P<quote>["'])(?P<name>[^"']*+)(?P=quote)\s*+(?P<sign>==|!=)\s*+extra\b""")
_ALWAYS, _NEVER = 'python_version >= "0"', 'python_version < "0"'


def with_extras(marker: str, extras: frozenset[str]) -> str:
    """The marker with its conditions on extras answered: whether each is among these."""
    if "extra" not in marker:
        return marker

    def answer(match: re.Match[str]) -> str:
        inside = pip_name(match["name"]) in extras
        return _ALWAYS if inside == (match["sign"] != "!=") else _NEVER

    return _EXTRA_SWAPPED.sub(answer, _EXTRA.sub(answer, marker))
