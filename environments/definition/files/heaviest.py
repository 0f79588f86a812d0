"""The file or folder that has the most part in a build context that is over a limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_MOST_OF_IT = 0.6
_DEEPEST = 20


def heaviest(amounts: Mapping[str, int]) -> tuple[str, int]:
    """Return the path that the most of these amounts lie at or below, and how much; a folder's path ends with '/'.

    It is the deepest folder that has most of it still: `web/node_modules/`, and neither `web/` nor a part of it.
    """
    below: dict[str, Counter[str]] = {}
    for path, amount in amounts.items():
        parts = path.split("/")
        folder = ""
        for number, part in enumerate(parts[:_DEEPEST]):
            last = number == len(parts) - 1
            inner = f"{folder}{part}" + ("" if last else "/")
            below.setdefault(folder, Counter())[inner] += amount
            folder = inner
    path, amount = "", sum(amounts.values())
    while path in below:
        largest, part = below[path].most_common(1)[0]
        if path and part < _MOST_OF_IT * amount:
            break
        path, amount = largest, part
    return path, amount
