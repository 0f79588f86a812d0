"""Hostile tars, made header by header."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterable


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """Return the header of an entry that claims a size."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.linkname = size, kind, link
    return entry.tobuf(tarfile.GNU_FORMAT)


def record(key: str, value: str) -> bytes:
    """Return a record of a PAX header."""
    rest = len(f" {key}={value}\n".encode())
    length = rest + len(str(rest + len(str(rest))))
    return f"{length} {key}={value}\n".encode()


def padded(data: bytes) -> bytes:
    """Fill the last block."""
    return data + bytes(-len(data) % tarfile.BLOCKSIZE)


def file(name: str, data: bytes) -> bytes:
    """Return a file, header and content."""
    return header(name, len(data)) + padded(data)


def gzipped(pieces: Iterable[bytes]) -> bytes:
    """Return gzip of pieces, without holding them together."""
    packing = zlib.compressobj(1, zlib.DEFLATED, 31)
    out = io.BytesIO()
    for piece in pieces:
        out.write(packing.compress(piece))
    out.write(packing.flush())
    return out.getvalue()


MUCH = 64 * 1024**2
ZEROS = [bytes(1 << 20)] * (MUCH >> 20)

# Each claims a header of 64 MB, and has it.
HEADERS = {
    "gnu long name": [header("x", MUCH, tarfile.GNUTYPE_LONGNAME), *ZEROS],
    "gnu long link": [header("x", MUCH, tarfile.GNUTYPE_LONGLINK), *ZEROS],
    "pax": [header("x", MUCH, tarfile.XHDTYPE), *ZEROS],
    "global pax": [header("x", MUCH, tarfile.XGLTYPE), *ZEROS],
    "solaris pax": [header("x", MUCH, tarfile.SOLARIS_XHDTYPE), *ZEROS],
}


def changed(block: bytes, at: int, data: bytes) -> bytes:
    """Return a header block with other bytes and the right checksum."""
    bare = block[:at] + data + block[at + len(data) :]
    bare = bare[:148] + b" " * 8 + bare[156:]
    return bare[:148] + b"%06o\0 " % sum(bare) + bare[156:]


# Each is small, and no archive.
DAMAGED = {
    "a negative size": [changed(header("x", 0), 124, b"\xff" * 12)],
    "pax without end": [header("x", 512, tarfile.XHDTYPE), padded(b"9" * 512)],
    "pax of digits": [header("x", 100_000, tarfile.XHDTYPE), padded(b"9" * 100_000)],
    "pax with a size that is no number": [
        header("x", len(record("size", "1e9")), tarfile.XHDTYPE),
        padded(record("size", "1e9")),
        file("y", b"z"),
    ],
    "pax with a negative size": [
        header("x", len(record("size", "-512")), tarfile.XHDTYPE),
        padded(record("size", "-512")),
        file("y", b"z"),
    ],
    "headers without an entry": [header("x", 2, tarfile.GNUTYPE_LONGNAME) + padded(b"y\0")] * 2000,
    "cut off": [file("usr/bin/python3.11", b"x" * 2000)[:1000]],
    "random": [bytes(range(256)) * 20],
    "a size beyond every disk": [header("usr/bin/python3.11", 2**60), b"x" * 512],
    "a sparse file without end": [changed(header("x", 0, tarfile.GNUTYPE_SPARSE), 482, b"\1")]
    + [b"\0" * 504 + b"\1" * 8] * 2000,
}
