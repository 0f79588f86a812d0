"""Parse the metadata of a conda package once, check it, and write it again for the installer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from builds.imaging.conda.package.names import WHITEOUT, BadName, normalised, shown
from builds.imaging.conda.package.reading import Member, bad, readable
from builds.imaging.files import WheelFile
from builds.imaging.packing.wheel import PREFIX

INDEX: Final = "info/index.json"
PATHS: Final = "info/paths.json"
LINK: Final = "info/link.json"
FILES: Final = "info/files"
_HAS_PREFIX: Final = "info/has_prefix"
_NO_LINK: Final = ("info/no_link", "info/no_softlink")

MOST_ENTRY_POINTS: Final = 5_000
_LARGEST: Final = {
    INDEX: 4 * 1024**2,
    LINK: 4 * 1024**2,
    PATHS: 128 * 1024**2,
    FILES: 64 * 1024**2,
    _HAS_PREFIX: 64 * 1024**2,
    **dict.fromkeys(_NO_LINK, 64 * 1024**2),
}
# A value of JSON takes up to a hundred times its length in memory; so many are enough for any package.
_MOST_VALUES: Final = 4_000_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_BUILD = re.compile(r"[A-Za-z0-9_.+]{1,200}")
_COMMAND = re.compile(r"[\w.+@-]{1,200}")
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_PREFIX_LINE = re.compile(r'(?:"([^"]+)"|(\S++))\s++(text|binary)\s++(?:"([^"]+)"|(.+))')
_OLDEST_PREFIX: Final = "/opt/anaconda1anaconda2anaconda3"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The checked metadata: `index`, the `paths` entries by path, and each entry point's text by its command."""

    index: dict[str, Any]
    paths: dict[str, dict[str, Any]]
    entry_points: dict[str, str]

    def texts(self) -> dict[str, str]:
        """Return the metadata files that an installer reads, with nothing in them that was not checked."""
        paths = {"paths": list(self.paths.values()), "paths_version": 1}
        result = {INDEX: json.dumps(self.index), PATHS: json.dumps(paths)}
        if self.entry_points:
            noarch = {"type": "python", "entry_points": list(self.entry_points.values())}
            result[LINK] = json.dumps({"noarch": noarch, "package_metadata_version": 1})
        return result


