"""Entries of poetry's dependency tables: `^1.2`, `{version = …, extras = …, markers = …}`, lists of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from environments.definition.formats.projects.poetry.constraints import (
    BadConstraint,
    platform_marker,
    python_marker,
    specifier,
)
from environments.definition.formats.projects.requested import (
    LONGEST,
    BadRequest,
    Requested,
    checked_name,
    repository_url,
)
from environments.definition.formats.toml import items, text
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table

_MOST_ALTERNATIVES = 100


def requested(name: str, entry: object, at: Placed) -> Iterator[Requested]:
    """Yield what an entry of a table of dependencies requests. Raises BadRequest."""
    checked_name(name)
    entries = entry if isinstance(entry, list) else [entry]
    if len(entries) > _MOST_ALTERNATIVES:
        raise BadRequest(f"it has {len(entries)} alternatives, and {_MOST_ALTERNATIVES} are read")
    for alternative in entries:
        try:
            yield _requested(name, alternative, at)
        except BadConstraint as error:
            raise BadRequest(str(error)) from None


def _requested(name: str, entry: object, at: Placed) -> Requested:
    if isinstance(entry, str) or entry is None:
        converted = specifier(entry or "*")
        narrowed = entry or "" if converted.narrowed else ""
        return Requested(name, converted.specifier, narrowed=narrowed, at=at)
    if not isinstance(entry, dict):
        raise BadRequest("it is neither a constraint nor a table")
    url, folder = _origin(entry)
    written = "*" if url or folder else text(entry, "version") or "*"
    converted = specifier(written)
    allowed = converted.specifier
    if entry.get("allow-prereleases") is True or entry.get("allows-prereleases") is True:
        # pip takes pre-releases for a specifier that names a pre-release.
        allowed = ",".join(filter(None, [allowed, ">=0.dev0"]))
    return Requested(
        name,
        allowed,
        tuple(checked_name(extra) for extra in items(entry, "extras") if isinstance(extra, str)),
        _marker(entry),
        url,
        folder,
        entry.get("optional") is True,
        text(entry, "source"),
        written if converted.narrowed else "",
        at,
    )


def _origin(entry: Table) -> tuple[str, str]:
    """Return the URL, or the path in the project, that a package comes from."""
    below = text(entry, "subdirectory")
    if git := text(entry, "git"):
        revision = text(entry, "rev") or text(entry, "tag") or text(entry, "branch")
        return _bounded(repository_url("git", git, revision, below)), ""
    if url := text(entry, "url"):
        return _bounded(url + (f"#subdirectory={below}" if below else "")), ""
    return "", text(entry, "path") or text(entry, "file")


def _bounded(url: str) -> str:
    if len(url) > LONGEST or url.split() != [url]:
        raise BadRequest("its address is too long, or has a blank in it")
    return url


def _marker(entry: Table) -> str:
    """Return the marker of an entry, whose keys `python` and `platform` are short for parts of it."""
    parts = [text(entry, "markers"), text(entry, "marker")]
    if len(parts[0]) > LONGEST:
        raise BadRequest("its marker is too long")
    if python := _constraint(entry, "python"):
        parts.append(python_marker(python))
    if platform := _constraint(entry, "platform"):
        parts.append(platform_marker(platform))
    parts = [part.strip() for part in parts if part.strip()]
    return parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)


def _constraint(entry: Table, key: str) -> str:
    value: Any = entry.get(key)
    return value if isinstance(value, str) and value.strip() != "*" else ""
