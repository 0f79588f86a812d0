"""Versions in the order of their ecosystem: PEP 440, conda's, or dpkg's."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from environments.definition.packages.versions import is_newer

MOST_CHARACTERS = 200


class _Conda:
    """A version of a conda package, in conda's order."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __lt__(self, other: _Conda) -> bool:
        return is_newer(other.text, self.text, "conda") is True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Conda) and is_newer(self.text, other.text, "conda") is None

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=65_536)
def order(version: str, ecosystem: str) -> Any:
    """Return a key that sorts versions of an ecosystem; None for text that is no version there."""
    if not version or len(version) > MOST_CHARACTERS:
        return None
    match ecosystem:
        case "conda":
            return _Conda(version)
        case "debian":
            from debian_inspector.version import Version as DebianVersion

            try:
                return DebianVersion.from_string(version)
            except ValueError:
                return None
        case _:
            from packaging.version import InvalidVersion, Version

            try:
                return Version(version)
            except InvalidVersion:
                return None


@lru_cache(maxsize=65_536)
def public(version: str, ecosystem: str) -> str:
    """Return a version without its local part: torch 2.0.0+cu118 is affected by what affects 2.0.0."""
    key = order(version, ecosystem) if ecosystem == "pypi" else None
    return version if key is None else str(key.public)


def smallest_first(versions: set[str], ecosystem: str) -> list[str]:
    """Return versions in their order, without those that are none; two spellings of a version count once."""
    known: dict[Any, str] = {}
    for version in sorted(versions):
        key = order(version, ecosystem)
        if key is not None and not any(key == other for other in (known if ecosystem == "conda" else ())):
            known.setdefault(key, version)
    return [known[key] for key in sorted(known)]
