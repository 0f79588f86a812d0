"""Every finding there is. `docs/findings.md` is made from this list; codes are never renamed."""

from __future__ import annotations

from environments.definition.findings.entries.of_bases import OF_BASES
from environments.definition.findings.entries.of_builds import OF_BUILDS
from environments.definition.findings.entries.of_files import OF_FILES
from environments.definition.findings.entries.of_packages import OF_PACKAGES
from environments.definition.findings.entries.of_projects import OF_PROJECTS
from environments.definition.findings.entries.of_values import OF_VALUES
from environments.definition.findings.finding import Finding, filled, shown
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Sequence

CATALOGUE = {
    entry.code: entry for entry in (*OF_FILES, *OF_BASES, *OF_PACKAGES, *OF_VALUES, *OF_PROJECTS, *OF_BUILDS)
}

At = Placed | Scalar | Sequence | Mapping | None


def finding(code: str, at: At = None, *, file: str = "", help: str = "", **values: object) -> Finding:
    """The finding with this code at this place, its message filled in with the values; `help` is better advice."""
    entry = CATALOGUE[code]
    texts = {name: shown(value) for name, value in values.items()}
    return Finding(
        code,
        entry.severity,
        entry.message_of(texts),
        help or filled(entry.help, texts),
        at.line if at is not None else None,
        at.column if at is not None else None,
        (at.file if isinstance(at, Placed) else "") or file,
        tuple(texts.items()),
    )
