"""One dependency of a pixi.toml and the line of conda or pip that means the same, in both directions.

A line may have a blank before its version or none, which TOML has no place for. So that a line is read back as it was
written, a table that ends with `version` means the rarer of the two: `numpy = ">=1"` is conda's `numpy >=1`, and
`numpy = { version = ">=1" }` is `numpy>=1`. In the same way a marker that comes first follows a `;` without a blank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_SEPARATOR = re.compile(r"(?<!\s)\s*+([,|])\s*+")
_BRACKETS = {
    "build-number": "build_number",
    "file-name": "fn",
    "md5": "md5",
    "sha256": "sha256",
    "subdir": "subdir",
    "license": "license",
    "license-family": "license_family",
}
"""The keys of a dependency that a specification has in brackets only, by conda's name for them."""
_OF_CONDA = frozenset(("version", "build", "channel", "url", *_BRACKETS))
_OF_PIP = frozenset(
    ("version", "extras", "index", "git", "rev", "branch", "tag", "subdirectory", "url", "env-markers")
)
_OPERATORS = tuple("<>=!~")


class NotALine(ValueError):
    """The dependency is none that a line can say; the message says why."""


def conda_line(name: str, value: object) -> str:
    """The specification of conda that a dependency means. Raises NotALine."""
    _check_name(name)
    if isinstance(value, str):
        version = _version(value)
        return name + _conda_gap(version) + version
    table = _table(value)
    unknown = [key for key in table if key not in _OF_CONDA]
    if unknown:
        raise NotALine(f"the key {unknown[0][:40]!r} is not known for a conda package")
    texts = {key: _text(table, key) for key in table}
    if texts.get("url"):
        return texts["url"]
    channel = f"{texts['channel']}::" if texts.get("channel") else ""
    return channel + _from_table(name, texts)


def _from_table(name: str, texts: Mapping[str, str]) -> str:
    build, written = texts.get("build", ""), texts.get("version", "")
    version = _version(written)
    if any(key in texts for key in _BRACKETS):
        given = {_BRACKETS.get(key, key): text for key, text in texts.items() if key != "channel"}
        given |= {"version": version} if "version" in given else {}
        return f"{name}[{','.join(f'{key}={_in_brackets(text)}' for key, text in given.items() if text)}]"
    if not build:
        return name + _conda_gap(version, rarer=list(texts)[-1:] == ["version"]) + version
    if not written:
        return f"{name}[build={_in_brackets(build)}]"
    if not version or version.startswith("=="):
        return f"{name}={version.removeprefix('==') or '*'}={build}"
    return f"{name} {version} {build}"


def _in_brackets(text: str) -> str:
    if re.search(r"""["'\[\]]""", text):
        raise NotALine(f"{text[:40]!r} cannot be written in brackets")
    return text if re.fullmatch(r"[\w.*+-]+", text) else f"'{text}'"


def _conda_gap(version: str, *, rarer: bool = False) -> str:
    if version[:1] not in _OPERATORS:
        return " "[: len(version)]
    # `=3.12` and `==3.12` follow their name closely, as conda writes them; other operators do not.
    return "" if version.startswith("=") != rarer else " "


def pip_line(name: str, value: object) -> str:
    """The requirement of pip that a dependency means; its index is not on the line. Raises NotALine."""
    _check_name(name)
    if isinstance(value, str):
        return name + _pip_version(value)
    table = _table(value)
    unknown = [key for key in table if key not in _OF_PIP]
    if unknown:
        raise NotALine(f"the key {unknown[0][:40]!r} is not known for a package of pip")
    extras = table.get("extras", [])
    if not isinstance(extras, list) or not all(isinstance(extra, str) for extra in extras):
        raise NotALine("its extras are not a list of names")
    for extra in extras:
        _check_name(extra)
    head = f"{name}[{','.join(extras)}]" if extras else name
    marker = _text(table, "env-markers")
    tail = ("; " if next(iter(table)) == "env-markers" else " ; ") + marker if marker else ""
    if "git" in table:
        return f"{head} @ {_repository(table)}{tail}"
    if "url" in table:
        return f"{head} @ {_text(table, 'url')}{_below(table)}{tail}"
    version = _pip_version(_text(table, "version"))
    rarer = list(table)[-1:] == ["version"] and {*table} != {"env-markers", "version"}
    return head + (" " if version and rarer else "") + version + tail


def _repository(table: Mapping[str, Any]) -> str:
    revision = next((_text(table, key) for key in ("rev", "tag", "branch") if table.get(key)), "")
    url = _text(table, "git").removeprefix("git+")
    return f"git+{url}" + (f"@{revision}" if revision else "") + _below(table)


def _below(table: Mapping[str, Any]) -> str:
    folder = _text(table, "subdirectory")
    return f"#subdirectory={folder}" if folder else ""


def _pip_version(text: str) -> str:
    version = text.strip()
    if version in ("", "*"):
        return ""
    # pixi refuses a bare number, which can only mean this.
    return f"=={version}" if version[0].isdigit() else version


