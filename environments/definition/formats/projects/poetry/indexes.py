"""The package indexes of a poetry project: its `source` tables and their priorities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from environments.definition.formats.projects.poetry.manifest import Manifest
from environments.definition.formats.toml import items, text
from environments.definition.packages.lock_lines import PYPI
from environments.definition.syntax.text import Placed


@dataclass(slots=True)
class Indexes:
    """The options of pip's that name a project's indexes, and the URLs of all of them by name."""

    lines: list[Placed] = field(default_factory=list)
    by_name: dict[str, str] = field(default_factory=dict)


def indexes(manifest: Manifest) -> Indexes:
    """The project's indexes. An explicit index serves the packages that name it, and has no line."""
    given = Indexes(by_name={"pypi": PYPI})
    primary: list[Placed] = []
    others: list[Placed] = []
    for number, source in enumerate(items(manifest.poetry, "source")):
        if not isinstance(source, dict):
            continue
        name, priority = text(source, "name").lower(), _priority(source, manifest.is_poetry_2)
        url = PYPI if name == "pypi" else text(source, "url").rstrip("/")
        if not url or len(url.split()) != 1:
            continue
        given.by_name[name] = url
        at = manifest.beside.at("tool", "poetry", "source", number).moved(url)
        if priority == "primary":
            primary.append(at)
        elif priority != "explicit" and url != PYPI:
            others.append(at)
    if primary and str(primary[0]) != PYPI:
        given.lines.append(primary[0].moved(f"--index-url {primary[0]}"))
    given.lines += [at.moved(f"--extra-index-url {at}") for at in [*primary[1:], *others]]
    return given


def _priority(source: Mapping[str, object], poetry_2: bool) -> str:
    """Return `primary` where the index replaces PyPI, `explicit`, or `supplemental`."""
    priority = source.get("priority")
    if source.get("default") is True or priority in ("primary", "default"):
        return "primary"
    if source.get("secondary") is True or priority in ("secondary", "supplemental"):
        return "supplemental"
    if priority == "explicit":
        return "explicit"
    # poetry 1 adds such an index to PyPI, poetry 2 replaces PyPI by it.
    return "primary" if poetry_2 else "supplemental"
