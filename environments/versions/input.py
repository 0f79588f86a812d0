"""Definitions as input: a pasted text, or an uploaded file of any known format."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from environments.definition import Definition, Finding, Reading, read
from environments.definition.files.folder import is_archive
from environments.definition.files.limits import Limits
from environments.definition.reading.edit_context import read_with
from environments.models import Version

LIMITS = Limits()


@dataclass(frozen=True)
class DefinitionInput:
    """The reading of a definition, and its text for the editor; an archive has no text.

    With a `path`, the text is that file of the build context.
    """

    reading: Reading
    text: str
    filename: str
    path: str = ""

    @property
    def source(self) -> str:
        """The text of the whole definition; empty for a build context."""
        return "" if self.path else self.text


def replace_file(definition: Definition, path: str, text: str) -> DefinitionInput:
    """Read a build context with another text in one of its files. Raises ValueError if it has no such file."""
    return DefinitionInput(read_with(definition, path, text, LIMITS), text, "", path)


def read_input(text: str, filename: str, file: "UploadedFile[bytes] | None") -> DefinitionInput:
    """Read the uploaded file, else the text."""
    if file is None:
        reading = read(text, filename, default_image=settings.DEFAULT_BASE, limits=LIMITS)
        return DefinitionInput(reading, text, filename)
    name = Path(file.name or "definition").name
    # One byte over the limit is enough to refuse a large file without holding it in memory.
    content = file.read(LIMITS.largest + 1)
    if is_archive(content):
        content += file.read(LIMITS.context + 1 - len(content))
    reading = read(content, name, default_image=settings.DEFAULT_BASE, limits=LIMITS)
    editable = not is_archive(content) and b"\0" not in content and len(content) <= LIMITS.largest
    return DefinitionInput(reading, content.decode("utf-8", "replace") if editable else "", name)


def version_findings(version: Version) -> tuple[Finding, ...]:
    """Return the warnings and notes about a version's text; it was accepted, so it has no errors."""
    reading = read(version.source, default_image=settings.DEFAULT_BASE) if version.source else None
    return reading.findings if reading is not None and reading.accepted else ()
