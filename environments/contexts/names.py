"""Names of uploaded files: which are accepted, and which upload a file belongs to."""

import base64
import binascii
from dataclasses import dataclass

from environments.definition.files.archive import DEEPEST_PATH
from environments.errors import ServiceError
from environments.models import LONGEST_NAME

_MOST_BLOCK_ID = 64  # bytes; 88 characters in base 64


class BadName(ServiceError):
    """A name that no file can have."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "name-invalid",
            f"This file's name isn't valid: {why}.",
            "Rename the file, or leave it out with a line in .amlignore.",
        )


@dataclass(frozen=True)
class BlobName:
    """A file's name, such as `LocalUpload/<hash>/context/Dockerfile`; the first two parts name its upload."""

    name: str
    upload: str

    def __str__(self) -> str:
        return self.name


def read_name(text: str) -> BlobName:
    """Return the name in a decoded path. Raises BadName for anything that could lead out of the upload."""
    if not text.isprintable() or "\N{REPLACEMENT CHARACTER}" in text:
        raise BadName("it has characters that can't be printed")
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        raise BadName("it isn't valid UTF-8") from None
    if length > LONGEST_NAME:
        raise BadName(f"it has more than {LONGEST_NAME} bytes")
    if "\\" in text:
        raise BadName("it has a backslash")
    parts = text.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise BadName("it has an empty part, “.” or “..”")
    if len(parts) < 3:
        raise BadName("it has fewer than three parts")
    if len(parts) > DEEPEST_PATH:
        raise BadName(f"it has more than {DEEPEST_PATH} parts")
    return BlobName(text, "/".join(parts[:2]))


def read_block_id(text: str) -> str:
    """Return a block's id, which is base 64 of up to 64 bytes. Raises BadName."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not 0 < len(decoded) <= _MOST_BLOCK_ID or base64.b64encode(decoded).decode() != text:
        raise BadName("a block's id is base 64 of 1 to 64 bytes")
    return text