def _version(text: str) -> str:
    version = _SEPARATOR.sub(r"\1", text.strip())
    return "" if version == "*" else version


def _check_name(name: str) -> None:
    if len(name) > 255 or not _NAME.fullmatch(name):
        raise NotALine(f"{name[:60]!r} is not a package's name")


def _table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise NotALine("it must be a version or a table")
    return value


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise NotALine(f"its {key} must be a text")
    return value.strip()


# -- writing -----------------------------------------------------------------------------------------

_CONDA_PARTS = re.compile(
    r"(?:(?P<channel>[^\s\[:]++(?>://?[^\s\[:]++)*+)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*+)(?P<rest>[^\[]*+)(?:\[(?P<brackets>[^\[\]]*+)\])?"
)
_PAIR = re.compile(r"""(?<![\w\s])\s*+(\w++)\s*+=\s*+(?:'([^']*+)'|"([^"]*+)"|([^,'"\s]*+))\s*+(?:,|$)""")
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*+)(?:\[(?P<extras>[^\[\]]*+)\])?(?P<rest>(?:[ ]?@ [^ ;]++|[^@;-]*+)[ ]?)(?:; (?P<marker>.++))?"
)
_REPOSITORY = re.compile(
    r"git\+(?P<git>[^#@]*+(?:@[^#@/]*+/[^#@]*+)?)(?:@(?P<rev>[^#@/]*+))?(?:#subdirectory=(?P<subdirectory>[^#&]*+))?"
)


def conda_entry(line: str) -> tuple[str, str | dict[str, str]]:
    """The name and the value under which a pixi.toml has this specification. Raises NotALine."""
    line = " ".join(line.split())
    for name, value in _conda_candidates(line):
        try:
            if conda_line(name, value) == line:
                return name, value
        except NotALine:
            continue
    raise NotALine(f"pixi.toml cannot say {line[:80]!r} in this spelling")


def _conda_candidates(line: str) -> list[tuple[str, str | dict[str, str]]]:
    if "://" in line and "::" not in line:
        name = line.partition("#")[0].rpartition("/")[2].rsplit("-", 2)[0]
        return [(name, {"url": line})]
    parts = _CONDA_PARTS.fullmatch(line)
    if parts is None:
        return []
    name, rest = parts["name"], parts["rest"].strip()
    channel = {"channel": parts["channel"]} if parts["channel"] else {}
    if parts["brackets"] is not None:
        return [(name, channel | _from_brackets(parts["brackets"]))]
    triple = re.fullmatch(r"=([^=\s]+)=([^=\s]+)", rest)
    if triple:
        version = "*" if triple[1] == "*" else f"=={triple[1]}"
        return [(name, channel | {"version": version, "build": triple[2]})]
    version, _, build = rest.partition(" ")
    if build:
        return [(name, {"version": version} | channel | {"build": build})]
    plain: list[tuple[str, str | dict[str, str]]] = [] if channel else [(name, rest or "*")]
    given = {"version": rest or "*"}
    return [*plain, (name, given | channel), (name, channel | given)]


def _from_brackets(text: str) -> dict[str, str]:
    keys = {of_conda: key for key, of_conda in _BRACKETS.items()} | {"version": "version", "build": "build"}
    pairs = ((match[1], match[2] or match[3] or match[4] or "") for match in _PAIR.finditer(text))
    return {keys.get(key, key): value for key, value in pairs}


def pip_entry(line: str, index: str = "") -> tuple[str, str | dict[str, Any]]:
    """The name and the value under which a pixi.toml has this requirement. Raises NotALine."""
    line = " ".join(line.split())
    for name, value in _pip_candidates(line, index):
        try:
            if pip_line(name, value) == line:
                return name, value
        except NotALine:
            continue
    raise NotALine(f"pixi.toml cannot say {line[:80]!r} in this spelling")


def _pip_candidates(line: str, index: str) -> list[tuple[str, str | dict[str, Any]]]:
    match = _REQUIREMENT.fullmatch(line)
    if match is None:
        return []
    name, rest, marker = match["name"], match["rest"].strip(), match["marker"]
    before: dict[str, Any] = {"env-markers": marker} if marker and match["rest"][-1:] != " " else {}
    after: dict[str, Any] = {}
    if match["extras"] is not None:
        after["extras"] = match["extras"].split(",")
    if index:
        after["index"] = index
    if marker and not before:
        after["env-markers"] = marker
    if rest.startswith("@"):
        return [(name, before | _direct(rest[1:].strip()) | after)]
    version = {"version": rest or "*"}
    plain = [] if before or after else [(name, rest or "*")]
    return [*plain, (name, before | version | after), (name, before | {"extras": []} | after | version)]


def _direct(url: str) -> dict[str, str]:
    repository = _REPOSITORY.fullmatch(url)
    if repository is None:
        return {"url": url}
    return {key: value for key, value in repository.groupdict().items() if value}
