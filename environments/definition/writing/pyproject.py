"""Writing pyproject.toml: requirements as PEP 621 has them, and in [tool.uv] what it has no keys for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement

from environments.definition.model import Cutoff, Definition
from environments.definition.packages.pip_line import BadOption, taken_apart
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.toml import quoted

_OPTIONS, _PACKAGES, _CONSTRAINTS = range(3)
_ALL = ":all:"
_BINARY = {"--no-binary": "no-binary", "--only-binary": "no-build"}
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NEUTRAL = "environment"


class NoPlace(ValueError):
    """The format has no key for a line; the message names it."""


@dataclass(slots=True)
class _Tables:
    """The lines of [tool.uv] and the requirements, in the making."""

    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    uv: dict[str, list[str] | str] = field(default_factory=dict)
    indexes: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def add(self, key: str, value: str) -> None:
        """Add a value to a list of [tool.uv]."""
        values = self.uv.setdefault(key, [])
        if isinstance(values, list):
            values.append(value)


def write(definition: Definition, name: str = "", version: str = "", description: str = "") -> str:
    """The definition's packages as a pyproject.toml. Raises NoPlace for what it has no key for."""
    tables = _Tables()
    last = _OPTIONS
    for line in definition.python.pip:
        kind = _take(tables, line)
        if kind < last:
            raise NoPlace(f"it lists options, then packages, then constraints, and {line[:80]!r} comes later")
        last = kind
    project = {"name": quoted(_project_name(name, tables.requirements)), "version": quoted(_version(version))}
    if description:
        project["description"] = quoted(description)
    if definition.python.requires_python:
        project["requires-python"] = quoted(definition.python.requires_python)
    project["dependencies"] = _list(tables.requirements)
    parts = [("project", project), ("tool.uv", _of_uv(tables, definition.cutoff))]
    parts += [("tool.uv.exclude-newer-package", _exceptions(definition.cutoff))]
    parts += _sources(tables, definition.python.package_indexes)
    lines: list[str] = []
    for header, values in parts:
        if values:
            lines += ["", f"[{header}]", *(f"{key} = {value}" for key, value in values.items())]
    for index in _indexes(tables, definition.python.package_indexes):
        lines += ["", "[[tool.uv.index]]", *(f"{key} = {value}" for key, value in index.items())]
    return "\n".join(lines[1:]) + "\n"


def _take(tables: _Tables, line: str) -> int:
    try:
        parts = taken_apart(line)
    except BadOption as error:
        raise NoPlace(f"pip cannot read {line[:80]!r}: {error}") from None
    if parts.requirement:
        if parts.options:
            raise NoPlace(
                f"it has no place for the option {parts.options[0][0]} of {parts.requirement[:80]!r}"
            )
        with suppress(InvalidRequirement, RecursionError):
            Requirement(parts.requirement)
            tables.requirements.append(line)
            return _PACKAGES
        raise NoPlace(f"{line[:80]!r} has no name before its address, which PEP 621 requires")
    kinds = {_take_option(tables, option, value) for option, value in parts.options}
    return max(kinds, default=_OPTIONS)


def _take_option(tables: _Tables, option: str, value: str) -> int:
    if option == "--constraint":
        tables.constraints.append(value)
        return _CONSTRAINTS
    if option in ("--index-url", "--extra-index-url"):
        main = {"default": "true"} if option == "--index-url" else {}
        tables.indexes.append((value, main))
    elif option == "--find-links":
        tables.indexes.append((value, {"format": '"flat"'}))
    elif option == "--no-index":
        tables.uv["no-index"] = "true"
    elif option == "--pre":
        tables.uv["prerelease"] = '"allow"'
    elif option in _BINARY and value == _ALL:
        tables.uv[_BINARY[option]] = "true"
    elif option in _BINARY:
        for package in value.split(","):
            tables.add(f"{_BINARY[option]}-package", package)
    else:
        raise NoPlace(f"it has no place for the option {option}")
    return _OPTIONS


def _of_uv(tables: _Tables, cutoff: Cutoff) -> dict[str, str]:
    values = {key: value if isinstance(value, str) else _list(value) for key, value in tables.uv.items()}
    if tables.constraints:
        values["constraint-dependencies"] = _list(tables.constraints)
    if cutoff.as_of or cutoff.newest:
        values["exclude-newer"] = quoted(cutoff.as_of or cutoff.newest)
    return values


def _exceptions(cutoff: Cutoff) -> dict[str, str]:
    return {
        _key(name): "false" if limit == "any" else quoted(limit) for name, limit in cutoff.exceptions.items()
    }


def _sources(tables: _Tables, package_indexes: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    requested = {pip_name(Requirement(line).name) for line in tables.requirements}
    other = next((name for name in package_indexes if name not in requested), None)
    if other is not None:
        raise NoPlace(f"an index is given for {other}, which is not among the packages")
    names = _index_names(package_indexes)
    return [
        (
            "tool.uv.sources",
            {_key(name): f"{{ index = {quoted(names[url])} }}" for name, url in package_indexes.items()},
        )
    ]


def _indexes(tables: _Tables, package_indexes: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for url, more in tables.indexes:
        yield {"url": quoted(url), **more}
    for url, name in _index_names(package_indexes).items():
        yield {"name": quoted(name), "url": quoted(url), "explicit": "true"}


def _index_names(package_indexes: Mapping[str, str]) -> dict[str, str]:
    urls = dict.fromkeys(package_indexes.values())
    return {url: f"index-{number}" for number, url in enumerate(urls, 1)}


def _project_name(name: str, lines: Iterable[str]) -> str:
    """Return a name for the project that none of its packages has: it would be a reference to itself."""
    taken = {pip_name(Requirement(line).name) for line in lines}
    chosen = name if _NAME.fullmatch(name) else _NEUTRAL
    while pip_name(chosen) in taken:
        chosen = f"{chosen}-{_NEUTRAL}"
    return chosen


def _version(version: str) -> str:
    from packaging.version import InvalidVersion, Version

    with suppress(InvalidVersion):
        return str(Version(version))
    return "0"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def _list(values: list[str]) -> str:
    if not values:
        return "[]"
    return "[\n" + "".join(f"    {quoted(value)},\n" for value in values) + "]"
