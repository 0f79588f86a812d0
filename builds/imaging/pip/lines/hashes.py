"""Hashes that a definition requires of its packages: files with other hashes are refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packaging.utils import canonicalize_name

from builds.imaging.reporting import ImageError
from environments.network.masking import masked

_OPTION = re.compile(r"(?<!\s)\s++--hash(?:=|\s)\s*+(?P<how>\w++):(?P<digest>\w++)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REQUIRED, _NOT_REQUIRED = "--require-hashes", "--no-require-hashes"


@dataclass(frozen=True)
class Hashes:
    """The sha256 that files may have, by the package's normalised name; where `required`, each must have one."""

    by_name: Mapping[str, frozenset[str]] = field(default_factory=dict)
    required: bool = False

    def match(self, name: str, files: Iterable[Mapping[str, Any]]) -> bool:
        """Return whether any of a package's files may be taken, as far as hashes go."""
        expected = self.by_name.get(name)
        return expected is None or any(_sha256(file) in expected for file in files)

    def chosen(self, name: str, files: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return those of a package's files that may be taken. Raises ImageError where none may."""
        expected = self.by_name.get(name)
        if expected is None and self.required:
            raise ImageError(
                "no-checksum",
                f"{name} is needed too, and the definition gives a hash for other packages but not for this one.",
                "Give every package a hash, those that others need too; or leave all hashes out.",
                fault="author",
            )
        files = list(files)
        result = [file for file in files if expected is None or _sha256(file) in expected]
        if files and not result:
            raise ImageError(
                "digest-mismatch",
                f"No file of {name} that fits has a hash that the definition gives for it:"
                f" the index has sha256:{_sha256(files[0])}.",
                "If its hashes are of files for another Python or platform, give those of the files that fit;"
                " else find out who changed the file.",
                fault="author",
            )
        return result


NO_HASHES = Hashes()


def hashes_of(lines: Sequence[str]) -> tuple[list[str], Hashes]:
    """Return the lines without hashes, and the hashes. As for pip, one of them makes all of them required."""
    rest: list[str] = []
    result: dict[str, frozenset[str]] = {}
    required = False
    wanted: bool | None = None
    for line in lines:
        if line.strip() in (_REQUIRED, _NOT_REQUIRED):
            wanted = line.strip() == _REQUIRED
            continue
        given = list(_OPTION.finditer(line))
        if given:
            required = True
            digests = {match["digest"].lower() for match in given if match["how"] == "sha256"}
            if not digests:
                raise ImageError(
                    "bad-spec",
                    f"The requirement “{masked(line)[:200]}” cannot be used: only hashes by sha256 are compared.",
                    "Write its hash as --hash=sha256:…",
                )
            if name := _NAME.match(line):
                key = str(canonicalize_name(name[0]))
                # Lines of one package differ in their markers: any of them may be the line that applies.
                result[key] = result.get(key, frozenset()) | digests
        rest.append(_OPTION.sub("", line))
    return rest, Hashes(result, required if wanted is None else wanted)


def _sha256(file: Mapping[str, Any]) -> str:
    return str(file.get("hashes", {}).get("sha256", "")).lower()
