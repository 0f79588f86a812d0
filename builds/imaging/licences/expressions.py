"""SPDX expressions: a free text as one, and whether a policy's list allows it."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache, lru_cache
from typing import Any

from license_expression import Licensing, get_spdx_licensing

from builds.imaging.licences import LONGEST

_MOST_BRACKETS = 20
_REFERENCE = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]{1,100}:)?LicenseRef-[A-Za-z0-9.-]{1,100}")
# Spellings that mean one licence only; “BSD” alone, for example, is two.
_SPELLINGS = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache v2": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache software 2.0": "Apache-2.0",
    "apache version 2.0": "Apache-2.0",
    "bsd 2 clause": "BSD-2-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "2 clause bsd": "BSD-2-Clause",
    "new bsd": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "simplified bsd": "BSD-2-Clause",
    "mit": "MIT",
    "expat": "MIT",
    "isc": "ISC",
    "mpl 2.0": "MPL-2.0",
    "mozilla public 2.0": "MPL-2.0",
    "psf": "PSF-2.0",
    "python software foundation": "PSF-2.0",
    "unlicense": "Unlicense",
    "zlib": "Zlib",
    "gplv2": "GPL-2.0-only",
    "gplv2+": "GPL-2.0-or-later",
    "gplv3": "GPL-3.0-only",
    "gplv3+": "GPL-3.0-or-later",
    "lgplv2.1": "LGPL-2.1-only",
    "lgplv2+": "LGPL-2.0-or-later",
    "lgplv2.1+": "LGPL-2.1-or-later",
    "lgplv3": "LGPL-3.0-only",
    "lgplv3+": "LGPL-3.0-or-later",
    "agplv3": "AGPL-3.0-only",
    "agplv3+": "AGPL-3.0-or-later",
}


@cache
def spdx() -> Licensing:
    """Return SPDX's list, which takes a moment to load."""
    return get_spdx_licensing()


def expression(text: str) -> str:
    """Return a licence as an SPDX expression in its usual spelling; empty where the text is none.

    The text is foreign: it is read up to a length, and a text of another kind is unknown, never an error.
    """
    text = " ".join(text.split())
    if not text or len(text) > LONGEST or text.count("(") > _MOST_BRACKETS:
        return ""
    spelled = _SPELLINGS.get(_plain(text))
    if spelled:
        return spelled
    parsed = _parsed(text)
    rendered = str(parsed.render("{symbol.key}")) if parsed is not None else ""
    return rendered if len(rendered) <= LONGEST else ""


def licences_in(text: str) -> list[str]:
    """Return the licences that an expression names, exceptions (`WITH …`) left out."""
    parsed = _parsed(text)
    return sorted({_key(symbol) for symbol in _symbols(parsed)}) if parsed is not None else []


def allowed(text: str, *, allow: Collection[str] = (), deny: Collection[str] = ()) -> bool:
    """Return whether a licence may be used: of `A OR B` one must be allowed, of `A AND B` both.

    With an `allow` list, only what is on it is allowed; `deny` wins over it. An unknown licence is not decided
    here: it counts as allowed.
    """
    return not text or _text_allowed(text, frozenset(allow), frozenset(deny))


@lru_cache(maxsize=10_000)
def _text_allowed(text: str, allow: frozenset[str], deny: frozenset[str]) -> bool:
    parsed = _parsed(text)
    return parsed is None or _allowed(parsed, allow, deny)


def _allowed(node: Any, allow: frozenset[str], deny: frozenset[str]) -> bool:
    licensing = spdx()
    if isinstance(node, licensing.OR):
        return any(_allowed(part, allow, deny) for part in node.args)
    if isinstance(node, licensing.AND):
        return all(_allowed(part, allow, deny) for part in node.args)
    names = {_key(node), str(node.render("{symbol.key}"))}
    return not (names & deny) and (not allow or bool(names & allow))


def _symbols(node: Any) -> list[Any]:
    return (
        [symbol for part in node.args for symbol in _symbols(part)] if getattr(node, "args", ()) else [node]
    )


def _key(symbol: Any) -> str:
    """Return the licence's own key, without an exception."""
    inner = getattr(symbol, "license_symbol", symbol)
    return str(inner.key)


def _parsed(text: str) -> Any:
    licensing = spdx()
    try:
        parsed = licensing.parse(text)
        unknown = licensing.unknown_license_keys(parsed)
        exact = all(_REFERENCE.fullmatch(key) for key in unknown)
        # An exception after WITH, and nothing else, is one.
        licensing.parse(text, strict=True)
    except Exception:  # of many kinds, for texts that are none
        return None
    return parsed if exact else None


def _plain(text: str) -> str:
    plain = re.sub(r"[\s,_-]+", " ", text.lower())
    return re.sub(r"\s+", " ", re.sub(r"\b(?:licen[cs]ed?|the)\b", " ", plain)).strip(" .")
