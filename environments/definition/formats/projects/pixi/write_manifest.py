"""A definition as a pixi.toml with one environment, which reads as the same definition."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from environments.definition.formats.projects.pixi.settings import refers_to_others
from environments.definition.formats.projects.pixi.specs import NotALine, conda_entry, pip_entry
from environments.definition.model import Cutoff, Definition
from environments.definition.packages.locked import SUBDIRS
from environments.definition.packages.pip_line import BadOption, taken_apart
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.toml import quoted

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_NAME_IN_LINE = re.compile(r"[A-Za-z0-9][\w.-]*")
_CHOICES = {"--only-binary": "no-build", "--no-binary": "no-binary"}
_REQUIREMENTS = {"cuda": "cuda", "glibc": "libc", "linux": "linux", "cpu": "archspec"}


def write(definition: Definition, name: str = "", version: str = "", description: str = "") -> str:
    """A pixi.toml with the definition's content. Raises NotALine for what pixi has no place for."""
    python, target = definition.python, definition.target.model_dump()
    workspace: dict[str, Any] = {"name": name or "environment"}
    workspace |= {key: text for key, text in (("version", version), ("description", description)) if text}
    workspace["channels"] = list(python.channels)
    if definition.other_platforms:
        raise NotALine(f"pixi.toml is read for one platform, not for {' and '.join(definition.platforms)}")
    workspace["platforms"] = [_subdir(definition.platform)]
    cutoff = _cutoff(definition.cutoff, "")
    tables = {
        "workspace": workspace | ({"exclude-newer": cutoff} if cutoff else {}),
        "system-requirements": {key: target[field] for field, key in _REQUIREMENTS.items() if target[field]},
        "dependencies": _conda(python.conda),
        "pypi-options": _options(python.pip),
        "pypi-dependencies": _pip(python.pip, python.package_indexes),
        "exclude-newer": _exceptions(definition.cutoff),
        "activation.env": _variables(definition.variables),
    }
    return "\n".join(_table(key, table) for key, table in tables.items() if table)


def _subdir(platform: str) -> str:
    if platform not in ("linux/amd64", "linux/arm64"):
        raise NotALine(f"pixi.toml is not read for the platform {platform}")
    return SUBDIRS[platform]


def _conda(lines: Iterable[str]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    seen: set[str] = set()
    for line in lines:
        name, value = conda_entry(line)
        _once(seen, name.lower())
        entries[name] = value
    return entries


def _pip(lines: Iterable[str], indexes: Mapping[str, str]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    seen: set[str] = set()
    for line in lines:
        if line.lstrip().startswith("-"):
            continue
        named = _NAME_IN_LINE.match(line.strip())
        key = pip_name(named[0]) if named else ""
        _once(seen, key)
        name, value = pip_entry(line, indexes.get(key, ""))
        entries[name] = value
    unused = [name for name in indexes if name not in seen]
    if unused:
        raise NotALine(f"pixi.toml has no place for the index of {unused[0]}, which is not requested")
    return entries


def _once(seen: set[str], name: str) -> None:
    if name in seen:
        raise NotALine(f"pixi.toml has each package once, and {name} is given twice")
    seen.add(name)


def _options(lines: Iterable[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for line in lines:
        if not line.lstrip().startswith("-"):
            continue
        try:
            parts = taken_apart(line)
        except BadOption as reason:
            raise NotALine(str(reason)) from None
        for name, value in parts.options:
            _option(options, name, value)
    return options


def _option(options: dict[str, Any], name: str, value: str) -> None:
    if name == "--index-url" and "index-url" not in options:
        options["index-url"] = value
    elif name == "--pre":
        options["prerelease-mode"] = "allow"
    elif name == "--find-links" and "://" in value:
        options.setdefault("find-links", []).append({"url": value})
    elif name == "--extra-index-url":
        options.setdefault("extra-index-urls", []).append(value)
    elif name in _CHOICES and _CHOICES[name] not in options:
        options[_CHOICES[name]] = True if value == ":all:" else value.split(",")
    else:
        raise NotALine(f"pixi.toml has no place for {name}")


def _cutoff(cutoff: Cutoff, name: str) -> str:
    """Return the date or age as pixi writes it; that of an exception where it is named."""
    if cutoff.as_of and cutoff.newest:
        raise NotALine("pixi.toml has a date or an age, and not both")
    value = cutoff.exceptions[name] if name else cutoff.as_of or cutoff.newest
    return "0d" if value == "any" else value if "T" in value else value.replace(" ", "")


def _exceptions(cutoff: Cutoff) -> dict[str, str]:
    return {name: _cutoff(cutoff, name) for name in cutoff.exceptions}


def _variables(variables: Mapping[str, str]) -> dict[str, str]:
    other = next((name for name, value in variables.items() if refers_to_others(value)), "")
    if other:
        raise NotALine(f"pixi would fill in the $ in the variable {other}")
    return dict(variables)


def _table(key: str, table: Mapping[str, Any]) -> str:
    lines = [f"{_key(name)} = {_value(value)}\n" for name, value in table.items()]
    return f"[{key}]\n{''.join(lines)}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else quoted(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return quoted(str(value))
