"""What somebody gave as a definition: a pasted text, or a file of any known kind."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from environments.definition import Reading, read, read_path

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class Given:
    """What was read, and the text to go on editing; no text where an archive was given."""

    reading: Reading
    text: str
    filename: str


def read_given(text: str, filename: str, file: "UploadedFile[bytes] | None") -> Given:
    """Read a file if there is one, else the text."""
    if file is None:
        return Given(read(text, filename, default_image=settings.DEFAULT_BASE), text, filename)
    name = Path(file.name or "definition").name
    if name.lower().endswith(ARCHIVES):
        return Given(_read_archive(file, name), "", name)
    content = file.read()
    return Given(
        read(content, name, default_image=settings.DEFAULT_BASE), content.decode("utf-8", "replace"), name
    )


def _read_archive(file: "UploadedFile[bytes]", name: str) -> Reading:
    with tempfile.TemporaryDirectory(prefix="given-") as folder:
        path = Path(folder) / name
        with path.open("wb") as copy:
            for chunk in file.chunks():
                copy.write(chunk)
        return read_path(path, default_image=settings.DEFAULT_BASE)
