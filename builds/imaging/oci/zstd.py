"""zstd as the compression of layers: engines unpack it with less CPU than gzip."""

from __future__ import annotations

import threading
from typing import BinaryIO, cast

import zstandard

from builds.imaging.oci.gzipped import Stream
from builds.imaging.oci.manifest import OCI_LAYER_ZSTD

LEVEL = 3
MOST_WINDOW = 1 << 27  # the most that zstd's own tool takes unless its user raises it
_MAGIC = b"\x28\xb5\x2f\xfd"
_LONGEST_HEADER = 18
_REPEATED = 1  # the kind of a block that is a single byte, many times
_SKIPPED = b"\x2a\x4d\x18"  # after a byte of 0x50 to 0x5f: a frame for other readers


class Zstd:
    """Frames of zstd. Deflate streams are inflated and packed again."""

    name = "zstd"
    key = f"libzstd-{'.'.join(map(str, zstandard.ZSTD_VERSION))}-{LEVEL}"
    media_type = OCI_LAYER_ZSTD
    suffix = ".zst"
    block = 1024 * 1024

    def __init__(self) -> None:
        self._mine = threading.local()

    def member(self, data: bytes) -> bytes:
        """Return the data as a frame. Without a checksum: the layer's digest covers it."""
        packer = getattr(self._mine, "packer", None)
        if packer is None:
            # Threads of its own would make the bytes depend on their number.
            packer = self._mine.packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False)
        return cast(bytes, packer.compress(data))

    def takes(self, stream: Stream) -> None:
        """Take no deflate stream as it is."""

    def plain(self, file: BinaryIO) -> BinaryIO:
        """Open frames in a row, to read what they hold. One with a larger window than MOST_WINDOW is refused."""
        unpacker = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW)
        return cast(BinaryIO, unpacker.stream_reader(file, read_across_frames=True))

    def whole(self, file: BinaryIO) -> bool:
        """Return whether a file is whole frames and nothing else.

        A reader takes a frame without its end for one that goes on in what is spliced after it.
        """
        size = file.seek(0, 2)
        at = 0
        while at < size:
            end = _end_of_frame(file, at)
            if end is None:
                return False
            at = end
        file.seek(0)
        return at == size


def _end_of_frame(file: BinaryIO, at: int) -> int | None:
    """Return where the frame that begins there ends, by its headers; None if it has no end."""
    file.seek(at)
    head = file.read(_LONGEST_HEADER)
    try:
        about = zstandard.get_frame_parameters(head)
    except zstandard.ZstdError:
        return None
    if not head.startswith(_MAGIC):
        return None
    at += zstandard.frame_header_size(head)
    last = 0
    while not last:
        file.seek(at)
        block = file.read(3)
        if len(block) < 3:
            return None
        number = int.from_bytes(block, "little")
        last, kind, length = number & 1, number >> 1 & 3, number >> 3
        at += 3 + (1 if kind == _REPEATED else length)
    return at + (4 if about.has_checksum else 0)


def is_zstd(head: bytes) -> bool:
    """Return whether these first four bytes begin a frame, which may be a frame to skip."""
    return head == _MAGIC or (head[1:] == _SKIPPED and head[0] & 0xF0 == 0x50)


ZSTD = Zstd()
