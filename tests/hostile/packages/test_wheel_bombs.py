"""No wheel takes more memory or disk than it claims, and none may claim too much."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.builds.imaging.making import empty_base, locked, make_wheel, unpacked
from tests.hostile.packages.wheels import INFO, Memory, claiming, image_of, refused, rewritten

MUCH = 64 * 1024**2
BOMB = 24 * 1024**2
METHODS = {"deflate": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "member",
    [
        "shop/x.py",
        f"{INFO}/METADATA",
        f"{INFO}/RECORD",
        f"{INFO}/entry_points.txt",
        "shop-1.0.data/scripts/x",
    ],
)
def test_a_member_that_claims_less_than_it_unpacks_to_is_never_unpacked(
    method: str, member: str, tmp_path: Path, workshop: Workshop
) -> None:
    kind = METHODS[method]
    wheel = make_wheel(tmp_path, files={"shop/__init__.py": ""})
    rewritten(wheel, lambda path, data: None if path == member else (path, data))
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(zipfile.ZipInfo(member), bytes(BOMB), compress_type=kind)
    claiming(wheel, member, 10)
    with Memory() as memory:
        refused(workshop, wheel, match="damaged")
    assert memory.most < BOMB / 2


@pytest.mark.parametrize("member", [f"{INFO}/METADATA", f"{INFO}/RECORD", f"{INFO}/entry_points.txt"])
def test_a_description_that_honestly_is_enormous_is_not_read(
    member: str, tmp_path: Path, workshop: Workshop
) -> None:
    wheel = rewritten(make_wheel(tmp_path), lambda path, data: None if path == member else (path, data))
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, bytes(MUCH))
    with Memory() as memory:
        refused(workshop, wheel, match="larger than")
    assert memory.most < MUCH / 4


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("path", ["shop/big.bin", "shop-1.0.data/scripts/big"])
def test_a_large_file_that_record_leaves_out_is_never_whole_in_memory(
    path: str, stored: bool, tmp_path: Path, workshop: Workshop
) -> None:
    wheel = make_wheel(tmp_path)
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path, bytes(MUCH))
    lock, fetched = locked(wheel)
    with Memory() as memory:
        assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Quiet())
    assert memory.most < MUCH / 2


def test_a_large_script_that_must_be_rewritten_is_refused(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, files={"shop-1.0.data/scripts/big": b"#!python\n" + bytes(MUCH)})
    refused(workshop, wheel, match="too large for a script")


def test_bytes_behind_the_end_of_a_member_never_reach_a_layer(tmp_path: Path, workshop: Workshop) -> None:
    """A gzip reader would take them for the next member, and so for files that nobody checked."""
    honest = bytes(range(256)) * 64
    raw = zlib.compress(honest)[2:-4]
    evil = struct.pack("<II", zlib.crc32(honest), len(honest)) + zlib.compress(b"evil", wbits=31)
    wheel = make_wheel(tmp_path)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("shop/x.bin", raw + evil)
        # Stored so far; now both of its headers claim that it is deflated.
    content = bytearray(wheel.read_bytes())
    for mark, method, crc, size in ((b"PK\3\4", 8, 14, 22), (b"PK\1\2", 10, 16, 24)):
        at = content.rindex(mark)
        content[at + method : at + method + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        content[at + crc : at + crc + 4] = struct.pack("<I", zlib.crc32(honest))
        content[at + size : at + size + 4] = struct.pack("<I", len(honest))
    wheel.write_bytes(content)
    refused(workshop, wheel, match="something follows its end")


def test_a_stored_member_shorter_than_it_claims_never_reaches_a_layer(
    tmp_path: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files behind it would be taken for its content."""
    monkeypatch.setattr("builds.imaging.packing.segment.LARGE", 1000)
    wheel = make_wheel(tmp_path, files={"shop/x.bin": b"x" * 5000}, stored=["shop/x.bin"])
    refused(workshop, claiming(wheel, "shop/x.bin", 9000), match="damaged")


def test_members_that_share_bytes_are_refused(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("shop/big.bin", bytes(100_000))
        first = archive.getinfo("shop/big.bin")
        for number in range(50):
            copy = zipfile.ZipInfo(f"shop/{number}")
            copy.header_offset, copy.CRC = first.header_offset, first.CRC
            copy.file_size = copy.compress_size = first.file_size
            archive.filelist.append(copy)
        archive._didModify = True  # type: ignore[attr-defined]
    refused(workshop, wheel, match="overlap")


def test_a_wheel_with_a_million_members_is_refused_before_they_are_in_memory(
    tmp_path: Path, workshop: Workshop
) -> None:
    count = 1_000_000
    entry = b"PK\1\2" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"x"
    end = b"PK\5\6" + struct.pack("<4HIIH", 0, 0, 0xFFFF, 0xFFFF, len(entry) * count, 0, 0)
    wheel = tmp_path / "shop-1.0-py3-none-any.whl"
    wheel.write_bytes(entry * count + end)
    with Memory() as memory:
        refused(workshop, wheel, match="more than 200,000 files")
    assert memory.most < 2 * len(entry) * count


def test_a_source_that_takes_gigabytes_to_compile_gets_no_bytecode(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"shop/huge.py": "x = 1\n" * 800_000, "shop/y.py": "y = 1\n"})
    compiling = Workshop(store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache")
    image = image_of(wheel, workshop=compiling)
    names = [name for la in image.layers for name in unpacked(compiling.store, la.digest, tmp_path / "root")]
    assert {name.rpartition("/")[2] for name in names if name.endswith(".pyc")} == {"y.cpython-311.pyc"}
