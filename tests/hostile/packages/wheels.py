"""Hostile wheels, and what they may cost."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from builds.imaging.assemble import AssembledImage, ImageSettings, assemble
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from tests.builds.imaging.making import empty_base, locked

INFO = "shop-1.0.dist-info"


def image_of(*wheels: Path, workshop: Workshop) -> AssembledImage:
    lock, fetched = locked(*wheels)
    return assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Quiet())


def refused(workshop: Workshop, *wheels: Path, match: str) -> ImageError:
    """Return the error that building with these wheels ends in: it blames the wheel."""
    with pytest.raises(ImageError, match=match) as error:
        image_of(*wheels, workshop=workshop)
    assert (error.value.code, error.value.fault) == ("bad-wheel", "outside")
    assert len(str(error.value)) < 1000
    return error.value


def rewritten(wheel: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """Change, rename or leave out members of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            if (changed := change(name, data)) is not None:
                archive.writestr(*changed)
    return wheel


def claiming(wheel: Path, name: str, size: int) -> Path:
    """Let a member claim a size, in both of its headers."""
    content = bytearray(wheel.read_bytes())
    encoded = name.encode()
    at = content.index(b"PK\3\4")
    while content[at + 30 : at + 30 + len(encoded)] != encoded:
        at = content.index(b"PK\3\4", at + 1)
    content[at + 22 : at + 26] = struct.pack("<I", size)
    at = content.index(b"PK\1\2")
    while content[at + 46 : at + 46 + len(encoded)] != encoded:
        at = content.index(b"PK\1\2", at + 1)
    content[at + 24 : at + 28] = struct.pack("<I", size)
    wheel.write_bytes(content)
    return wheel


class Memory:
    """Measures the most memory that Python held during a block."""

    def __enter__(self) -> Memory:
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
