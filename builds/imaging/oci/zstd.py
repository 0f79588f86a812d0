"""zstd as the compression of layers: an engine unpacks it several times faster than gzip."""

from __future__ import annotations

import threading
from typing import BinaryIO, cast

import zstandard

from builds.imaging.oci.gzipped import Stream
from builds.imaging.oci.manifest import OCI_LAYER_ZSTD

LEVEL = 3
MOST_WINDOW = 1 << 27  # the most that zstd's own tool takes unless its user raises it
_MAGIC = b"\x28\xb5\x2f\xfd"
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


def is_zstd(head: bytes) -> bool:
    """Return whether these first four bytes begin a frame, which may be a frame to skip."""
    return head == _MAGIC or (head[1:] == _SKIPPED and head[0] & 0xF0 == 0x50)


ZSTD = Zstd()
