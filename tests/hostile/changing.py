"""Valid files, changed: what a fuzzer that knows their structure would try."""

from __future__ import annotations

from hypothesis import strategies as st

Change = tuple[str, float, int]
Marks = tuple[bytes, ...]
Swaps = tuple[tuple[bytes, bytes], ...]


@st.composite
def changes(draw: st.DrawFn) -> list[Change]:
    """Draw what is done to a file: each change has a kind, a position from 0 to 1, and a number."""
    kind = st.sampled_from(["byte", "cut", "header", "swap", "insert"])
    position = st.floats(0, 1, exclude_max=True)
    return draw(st.lists(st.tuples(kind, position, st.integers(0, 2**32 - 1)), min_size=1, max_size=4))


def changed(
    content: bytes, drawn: list[Change], marks: Marks, size: int, swaps: Swaps = ((b"", b""),)
) -> bytes:
    """Return a file after these changes; `header` changes a byte behind one of the marks, `swap` exchanges names."""
    data = bytearray(content)
    for kind, position, number in drawn:
        at = int(position * len(data))
        if kind == "byte" and data:
            data[at] = number & 0xFF
        elif kind == "cut":
            del data[at : at + number % 64 + 1]
        elif kind == "insert":
            data[at:at] = number.to_bytes(4, "little")
        elif kind == "swap":
            old, new = swaps[number % len(swaps)]
            data = data.replace(old, new)
        elif headers := [i for mark in marks for i in range(len(data)) if data.startswith(mark, i)]:
            at = headers[int(position * len(headers))] + number % size
            value = (number >> 8).to_bytes(3, "little")
            data[at : at + len(value)] = value
    return bytes(data)
