"""The lines of pip that hold a lock's packages to their versions, files and hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from environments.definition.packages.locked import LockedFile, LockedPackage
from environments.definition.packages.specs import pip_name

PYPI = "https://pypi.org/simple"
# Files of other systems: no image on Linux takes them, and their hashes would be most of a line.
_ELSEWHERE = re.compile(r"-(?:win32|win_\w+|macosx_\w+|ios_\w+|android_\w+|emscripten_\w+|pyodide_\w+)\.whl$")
_SHA256 = re.compile("[0-9a-fA-F]{64}")


def for_linux(files: Iterable[LockedFile]) -> tuple[LockedFile, ...]:
    """Return the files that an image may take: wheels of Linux or of any system, and source distributions."""
    return tuple(file for file in files if not _ELSEWHERE.search(file.name))


def locked_line(package: LockedPackage) -> str:
    """`name==version ; marker --hash=sha256:…`, with the hashes of its files."""
    hashes = [file.sha256 for file in package.files] or [package.sha256]
    marker = f" ; {package.marker}" if package.marker else ""
    tail = "".join(
        f" --hash=sha256:{digest}" for digest in dict.fromkeys(hashes) if _SHA256.fullmatch(digest)
    )
    return f"{pip_name(package.name)}=={package.version}{marker}{tail}"


def direct_line(package: LockedPackage, url: str) -> str:
    """`name @ URL ; marker`, for a package that comes from a repository or an address of its own."""
    marker = f" ; {package.marker}" if package.marker else ""
    return f"{pip_name(package.name)} @ {url}{marker}"


def index_lines(indexes: Iterable[str]) -> list[str]:
    """Return the options that name the lock's indexes other than PyPI, each once."""
    others = dict.fromkeys(index.rstrip("/") for index in indexes)
    return [f"--extra-index-url {index}" for index in others if index and index != PYPI]
