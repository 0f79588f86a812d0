"""Packages that a project requests, in pip's terms, from any tool's grammar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement

from environments.definition.findings.result import Draft
from environments.definition.packages.pythons import Pythons
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed

LONGEST = 4_096
"""The longest requirement that is read."""
MOST_REQUESTS = 10_000
"""How many requirements of a project are read, each as often as a group or an extra includes it."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://")


class BadRequest(ValueError):
    """The project requests nothing that can be read here; the message says why."""


class Allowance:
    """The number of requirements that are left; a project that uses more is refused."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._left = MOST_REQUESTS

    def use(self, at: Placed) -> None:
        """Use one for what is at this place."""
        self._left -= 1
        if self._left < 0:
            size, limit = f"more than {MOST_REQUESTS} requirements", str(MOST_REQUESTS)
            raise self._draft.refuse("too-large", at, what="the project", size=size, limit=limit)


@dataclass(frozen=True, slots=True)
class Requested:
    """A package that a project requests, in pip's terms."""

    name: str
    specifier: str = ""
    extras: tuple[str, ...] = ()
    marker: str = ""
    url: str = ""
    """Where it comes from instead of an index: `git+https://…`, `https://…`."""
    folder: str = ""
    """The path in the project that it comes from."""
    optional: bool = False
    index: str = ""
    """The name of the index that it must come from."""
    narrowed: str = ""
    """The constraint as it was written, where `specifier` is only a part of it."""
    at: Placed = field(default_factory=lambda: Placed(""))

    @property
    def key(self) -> str:
        """Its normalised name."""
        return _key(self.name)

    def line(self, marker: str) -> str:
        """The line of pip's that requests it where this marker holds."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        tail = f" ; {marker}" if marker else ""
        if self.url:
            return f"{self.name}{extras} @ {self.url}{tail}"
        return f"{self.name}{extras}{self.specifier}{tail}"


def from_pep508(text: object, at: Placed, optional: bool = False) -> Requested:
    """The package that a requirement such as `numpy[x]>=1; python_version < "3.12"` names. Raises BadRequest."""
    if not isinstance(text, str):
        raise BadRequest("it is no text")
    if len(text) > LONGEST:
        raise BadRequest(f"it has {len(text)} characters, and {LONGEST} are read")
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError) as error:
        raise BadRequest(str(error).partition("\n")[0] or "it is nested too deeply") from None
    url = requirement.url or ""
    folder = _folder_of(url)
    return Requested(
        requirement.name,
        str(requirement.specifier),
        tuple(sorted(requirement.extras)),
        str(requirement.marker or ""),
        "" if folder else url,
        folder,
        optional,
        at=at.moved(text),
    )


def checked_name(name: str) -> str:
    """Return a package's name. Raises BadRequest for what cannot be one."""
    if not _NAME.fullmatch(name):
        raise BadRequest(f"{name[:40]!r} is not the name of a package")
    return name


def repository_url(kind: str, url: str, revision: str = "", below: str = "") -> str:
    """The URL by which pip installs from a repository: `git+https://…@revision#subdirectory=…`."""
    if "://" not in url and "@" in url and ":" in url:  # git@github.com:owner/name.git
        url = "ssh://" + url.replace(":", "/", 1)
    revision = f"@{revision}" if revision else ""
    return f"{kind}+{url.removeprefix(kind + '+')}{revision}" + (f"#subdirectory={below}" if below else "")


@lru_cache(maxsize=16_384)
def _key(name: str) -> str:
    return pip_name(name)


def _folder_of(url: str) -> str:
    if url.startswith("file:"):
        return url
    return url if url and not _ABSOLUTE.match(url) else ""


@dataclass(slots=True)
class Markers:
    """The markers of a project's requirements, as far as they matter on Linux."""

    machines: Sequence[Pythons]

    @classmethod
    def of(cls, requires: str, requested: Iterable[Requested]) -> Markers:
        """Take in the markers of these requirements."""
        texts = list({each.marker for each in requested if each.marker})
        return cls([Pythons(requires, texts, machine) for machine in ("x86_64", "aarch64")])

    def kept(self, marker: str) -> str | None:
        """The marker as far as it matters on Linux: empty if it always holds, None if it never does.

        Raises ValueError for what is no marker.
        """
        if not marker:
            return ""
        stretches = [(pythons.where(marker), pythons.all) for pythons in self.machines]
        if not any(where for where, _ in stretches):
            return None
        return "" if all(where == whole for where, whole in stretches) else marker
