"""Write headers of a tar archive: ten times faster than `tarfile`, and always the same bytes."""

from __future__ import annotations

import struct
from functools import lru_cache

from builds.imaging.oci.names import WHITEOUT, refuse_unusable, refuse_unusable_target

BLOCK = 512
END = bytes(2 * BLOCK)

# Everything is as old as this. Not 1970: zip files made from such a tree could not tell a time before 1980.
MODIFIED = 315_619_200  # 1980-01-02, so that it is 1980 in every time zone

FILE = b"0"
LINK = b"1"
SYMLINK = b"2"
DIRECTORY = b"5"
PAX = b"x"

_FORM = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_ROOT = b"0000000\0"
_TIME = b"%011o\0" % MODIFIED
_DEVICE = b"0000000\0"
_LARGEST = 8**11
_SUM = sum(_ROOT) * 2 + sum(_TIME) + 8 * 0x20 + sum(b"ustar\x0000rootroot") + sum(_DEVICE) * 2


def header(path: str, size: int, mode: int, kind: bytes = FILE, target: str = "") -> bytes:
    """Return the header blocks of one entry; `path` is relative, a directory's ends with a slash.

    Refuses a path that nobody can unpack, or that hides a file of the layers below.
    """
    refuse_unusable(path)
    if kind == SYMLINK:
        refuse_unusable_target(path, target)
    return _header(path, size, mode, kind, target)


def whiteout(path: str) -> bytes:
    """Return the entry that hides a file or a folder of the layers below."""
    refuse_unusable(path)
    folder, slash, name = path.rpartition("/")
    return _header(f"{folder}{slash}{WHITEOUT}{name}", 0, 0o644, FILE, "")


def _header(path: str, size: int, mode: int, kind: bytes, target: str) -> bytes:
    name, link = path.encode(), target.encode()
    extended: dict[str, bytes] = {}
    prefix = b""
    if len(name) > 100 or not name.isascii():
        prefix, name, fits = _split(name)
        if not fits or not (prefix + name).isascii():
            extended["path"] = path.encode()
            prefix, name = b"", _short(name)
    if len(link) > 100 or not link.isascii():
        extended["linkpath"] = link
        link = _short(link)
    if size >= _LARGEST:
        extended["size"] = str(size).encode()
    block = _block(name, prefix, min(size, _LARGEST - 1), mode, kind, link)
    return _pax(extended) + block if extended else block


def padding(size: int) -> bytes:
    """Return the zeros between a file's content and the next header."""
    return _ZEROS[-size % BLOCK]


@lru_cache(maxsize=4096)
def directory(path: str, mode: int = 0o755) -> bytes:
    """Return the header of a directory, which ends with a slash."""
    return header(path, 0, mode, DIRECTORY)


def parents(path: str) -> list[str]:
    """Return the directories above a path, outermost first, each with its slash."""
    parts = path.rstrip("/").split("/")[:-1]
    return ["/".join(parts[: n + 1]) + "/" for n in range(len(parts))]


_ZEROS = [bytes(n) for n in range(BLOCK)]


def _block(name: bytes, prefix: bytes, size: int, mode: int, kind: bytes, link: bytes) -> bytes:
    fields = [name, b"%07o\0" % mode, _ROOT, _ROOT, b"%011o\0" % size, _TIME, b"        ", kind, link]
    fields += [b"ustar\x0000", b"root", b"root", _DEVICE, _DEVICE, prefix]
    block = bytearray(_FORM.pack(*fields))
    # Only what is not the same in every header is added up.
    block[148:156] = b"%06o\0 " % (
        _SUM + sum(name) + sum(prefix) + sum(block[100:108]) + sum(block[124:136]) + kind[0] + sum(link)
    )
    return bytes(block)


def _split(name: bytes) -> tuple[bytes, bytes, bool]:
    """Cut a long name at a slash, so that both halves fit the old header."""
    cut = name.rfind(b"/", 0, 156)
    if len(name) <= 256 and cut > 0 and 0 < len(name) - cut - 1 <= 100:
        return name[:cut], name[cut + 1 :], True
    return b"", name, len(name) <= 100


def _short(name: bytes) -> bytes:
    """Return what a reader that knows no PAX would see: ASCII, and short."""
    return bytes(byte if byte < 128 else 0x5F for byte in name[-100:]).lstrip(b"/")


def _pax(records: dict[str, bytes]) -> bytes:
    body = b"".join(_record(key.encode(), value) for key, value in sorted(records.items()))
    return _block(b"PaxHeader", b"", len(body), 0o644, PAX, b"") + body + padding(len(body))


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)
