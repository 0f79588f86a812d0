"""From the exact packages of a project's lock to the lines of a definition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from environments.definition.findings.result import Draft
from environments.definition.formats.toml import text
from environments.definition.packages.lock_lines import PYPI, direct_line, index_lines, locked_line
from environments.definition.packages.locked import PIP, LockedFile, LockedPackage
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed


@dataclass(frozen=True, slots=True)
class Exact:
    """A package of a lock, as far as it is installed."""

    name: str
    version: str
    marker: str = ""
    files: tuple[LockedFile, ...] = ()
    direct: str = ""
    """The URL that it comes from instead of an index."""
    folder: str = ""
    """The path in the project that it comes from."""
    index: str = ""
    """The URL of its package index; empty for PyPI."""
    requested: bool = False
    requires: tuple[str, ...] = ()
    at: Placed = field(default_factory=lambda: Placed(""))


def take_exact(draft: Draft, packages: Iterable[Exact]) -> None:
    """Take a lock's packages into the draft, without the project's own folders. Refuses a lock with no others."""
    locked: list[LockedPackage] = []
    urls: dict[str, Placed] = {}
    for exact in packages:
        if exact.folder:
            draft.note("project-left-out", exact.at, what=exact.name[:80])
            continue
        package = _package(exact)
        line = direct_line(package, exact.direct) if exact.direct else locked_line(package)
        draft.pip.append(exact.at.moved(line))
        locked.append(package)
        if exact.index and exact.index != PYPI:
            urls.setdefault(exact.index, exact.at)
            draft.package_indexes[pip_name(exact.name)] = exact.index
    if not locked and not draft.refused:
        raise draft.refuse("empty-lock", Placed("", 1))
    draft.pip[:0] = [at.moved(line) for at, line in zip(urls.values(), index_lines(urls), strict=True)]
    draft.packages = tuple(locked)


def files_of(listed: Iterable[object]) -> tuple[LockedFile, ...]:
    """Return the files that a lock lists as `{file = …, hash = …}` or `{url = …, hash = …}`."""
    return tuple(
        LockedFile(
            text(file, "file") or text(file, "url").rpartition("/")[2],
            text(file, "url"),
            sha256_of(file.get("hash")),
        )
        for file in listed
        if isinstance(file, dict)
    )


def sha256_of(value: object) -> str:
    """Return the digest of `sha256:…`; empty for any other hash."""
    kind, _, digest = value.rpartition(":") if isinstance(value, str) else ("md5", "", "")
    return digest.lower() if kind in ("", "sha256") and len(digest) == 64 else ""


def _package(exact: Exact) -> LockedPackage:
    first = exact.files[0] if exact.files else LockedFile("")
    return LockedPackage(
        exact.name,
        exact.version,
        PIP,
        url=exact.direct or first.url,
        sha256=first.sha256,
        size=first.size,
        requested=exact.requested,
        requires=exact.requires,
        marker=exact.marker,
        files=exact.files,
    )
