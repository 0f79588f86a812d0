"""Versions and constraints compared by meaning: by PEP 440 for pip, by conda's own order for conda."""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packaging.version import Version

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


def is_newer(version: str, other: str, ecosystem: str) -> bool | None:
    """Whether `one` is newer than `other`; None where they are equal, or cannot be compared."""
    if _NUMBERS.fullmatch(version) and _NUMBERS.fullmatch(other):
        # Plain numbers mean the same in every order there is.
        return _numbers(version, other)
    try:
        left, right = (
            (_pep440(version), _pep440(other)) if ecosystem == "pip" else (_conda(version), _conda(other))
        )
    except ValueError:
        return None if version == other else version > other
    return None if left == right else bool(left > right)


def _numbers(version: str, other: str) -> bool | None:
    left, right = [int(n) for n in version.split(".")], [int(n) for n in other.split(".")]
    length = max(len(left), len(right))
    left += [0] * (length - len(left))
    right += [0] * (length - len(right))
    return None if left == right else left > right


def step_between(old: str, new: str) -> str:
    """Return which part of a version differs first: `major`, `minor` or `patch`; empty if that cannot be read."""
    left, right = _NUMBERS.match(old), _NUMBERS.match(new)
    if left is None or right is None or old == new or "!" in old + new:  # another epoch compares differently
        return ""
    before, after = left[0].split("."), right[0].split(".")
    length = max(len(before), len(after), 3)
    before += ["0"] * (length - len(before))
    after += ["0"] * (length - len(after))
    first = next(
        (index for index in range(length) if before[index].lstrip("0") != after[index].lstrip("0")), 2
    )
    return ("major", "minor", "patch")[min(first, 2)]


def starts_with(version: str, start: str) -> bool:
    """Return whether conda's `=start` and `start.*` match the version."""
    if _NUMBERS.fullmatch(version) and _NUMBERS.fullmatch(start):
        left, right = [int(n) for n in version.split(".")], [int(n) for n in start.split(".")]
        left += [0] * (len(right) - len(left))
        return left[: len(right)] == right
    try:
        return bool(_conda(version).starts_with(_conda(start)))
    except ValueError:
        return version == start or version.startswith(f"{start}.")


@lru_cache(maxsize=4096)
def meaning(constraint: str, ecosystem: str) -> Hashable:
    """Return a key that is equal for two spellings of a constraint: `==1.0` and `== 1.0.0`, `<2,>1` and `>1,<2`.

    Text that the ecosystem's grammar refuses is its own key.
    """
    if not constraint:
        return ""
    try:
        if ecosystem == "pip":
            return _pip_meaning(constraint)
        return _conda_meaning(constraint) if ecosystem == "conda" else constraint
    except ValueError:
        return constraint


def _pip_meaning(constraint: str) -> Hashable:
    from packaging.specifiers import SpecifierSet

    versions, _, marker = constraint.partition(";")
    return frozenset(_clause(part.operator, part.version) for part in SpecifierSet(versions)), marker.strip()


def _clause(operator: str, version: str) -> tuple[str, str]:
    from packaging.utils import canonicalize_version

    if operator == "===":
        return operator, version.lower()
    if version.endswith(".*"):
        return operator, canonicalize_version(version[:-2], strip_trailing_zero=False) + ".*"
    # The number of digits after ~= is a part of what it means.
    return operator, canonicalize_version(version, strip_trailing_zero=operator != "~=")


def _conda_meaning(constraint: str) -> Hashable:
    from rattler import VersionSpec
    from rattler.exceptions import InvalidVersionSpecError

    try:
        if "(" in constraint:
            return VersionSpec(constraint)
        return frozenset(
            frozenset(VersionSpec(part.strip()) for part in alternative.split(","))
            for alternative in constraint.split("|")
        )
    except InvalidVersionSpecError as error:
        raise ValueError(str(error)) from None


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
