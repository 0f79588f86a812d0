"""Version constraints such as `numpy>=1.24,<2`, and the versions they allow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from environments.definition.packages.specs import pip_name
from environments.definition.packages.versions import is_newer, starts_with

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

OPERATORS = ("===", "==", "!=", "<=", ">=", "~=", "<", ">")
_EXPRESSION = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*)((?:===|==|!=|<=|>=|~=|<|>).*)")
_PART = re.compile(r"(===|==|!=|<=|>=|~=|<|>)\s*+(.*)")
_VERSION = re.compile(r"v?\d[0-9A-Za-z.!+_-]{0,80}(?:\.\*)?")
MOST_PARTS = 10


class BadConstraint(ValueError):
    """The text asks for no version; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A package by its normalised name, and what its version must be; no parts allow any version."""

    name: str
    parts: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Constraint | None:
        """Return what `numpy<2` asks for; None for what is no such expression. Raises BadConstraint."""
        match = _EXPRESSION.fullmatch(text)
        if match is None:
            if re.match(r"[<>=!~]=?\d", text):
                raise BadConstraint(f"“{text}” names no package: write the name first, as in numpy{text}.")
            return None
        name, rest = match.groups()
        if rest.count(",") >= MOST_PARTS:
            raise BadConstraint(f"“{name}” has more than {MOST_PARTS} conditions: leave some out.")
        return cls(pip_name(name), tuple(_part(name, part.strip()) for part in rest.split(",")))

    def allows(self, version: str, ecosystem: str) -> bool:
        """Whether a version fits: by conda's order for conda, by PEP 440 for everything else."""
        if ecosystem == "conda":
            return all(_fits_conda(version, sign, bound) for sign, bound in self.parts)
        from packaging.version import InvalidVersion

        specifiers = _specifiers(self.parts)
        if specifiers is None:
            return False
        try:
            return specifiers.contains(version, prereleases=True)
        except InvalidVersion:
            return False


def _part(name: str, text: str) -> tuple[str, str]:
    match = _PART.fullmatch(text)
    if match is None:
        raise BadConstraint(
            f"In “{name}” one of {', '.join(OPERATORS[1:])} is missing before “{text}”: write {name}>=1.2,<2."
        )
    sign, version = match.groups()
    if not version:
        raise BadConstraint(f"A version is missing after “{name}{sign}”: write {name}{sign}1.2.")
    if not _VERSION.fullmatch(version):
        raise BadConstraint(f"“{version}” after “{name}{sign}” is no version: write {name}{sign}1.2.")
    if version.endswith(".*") and sign not in ("==", "!="):
        raise BadConstraint(f"“{version}” goes with == and != only: write {name}{sign}{version[:-2]}.")
    if sign == "~=" and "." not in version:
        raise BadConstraint(f"~= needs two numbers: write {name}~={version}.0.")
    return sign, version


@lru_cache(maxsize=256)
def _specifiers(parts: tuple[tuple[str, str], ...]) -> SpecifierSet | None:
    """Return the parts as PEP 440 has them; None where only conda knows such a version."""
    # Loaded here, as in `versions`: most of what imports this compares nothing.
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(",".join(sign + version for sign, version in parts))
    except InvalidSpecifier:
        return None


def _fits_conda(version: str, sign: str, bound: str) -> bool:
    if bound.endswith(".*"):
        return starts_with(version, bound[:-2]) == (sign == "==")
    newer = is_newer(version, bound, "conda")
    match sign:
        case "<":
            return newer is False
        case "<=":
            return newer is not True
        case ">":
            return newer is True
        case ">=":
            return newer is not False
        case "!=":
            return newer is not None
        case "~=":
            return newer is not False and starts_with(version, bound.rpartition(".")[0])
        case _:
            return newer is None
