"""The other file of a project, beside what is read: the manifest of a lock, the lock of a manifest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.encoding import decode
from environments.definition.formats.source import Source
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Document, Table


@dataclass(frozen=True, slots=True)
class Beside:
    """A TOML file with the name that findings give it."""

    document: Document
    file: str

    @property
    def values(self) -> Table:
        """The document's values."""
        return self.document.values

    def at(self, *path: str | int) -> Placed:
        """An empty text at the line of this key."""
        return Placed("", self.document.line(*path), None, self.file)


def manifest_beside(draft: Draft, source: Source, name: str) -> Beside | None:
    """The TOML file with this name beside what is read; None where there is none.

    Refuses what is no TOML.
    """
    path = source.beside(name)
    content = None if path is None else source.folder.read(path, source.limits.definition)
    if path is None or content is None or len(content) > source.limits.definition:
        return None
    with findings_in(draft, path):
        text = decode(draft, content)
        if text is None:
            return None
        draft.files_read[path] = text.split("\n")
        return Beside(toml.document(draft, text), path)


@contextmanager
def findings_in(draft: Draft, file: str) -> Iterator[None]:
    """Have the findings of the block name this file."""
    outer, draft.file = draft.file, file or draft.file
    try:
        yield
    finally:
        draft.file = outer
