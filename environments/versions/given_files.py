"""Several uploaded files as the folder that they make, read only as far as the definition needs them."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from django.core.files.uploadedfile import UploadedFile

from environments.definition.files.folder import FileEntry
from environments.definition.files.limits import Limits, size_text
from environments.definition.findings.result import Draft, Reading


class GivenFiles:
    """Uploaded files by their names: a folder without subfolders, of which nothing is in memory until it is read."""

    def __init__(self, files: "Sequence[UploadedFile[bytes]]") -> None:
        self._files = {name_of(file): file for file in files}

    def read(self, path: str, limit: int) -> bytes | None:
        file = self._files.get(path)
        if file is None:
            return None
        file.seek(0)
        content: bytes = file.read(limit + 1)
        return content

    def files(self, below: str = "") -> Iterator[FileEntry]:
        for name in [] if below else self.names():
            yield FileEntry(name, 0o644, self._files[name].size or 0)

    def names(self) -> list[str]:
        return sorted(self._files)

    def texts(self, most: int) -> dict[str, bytes]:
        """All of them, by their names; nothing where they are more than this, or where one of them is no text."""
        if sum(file.size or 0 for file in self._files.values()) > most:
            return {}
        content = {name: self.read(name, most) or b"" for name in self._files}
        return {} if any(b"\0" in part for part in content.values()) else content


def name_of(file: "UploadedFile[bytes]") -> str:
    """Return the name of an uploaded file, without the folders that a browser may have sent with it."""
    return PurePosixPath(file.name or "definition").name


def refusal(files: "Sequence[UploadedFile[bytes]]", limits: Limits) -> Reading | None:
    """Return why these files cannot be read together; None if they can be. Django limits their number."""
    draft = Draft("several files")
    names = [name_of(file) for file in files]
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    size = sum(file.size or 0 for file in files)
    if twice is not None:
        draft.note("file-twice", None, what=twice)
    elif size > limits.context:
        limit = size_text(limits.context)
        draft.note("too-large", None, what="what was given", size=size_text(size), limit=limit)
    return draft.finish() if draft.findings else None
