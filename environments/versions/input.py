"""Definitions as input: a pasted text, an uploaded file of any known format, or several files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

from environments.definition import Definition, Finding, Reading, read, read_path
from environments.definition.files.folder import Folder, MemoryFolder, is_archive
from environments.definition.files.limits import Limits
from environments.definition.findings.named_environments import resolving
from environments.definition.model import Selection
from environments.definition.reading.choose_project import manifests_of
from environments.definition.reading.edit_context import read_with
from environments.definition.reading.read import read_folder_of, read_in
from environments.models import Version, Workspace
from environments.versions.given_files import GivenFiles, name_of, refusal
from environments.versions.service import SavedVersion, save_reading
from environments.versions.texts import text_to_edit

LIMITS = Limits()
_FINDINGS_SECONDS = 3600


@dataclass(frozen=True)
class DefinitionInput:
    """The reading of a definition, and its text for the editor; an archive of a build context has no text.

    With a `path`, the text is that file of the build context.
    """

    reading: Reading
    text: str
    filename: str
    path: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)
    """The texts of the other files that the definition is read from, by their paths."""
    selection: Selection = field(default_factory=Selection)
    """The requested part of a project."""

    @property
    def source(self) -> str:
        """The text of the whole definition; empty for a build context."""
        definition = self.reading.definition
        in_context = self.beside and definition is not None and definition.context is not None
        return "" if self.path or in_context else self.text

    def save(self, workspace: Workspace, name: str, **options: Any) -> SavedVersion:
        """Save it as a version, with the texts that it was read from. Raises ServiceError.

        The options are those of `save_reading`.
        """
        texts: dict[str, Any] = {"source": self.source}
        if self.source:
            texts |= {"source_path": self.filename, "beside": self.beside}
        return save_reading(workspace, name, self.reading, **texts, **options)


def replace_file(definition: Definition, path: str, text: str) -> DefinitionInput:
    """Read a build context with another text in one of its files. Raises ValueError if it has no such file."""
    return DefinitionInput(read_with(definition, path, text, LIMITS), text, "", path)


def read_input(
    text: str,
    filename: str = "",
    files: "Sequence[UploadedFile[bytes]]" = (),
    *,
    beside: Mapping[str, str] | None = None,
    selection: Selection | None = None,
) -> DefinitionInput:
    """Read the uploaded files as a folder, a single one by itself, else the text with the files beside it."""
    selection = selection or Selection()
    if len(files) > 1:
        return _read_several(files, selection)
    if files:
        return _read_file(files[0], selection)
    reading = _read_texts(text, filename, beside or {}, selection)
    return DefinitionInput(reading, text, filename, beside=beside or {}, selection=selection)


def read_beside(text: str, filename: str, folder: Folder) -> DefinitionInput:
    """Read a text as if it were a file of this folder, whose build context it names."""
    return DefinitionInput(
        read_in(text, filename, folder, default_image=settings.DEFAULT_BASE, limits=LIMITS), "", filename
    )


def read_at(path: Path, selection: Selection) -> DefinitionInput:
    """Read a file, folder or archive on this machine. Raises OSError."""
    reading = read_path(path, default_image=settings.DEFAULT_BASE, limits=LIMITS, selection=selection)
    if reading.files or path.is_dir():
        return _with_texts(reading, reading.files, path.name, selection)
    with path.open("rb") as file:
        content = file.read(LIMITS.sources + 1)
    text = _editable(content) if len(content) <= LIMITS.sources else ""
    return DefinitionInput(reading, text, path.name, selection=selection)


def _read_texts(text: str, filename: str, beside: Mapping[str, str], selection: Selection) -> Reading:
    if not beside:
        return read(text, filename, default_image=settings.DEFAULT_BASE, limits=LIMITS, selection=selection)
    texts = {**beside, filename or "definition": text}
    held = {path: (0o644, content.encode("utf-8", "surrogatepass")) for path, content in texts.items()}
    return read_folder_of(
        MemoryFolder(held), default_image=settings.DEFAULT_BASE, limits=LIMITS, selection=selection
    )


def _read_file(file: "UploadedFile[bytes]", selection: Selection) -> DefinitionInput:
    name = name_of(file)
    # One byte over the limit is enough to refuse a large file without holding it in memory.
    content = file.read(LIMITS.largest + 1)
    archive = is_archive(content)
    if archive:
        content += file.read(LIMITS.context + 1 - len(content))
    reading = read(content, name, default_image=settings.DEFAULT_BASE, limits=LIMITS, selection=selection)
    if archive:
        return _with_texts(reading, reading.files, name, selection)
    text = _editable(content) if len(content) == file.size else ""  # else it was too large to be read
    return DefinitionInput(reading, text, name, selection=selection)


def _editable(content: bytes) -> str:
    """Return the text of a file; empty for an archive, and for what is no text."""
    return "" if is_archive(content) or b"\0" in content else content.decode("utf-8", "replace")


def _read_several(files: "Sequence[UploadedFile[bytes]]", selection: Selection) -> DefinitionInput:
    refused = refusal(files, LIMITS)
    if refused is not None:
        return DefinitionInput(refused, "", name_of(files[0]), selection=selection)
    folder = GivenFiles(files)
    reading = read_folder_of(folder, default_image=settings.DEFAULT_BASE, limits=LIMITS, selection=selection)
    return _with_texts(reading, folder.texts(LIMITS.sources) or reading.files, name_of(files[0]), selection)


def _with_texts(
    reading: Reading, files: Mapping[str, bytes], name: str, selection: Selection
) -> DefinitionInput:
    """Return the input with the text of one of the files for the editor, and the others beside it."""
    try:
        texts = {path: content.decode("utf-8-sig") for path, content in files.items()}
    except UnicodeDecodeError:
        texts = {}  # a text in another encoding would not be read again as what it is
    shown = _file_to_edit(reading.file, list(texts))
    if not shown:
        return DefinitionInput(reading, "", name, selection=selection)
    text = texts.pop(shown)
    return DefinitionInput(reading, text, shown, beside=texts, selection=selection)


def _file_to_edit(chosen: str, paths: Sequence[str]) -> str:
    """Return which of the files a person would edit: the chosen one, or the manifest where that is a lock."""
    folder, slash, name = chosen.rpartition("/")
    manifests = [f"{folder}{slash}{manifest}" for manifest in manifests_of(name)]
    return next((path for path in (*manifests, chosen) if path in paths), "")


def texts_beside(version: Version) -> dict[str, str]:
    """Return the texts of the files that a version's source was read with, by their paths."""
    return {file.path: file.text for file in version.source_files.all()}


def input_of(version: Version) -> DefinitionInput:
    """Return what a version was read from, read again: the start of its next version."""
    text = text_to_edit(version)
    if not version.source.strip():
        return read_input(text)  # written from the definition, which is no project
    beside, definition = texts_beside(version), version.definition
    # The name of an environment keeps the image that it was resolved to.
    with resolving(lambda _: definition.image or ""):
        return read_input(text, version.source_path, beside=beside, selection=definition.selection)


def version_findings(version: Version) -> tuple[Finding, ...]:
    """Return the warnings and notes about a version's text; it was accepted, so it has no errors.

    They are kept for an hour: a large lock takes most of a second to read. The day is part of their name, as some of
    them count the days to a Python's end of life.
    """
    if not version.source:
        return ()
    key = f"findings-2-{version.pk}-{version.created_at.timestamp()}-{timezone.now():%Y-%m-%d}"
    findings: tuple[Finding, ...] | None = cache.get(key)
    if findings is None:
        reading = input_of(version).reading
        findings = reading.findings if reading.accepted else ()
        cache.set(key, findings, _FINDINGS_SECONDS)
    return findings
