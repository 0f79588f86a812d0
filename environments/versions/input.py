"""What somebody gave as a definition: a pasted text, or a file of any known kind."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from environments.definition import Definition, Finding, Reading, read
from environments.definition.contexting import read_with
from environments.definition.folder import is_archive
from environments.definition.limits import Limits
from environments.models import Version

LIMITS = Limits()


@dataclass(frozen=True)
class Given:
    """What was read, and the text to go on editing; no text where an archive was given.

    Where it is one file of a build context, `path` names it: the text is that file's.
    """

    reading: Reading
    text: str
    filename: str
    path: str = ""

    @property
    def source(self) -> str:
        """The text that says the whole definition; empty for a build context."""
        return "" if self.path else self.text


def change_file(definition: Definition, path: str, text: str) -> Given:
    """Read a build context with another text in one of its files. Raises ValueError where there is none."""
    return Given(read_with(definition, path, text, LIMITS), text, "", path)


def read_given(text: str, filename: str, file: "UploadedFile[bytes] | None") -> Given:
    """Read a file if there is one, else the text."""
    if file is None:
        reading = read(text, filename, default_image=settings.DEFAULT_BASE, limits=LIMITS)
        return Given(reading, text, filename)
    name = Path(file.name or "definition").name
    # One byte more than may be: what is too large is refused, and no more of it is held in memory.
    content = file.read(LIMITS.definition + 1)
    if is_archive(content):
        content += file.read(LIMITS.context + 1 - len(content))
    reading = read(content, name, default_image=settings.DEFAULT_BASE, limits=LIMITS)
    editable = not is_archive(content) and b"\0" not in content and len(content) <= LIMITS.definition
    return Given(reading, content.decode("utf-8", "replace") if editable else "", name)


def remarks(version: Version) -> tuple[Finding, ...]:
    """Return what there is to say about a version's text; it was accepted, so errors are not among it."""
    reading = read(version.source, default_image=settings.DEFAULT_BASE) if version.source else None
    return reading.findings if reading is not None and reading.accepted else ()
