"""poetry's version constraints as PEP 440 specifiers and as markers: `^1.2`, `~1.2`, `1.*`, `>=1,<2 || ^3`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from packaging.version import InvalidVersion, Version

from environments.definition.formats.projects.poetry.ranges import (
    ANY,
    Ranges,
    both,
    either,
    of_specifier,
    written,
)

LONGEST = 2_000
"""The longest constraint that is read; real ones have a hundred characters."""
_PARTS = re.compile(r"(?:[\^~=><!]++[ ]*+)?[^\s,]++")
_EACH = re.compile(r"(?P<sign>[\^~=><!]*+)[ ]*+(?P<version>.*)")
_ANYTHING = re.compile(r"v?[xX*](?>\.[xX*])*+")
_COMPARED = ("<", "<=", ">", ">=")


class BadConstraint(ValueError):
    """poetry reads no such constraint; the message says why."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A constraint as a PEP 440 specifier; `narrowed` where that holds for its newest versions only."""

    specifier: str
    narrowed: bool = False


@lru_cache(maxsize=8192)
def specifier(constraint: str) -> Converted:
    """The specifier that allows the versions that poetry allows. Raises BadConstraint.

    A union is written with `!=`; where that cannot say it, its newest range is what remains.
    """
    groups = list(_groups(constraint))
    if len(groups) == 1:
        return Converted(",".join(groups[0]))
    ranges: Ranges = ()
    for group in groups:
        allowed = ANY
        for part in group:
            allowed = both(allowed, of_specifier(part))
        ranges = either(ranges, allowed)
    if not ranges:
        raise BadConstraint("no version can fit it")
    return Converted(*written(ranges))


def python_marker(constraint: str) -> str:
    """The marker for a Python in this constraint; empty for any. Raises BadConstraint."""
    groups = [[_python_atom(part) for part in group] for group in _groups(constraint)]
    if not all(groups):
        return ""
    return _joined(groups)


def platform_marker(constraint: str) -> str:
    """The marker for a `sys_platform` in this constraint (`linux || darwin`, `!=win32`). Raises BadConstraint."""
    groups = []
    for alternative in _alternatives(constraint):
        atoms = []
        for part in _PARTS.findall(alternative):
            sign, name = _taken_apart(part)
            if sign not in ("", "=", "==", "!=") or not re.fullmatch(r"[\w.-]{1,40}", name):
                raise BadConstraint(f"{part[:40]!r} is not a platform")
            atoms.append(f'sys_platform {"!=" if sign == "!=" else "=="} "{name}"')
        groups.append(atoms)
    return _joined(groups)


def _joined(groups: list[list[str]]) -> str:
    texts = [" and ".join(group) for group in groups]
    if len(texts) == 1:
        return texts[0]
    return " or ".join(
        f"({text})" if len(group) > 1 else text for text, group in zip(texts, groups, strict=True)
    )


def _alternatives(constraint: str) -> list[str]:
    if len(constraint) > LONGEST:
        raise BadConstraint(f"it has {len(constraint)} characters, and {LONGEST} are read")
    return constraint.replace("||", "|").split("|")


def _groups(constraint: str) -> Iterator[list[str]]:
    """Yield the specifiers of each alternative of a union; none where any version is allowed."""
    for alternative in _alternatives(constraint):
        parts = _PARTS.findall(alternative)
        if not parts and "|" in constraint:
            raise BadConstraint("an alternative of it is empty")
        yield [text for part in parts for text in _single(part)]


def _taken_apart(part: str) -> tuple[str, str]:
    match = _EACH.fullmatch(part)
    return (match["sign"], match["version"].strip()) if match else ("", part)


def _single(part: str) -> Iterable[str]:
    """Return the specifiers for one constraint such as `^1.2`."""
    if _ANYTHING.fullmatch(part):
        return ()
    sign, text = _taken_apart(part)
    wild = text.endswith(".*")
    version = _version("0.0.dev0" if text == "dev" else text[:-2] if wild else text, part)
    if sign in _COMPARED:
        return (f"{sign}{version}",)
    if wild:
        return _wildcard(sign, text, version, part)
    match sign:
        case "" | "=" | "==" | "<>":  # poetry reads <> as ==
            return (f"=={version}",)
        case "!=":
            return (f"!={version}",)
        case "^":
            return (f">={version}", f"<{_breaking(version)}")
        case "~":
            return (f">={version}", f"<{_raised(version, min(1, len(version.release) - 1))}")
        case "~=":
            return (f">={version}", f"<{_raised(version, max(0, len(version.release) - 2))}")
    raise BadConstraint(f"{part[:40]!r} has no operator of poetry's")


def _wildcard(sign: str, text: str, version: Version, part: str) -> Iterable[str]:
    while version.public != text[:-2] and text.endswith(".*.*"):
        text = text[:-2]
    plain = not (version.is_prerelease or version.is_postrelease or version.local)
    if sign not in ("", "=", "==", "!=") or not plain:
        raise BadConstraint(f"{part[:40]!r} has a wildcard in the wrong place")
    return (f"{'!=' if sign == '!=' else '=='}{version}.*",)


def _version(text: str, part: str) -> Version:
    while text.endswith(".*"):
        text = text[:-2]
    try:
        return Version(text)
    except (InvalidVersion, ValueError):
        raise BadConstraint(f"{part[:40]!r} is not a constraint on versions") from None


def _breaking(version: Version) -> Version:
    """Return the version that `^` ends before: the first part that is not 0 is raised."""
    release = version.release
    first = next((index for index, part in enumerate(release[:3]) if part), len(release[:3]) - 1)
    return _raised(version, first)


def _raised(version: Version, index: int) -> Version:
    release = version.release
    raised = (*release[:index], release[index] + 1, *(0 for _ in release[index + 1 :]))
    epoch = f"{version.epoch}!" if version.epoch else ""
    return Version(epoch + ".".join(map(str, raised)))


def _python_atom(part: str) -> str:
    sign, _, text = re.split(r"([<>=!]+)", part, maxsplit=1)[1], "", re.sub(r"^[<>=!]+", "", part)
    wild = text.endswith(".*")
    precision = text.removesuffix(".*").count(".") + 1
    if wild and precision == 1:
        major = int(text.removesuffix(".*"))
        inside = f'python_version >= "{major}" and python_version < "{major + 1}"'
        return inside if sign == "==" else f'(python_version < "{major}" or python_version >= "{major + 1}")'
    if wild:
        name = "python_version" if precision == 2 else "python_full_version"
        return f'{name} {sign} "{text.removesuffix(".*") if precision == 2 else text}"'
    if precision >= 3:
        return f'python_full_version {sign} "{text}"'
    if sign in (">", "<="):  # 3.8.5 is neither > 3.9 nor <= 3.8
        return f'python_full_version {sign} "{text}{".0" * (3 - precision)}"'
    return f'python_version {sign} "{text}"'
