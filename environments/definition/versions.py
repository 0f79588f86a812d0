"""Which of two versions is newer: by PEP 440 for pip, by conda's own order for conda."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packaging.version import Version

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


def is_newer(one: str, other: str, ecosystem: str) -> bool | None:
    """Whether `one` is newer than `other`; None where they are equal, or cannot be compared."""
    if _NUMBERS.fullmatch(one) and _NUMBERS.fullmatch(other):
        # Plain numbers mean the same in every order there is.
        return _numbers(one, other)
    try:
        left, right = (_pep440(one), _pep440(other)) if ecosystem == "pip" else (_conda(one), _conda(other))
    except ValueError:
        return None if one == other else one > other
    return None if left == right else bool(left > right)


def _numbers(one: str, other: str) -> bool | None:
    left, right = [int(n) for n in one.split(".")], [int(n) for n in other.split(".")]
    length = max(len(left), len(right))
    left += [0] * (length - len(left))
    right += [0] * (length - len(right))
    return None if left == right else left > right


@lru_cache(maxsize=4096)
def _pep440(text: str) -> Version:
    # Loaded here, like conda's below: two plain versions are compared without it.
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion as error:
        raise ValueError(str(error)) from None


@lru_cache(maxsize=4096)
def _conda(text: str) -> Any:
    # Loaded here and not above: it takes longer to load than everything else a difference needs.
    from rattler import Version as CondaVersion
    from rattler.exceptions import InvalidVersionError

    try:
        return CondaVersion(text)
    except InvalidVersionError as error:
        raise ValueError(str(error)) from None
