"""The parts of a blob request beside its content: length, checksum, metadata, a list of blocks."""

import base64
import binascii
import re
from collections.abc import Iterator

from django.http import HttpRequest

from environments.contexts.names import read_block_id
from environments.contexts.uploads import MOST_BLOCKS
from studio.azure.blobs.answers import Refused

MAX_LIST = 1 << 20
CHUNK = 1 << 20
MAX_METADATA = 20
_METADATA = "x-ms-meta-"
_METADATA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_LIST = re.compile(
    r"(?:\ufeff)?\s*(?:<\?xml[^<>]{0,100}\?>\s*)?<BlockList>(?P<blocks>.*)</BlockList>\s*", re.DOTALL
)
_BLOCK = re.compile(r"\s*<(Latest|Uncommitted|Committed)>([A-Za-z0-9+/=]{1,88})</\1>\s*")


def length_of(request: HttpRequest) -> int:
    """Return the announced length of the content. Raises Refused without a length."""
    text = str(request.META.get("CONTENT_LENGTH", ""))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Refused(411, "MissingContentLengthHeader", "A request must announce its length.")
    return int(text)


def chunks_of(request: HttpRequest) -> Iterator[bytes]:
    """Yield the content in pieces: it is never in memory as a whole."""
    while chunk := request.read(CHUNK):
        yield chunk


def checksum_of(request: HttpRequest) -> bytes:
    """Return the MD5 that a request sends for its content; empty without a checksum. Raises Refused."""
    text = request.headers.get("Content-MD5", "")
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b"?"
    if text and len(digest) != 16:
        raise Refused(400, "InvalidMd5", "Content-MD5 isn't the base 64 of an MD5.")
    return digest


def metadata_of(request: HttpRequest) -> dict[str, str]:
    """Return the metadata that a request sends. Raises Refused."""
    metadata: dict[str, str] = {}
    for name, value in _headers(request):
        if not name.startswith(_METADATA):
            continue
        key = name.removeprefix(_METADATA)
        if not _METADATA_NAME.fullmatch(key) or not value.isprintable() or not value.isascii():
            raise Refused(
                400, "InvalidMetadata", "Names of metadata are letters, digits and “_”; values are ASCII."
            )
        metadata[key] = value
    if len(metadata) > MAX_METADATA:
        raise Refused(400, "MetadataTooLarge", f"A file has up to {MAX_METADATA} entries of metadata.")
    return metadata


def _headers(request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield the headers, in lower case. Django leaves out those with a “_” in their names, which these may have."""
    scope = getattr(request, "scope", None)
    if scope is None:
        for key, value in request.META.items():
            if key.startswith("HTTP_X_MS_META_"):
                yield _METADATA + key.removeprefix("HTTP_X_MS_META_").lower(), str(value)
        return
    for raw, content in scope["headers"]:
        yield raw.decode("latin-1").lower(), content.decode("latin-1")


def blocks_of(request: HttpRequest) -> list[str]:
    """Return the ids in a list of blocks, in its order. Raises Refused or BadName."""
    if length_of(request) > MAX_LIST:
        raise Refused(413, "RequestBodyTooLarge", "The list of blocks is too long.")
    text = request.read(MAX_LIST + 1).decode("utf-8", "replace")
    # No XML parser: a list has one form, and what is no list may be made to exhaust a parser.
    match = _LIST.fullmatch(text)
    if match is None:
        raise Refused(400, "InvalidXmlDocument", "The body isn't a list of blocks.")
    blocks: list[str] = []
    at, rest = 0, match["blocks"].strip()
    while at < len(rest):
        block = _BLOCK.match(rest, at)
        if block is None or len(blocks) == MOST_BLOCKS:
            raise Refused(400, "InvalidXmlDocument", "The body isn't a list of blocks, or has too many.")
        blocks.append(read_block_id(block[2]))
        at = block.end()
    return blocks
