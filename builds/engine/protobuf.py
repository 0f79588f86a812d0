"""As much of the protocol buffers' wire format as BuildKit's progress needs."""

from __future__ import annotations

from collections.abc import Iterator

Message = dict[int, int | bytes]
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field in turn. What is cut off or unknown ends it."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(data, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind, 0)
            if kind == _BYTES:
                size, at = _varint(data, at)
            if not size and kind != _BYTES:
                return
            value, at = data[at : at + size], at + size
        yield number, value


def message(value: int | bytes) -> Message:
    """Return a message inside a message; of a repeated field, the last."""
    return dict(fields(value)) if isinstance(value, bytes) else {}


def text(entry: Message, number: int) -> str:
    """Return a field as text; empty where it is not there."""
    value = entry.get(number, b"")
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
        shift += 7
    return value, at