class MetadataFiles:
    """The metadata files of a package as they are read."""

    def __init__(self, file: WheelFile) -> None:
        self._file = file
        self._texts: dict[str, bytes] = {}

    def take(self, member: Member) -> None:
        """Keep the member if it is needed; a second file of that name is refused."""
        largest = _LARGEST.get(member.path)
        if largest is None:
            return
        if member.path in self._texts:
            raise bad(self._file, f"“{member.path}” is in it more than once")
        if member.hard or member.target or member.size > largest:
            raise bad(self._file, f"its {member.path} is too large, or a link")
        text = member.content.read()
        if text.count(b",") > _MOST_VALUES:
            raise bad(self._file, f"its {member.path} is too large")
        self._texts[member.path] = text

    @property
    def enough(self) -> bool:
        """Whether the package's name and its paths are known."""
        return {INDEX, PATHS} <= self._texts.keys()

    def parsed(self) -> Metadata:
        """Return the metadata, or raise what is wrong with it."""
        with readable(self._file):
            index = self._index()
            noarch_python = index.get("noarch") == "python"
            return Metadata(index, self._paths(), self._entry_points() if noarch_python else {})

    def _index(self) -> dict[str, Any]:
        if INDEX not in self._texts:
            raise BadName(f"it has no {INDEX}")
        index = json.loads(self._texts[INDEX])
        if not isinstance(index, dict):
            raise BadName(f"its {INDEX} is not a JSON object")
        name, version, build = (str(index.get(key, "")) for key in ("name", "version", "build"))
        if (name.lower(), version) != (self._file.name.lower(), self._file.version):
            raise BadName(
                f"its own name is {shown(f'{name} {version}')},"
                f" but its channel {self._file.name} {self._file.version}"
            )
        if not _BUILD.fullmatch(build):
            raise BadName(f"“{shown(build)}” is not a build")
        minor = ".".join(version.split(".")[:2])
        if index.get("python_site_packages_path") not in (None, f"lib/python{minor}/site-packages"):
            raise BadName("modules would not be in the usual folder of its Python")
        return index

    def _paths(self) -> dict[str, dict[str, Any]]:
        result: dict[str, dict[str, Any]] = {}
        for entry in self._raw_paths():
            path = normalised(entry["_path"])
            if path in result:
                raise BadName(f"it lists “{shown(path)}” more than once")
            if not path or path == "info" or path.startswith("info/"):
                raise BadName(f"it lists “{shown(path)}”, which is no file to install")
            result[path] = {"_path": path, **_checked(entry)}
        return result

    def _raw_paths(self) -> list[dict[str, Any]]:
        if PATHS in self._texts:
            listed: list[dict[str, Any]] = json.loads(self._texts[PATHS])["paths"]
            return listed
        # Packages of before 2017 have plain lists.
        if FILES not in self._texts:
            raise BadName(f"it has no {PATHS}")
        prefixes = self._prefixes()
        unlinked = {line for name in _NO_LINK for line in self._lines(name)}
        return [
            {"_path": line, **prefixes.get(line, {}), **({"no_link": True} if line in unlinked else {})}
            for line in self._lines(FILES)
        ]

    def _prefixes(self) -> dict[str, dict[str, str]]:
        result = {}
        for line in self._lines(_HAS_PREFIX):
            matched = _PREFIX_LINE.fullmatch(line)
            if matched is None:
                result[line] = {"prefix_placeholder": _OLDEST_PREFIX, "file_mode": "text"}
                continue
            quoted, plain, mode, quoted_path, plain_path = matched.groups()
            placeholder = {"prefix_placeholder": quoted or plain, "file_mode": mode}
            result[quoted_path or plain_path] = placeholder
        return result

    def _lines(self, name: str) -> list[str]:
        lines = self._texts.get(name, b"").decode().split("\n")
        return [line for line in (line.removesuffix("\r") for line in lines) if line]

    def _entry_points(self) -> dict[str, str]:
        if LINK not in self._texts:
            return {}
        listed = (json.loads(self._texts[LINK]).get("noarch") or {}).get("entry_points") or []
        if len(listed) > MOST_ENTRY_POINTS:
            raise BadName(f"it has more than {MOST_ENTRY_POINTS:,} entry points")
        result = {}
        for text in listed:
            command, _, target = (part.strip() for part in text.partition("="))
            module, _, function = (part.strip() for part in target.partition(":"))
            named = _COMMAND.fullmatch(command) and command not in (".", "..")
            if not named or command.startswith(WHITEOUT):
                raise BadName(f"its entry point “{shown(text)}” has no name that a command can have")
            if not _DOTTED.fullmatch(module) or not _DOTTED.fullmatch(function):
                raise BadName(f"its entry point “{shown(text)}” is not one")
            if command in result:
                raise BadName(f"it has two entry points of the name {shown(command)}")
            result[command] = f"{command} = {module}:{function}"
        return result


def _checked(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an installer needs of an entry of paths.json, if it is of the right kind."""
    result: dict[str, Any] = {}
    if entry.get("path_type") == "directory":
        result["path_type"] = "directory"
    if entry.get("no_link") is True:
        result["no_link"] = True
    digest, size = entry.get("sha256"), entry.get("size_in_bytes")
    if isinstance(digest, str) and _DIGEST.fullmatch(digest):
        result["sha256"] = digest
    if type(size) is int and 0 <= size < 1 << 60:
        result["size_in_bytes"] = size
    placeholder, mode = entry.get("prefix_placeholder"), entry.get("file_mode")
    if isinstance(placeholder, str) and mode in ("text", "binary"):
        # A shorter prefix would let files grow, and programs have no room for that.
        if len(placeholder) < len(f"/{PREFIX}") or len(placeholder) > 4096 or "\0" in placeholder:
            raise BadName(f"“{shown(placeholder)}” is no prefix that can be replaced")
        result |= {"prefix_placeholder": placeholder, "file_mode": mode}
    return result
