"""The pyproject.toml beside a uv.lock, which says what the lock is for."""

from __future__ import annotations

from dataclasses import dataclass

from environments.definition.findings.result import Draft
from environments.definition.formats.projects import beside
from environments.definition.formats.projects.pep621.manifest import Manifest, of_pyproject
from environments.definition.formats.projects.pep621.pyproject import FILE_NAME
from environments.definition.formats.source import Source


@dataclass(frozen=True, slots=True)
class Beside(beside.Beside):
    """The manifest beside a lock, and the document that it is from."""

    manifest: Manifest


def manifest_beside(draft: Draft, source: Source) -> Beside | None:
    """Return the pyproject.toml in the lock's folder; None where there is none."""
    read = beside.manifest_beside(draft, source, FILE_NAME)
    if read is None:
        return None
    with beside.findings_in(draft, read.file):
        return Beside(read.document, read.file, of_pyproject(draft, read.document))
