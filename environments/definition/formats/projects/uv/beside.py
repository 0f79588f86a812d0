"""The pyproject.toml beside a uv.lock, which says what the lock is for."""

from __future__ import annotations

from dataclasses import dataclass

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.pep621.manifest import Manifest, of_pyproject
from environments.definition.formats.projects.pep621.pyproject import FILE_NAME
from environments.definition.formats.source import Source
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Document


@dataclass(frozen=True, slots=True)
class Beside:
    """The manifest beside a lock, and the document that it is from."""

    document: Document
    manifest: Manifest
    path: str

    def at(self, *keys: str | int) -> Placed:
        """The place of a key in the manifest."""
        return Placed("", self.document.line(*keys), None, self.path)


def manifest_beside(draft: Draft, source: Source) -> Beside | None:
    """Return the pyproject.toml in the lock's folder; None where there is none."""
    path = f"{source.base}/{FILE_NAME}" if source.base else FILE_NAME
    content = source.folder.read(path, source.limits.definition)
    if content is None:
        return None
    text = content[: source.limits.definition].decode("utf-8-sig", "replace")
    draft.files_read[path] = text.split("\n")
    outer, draft.file = draft.file, path
    try:
        document = toml.document(draft, text)
        return Beside(document, of_pyproject(draft, document), path)
    finally:
        draft.file = outer
