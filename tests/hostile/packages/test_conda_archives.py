"""Archives of a hostile conda channel: their headers, sizes, frames and metadata are counted before they take memory."""

from __future__ import annotations

import json
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard

from builds.imaging.conda.archive import contents
from builds.imaging.conda.package import metadata, reading
from builds.imaging.reporting import ImageError
from tests.hostile.packages.conda_packages import (
    Entry,
    Machine,
    Making,
    fetched,
    listed,
    raw,
    refused,
    tar_of,
    zipped,
)

MIB = 1024**2


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    result = Machine(tmp_path)
    yield result
    result.check()


@pytest.mark.parametrize("text", [b"[" * 100_000, b"[1]", b"null", b"\xff", b"", b"[" + b"[]," * 5 * MIB])
@pytest.mark.parametrize("name", ["info/index.json", "info/paths.json"])
def test_metadata_that_cannot_be_read_is_refused(machine: Machine, name: str, text: bytes) -> None:
    making = Making([raw("share/x")])
    info = [entry for entry in making.info() if entry[0].name != name]
    package = zipped(
        machine.made,
        zstandard.compress(tar_of(making.members)),
        zstandard.compress(tar_of([*info, raw(name, text)])),
    )

    refused(machine, package)
    with pytest.raises(ImageError):
        contents(fetched(package))


def header(kind: bytes, size: int) -> bytes:
    entry = tarfile.TarInfo("bomb")
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.GNU_FORMAT)


def sparse() -> tuple[bytes, bytes]:
    """Return a sparse file's header, and a block by which its map goes on."""
    first = bytearray(header(b"S", 0))
    first[482] = 1
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first)
    return bytes(first), b"00000000000\0" * 42 + b"\1" + bytes(7)


# Each archive: its beginning, and what follows how many times. Whole in memory, they would weigh a gigabyte.
BOMBS = {
    "GNU name": (header(b"L", 8 * 1024**3), bytes(MIB), 300),
    "GNU link": (header(b"K", 8 * 1024**3), bytes(MIB), 300),
    "PAX": (header(b"x", 2 * 1024**3), b"9" * MIB, 300),
    "global PAX": (header(b"g", 2 * 1024**3), b"9" * MIB, 300),
    "chain of names": (b"", header(b"L", 512) + b"a" * 512, 50_000),
    "chain of global headers": (
        b"",
        header(b"g", 512) + b"20 a=aaaaaaaaaaaaaa\n".ljust(512, b"\0"),
        50_000,
    ),
    "map of a sparse file": (*sparse(), 15_000),
    "negative size": (
        struct.pack("100s24s12s", b"a", b"0000644\0" * 3, b"\xff" * 12).ljust(512, b"\0"),
        b"",
        0,
    ),
}


def compressed(first: bytes, then: bytes, times: int) -> bytes:
    """Return such an archive compressed, without ever holding it whole."""
    codec = zstandard.ZstdCompressor(level=1).compressobj()
    pieces = [codec.compress(first), *(codec.compress(then) for _ in range(times))]
    return b"".join([*pieces, codec.compress(bytes(1024)), codec.flush()])


@pytest.mark.parametrize("case", BOMBS)
def test_headers_that_claim_gigabytes_take_no_memory(machine: Machine, case: str) -> None:
    package = zipped(
        machine.made,
        compressed(*BOMBS[case]),
        zstandard.compress(tar_of(Making(paths=listed("bomb")).info())),
    )
    tracemalloc.start()
    try:
        refused(machine, package)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 64 * MIB


def test_a_window_larger_than_other_tools_take_is_refused(machine: Machine) -> None:
    codec = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
    ).compressobj()
    making = Making([raw("share/x")])
    packed = codec.compress(tar_of(making.members)) + codec.flush()

    refused(machine, zipped(machine.made, packed, zstandard.compress(tar_of(making.info()))))


def test_what_follows_in_a_second_frame_is_checked_too(machine: Machine) -> None:
    plain = tar_of([raw("share/x"), raw("pipe", kind=tarfile.FIFOTYPE)])
    packed = zstandard.compress(plain[:1024]) + zstandard.compress(plain[1024:])
    info = zstandard.compress(tar_of(Making(paths=listed("share/x")).info()))

    refused(machine, zipped(machine.made, packed, info))


@pytest.mark.parametrize("limit", ["_ALWAYS_ALLOWED", "MOST_BYTES", "MOST_FILES"])
def test_a_package_that_unpacks_to_too_much_is_refused(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(reading, limit, 3 if limit == "MOST_FILES" else MIB)
    making = Making([raw("share/zeros", bytes(9 * MIB)), raw("share/x")])

    assert "too large" in refused(machine, making.new(machine.made))


def test_large_metadata_is_refused_before_it_is_parsed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "_MOST_VALUES", 100)
    making = Making([raw(f"share/{n}") for n in range(100)])

    assert "too large" in refused(machine, making.new(machine.made))


@pytest.mark.parametrize("case", ["two", "none", "encrypted", "bzip2", "unknown method", "no zip"])
def test_a_zip_that_readers_could_understand_in_two_ways_is_refused(machine: Machine, case: str) -> None:
    package = Making([raw("share/x")]).new(machine.made)
    with zipfile.ZipFile(package) as outer:
        parts = {entry.filename: outer.read(entry) for entry in outer.infolist()}
    (pkg,) = (name for name in parts if name.startswith("pkg-"))
    if case == "none":
        del parts[pkg]
    if case == "two":
        parts["pkg-other.tar.zst"] = zstandard.compress(tar_of([raw("share/y")]))
    with zipfile.ZipFile(package, "w") as outer:
        for name, data in parts.items():
            method = zipfile.ZIP_BZIP2 if case == "bzip2" else zipfile.ZIP_STORED
            outer.writestr(name, data, compress_type=method)
    written = bytearray(package.read_bytes())
    for start in (n for n in range(len(written)) if bytes(written[n : n + 4]) in (b"PK\1\2", b"PK\3\4")):
        flags = start + (8 if written[start + 2] == 1 else 6)
        if case == "encrypted":
            written[flags] |= 1
        if case == "unknown method":
            written[flags + 2] = 77
    package.write_bytes(b"no zip" if case == "no zip" else written)

    refused(machine, package)


def test_a_file_with_holes_is_installed_whole(machine: Machine) -> None:
    """Some tools write files with holes as sparse files."""
    size = 3 * MIB
    first = bytearray(header(b"S", 512))
    first[386:410] = b"%011o\0%011o\0" % (MIB, 512)
    first[483:495] = b"%011o\0" % size
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first)
    packed = zstandard.compress(bytes(first) + b"x" * 512 + bytes(1024))
    info = zstandard.compress(tar_of(Making(paths=listed("bomb")).info()))

    machine.pack(zipped(machine.made, packed, info))

    assert machine.files()["bomb"] == bytes(MIB) + b"x" * 512 + bytes(size - MIB - 512)


STRANGE: tuple[Any, ...] = (None, -1, 1.5, "", [], {}, True, "\0", "../x", [[]], 1e400, "\udcff", "x" * 300)
NAMES = (
    "bin",
    "BIN/x",
    "./share/x",
    "info/paths.json",
    "conda-meta/x",
    "site-packages/m.py",
    "..",
    "",
    "\udcff",
)
KINDS = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, b"S", b"L", b"x", b"g", b"7")


def mutated(value: Any, random: Random) -> Any:
    """Return JSON with a value in it replaced or left out."""
    if not value or not isinstance(value, dict | list) or random.random() < 0.2:
        return random.choice(STRANGE)
    result = value.copy()
    key = random.choice(list(result) if isinstance(result, dict) else range(len(result)))
    if random.random() < 0.2:
        del result[key]
    else:
        result[key] = mutated(result[key], random)
    return result


def damaged(entries: Iterable[Entry], random: Random) -> bytes:
    """Return a tar with a few other bytes in its headers, whose checksums are right again."""
    plain = bytearray(tar_of(entries))
    for _ in range(random.choice((0, 0, 1, 4))):
        start = random.randrange(min(len(plain), 4096)) // 512 * 512
        plain[start + random.randrange(512)] = random.randrange(256)
        plain[start + 148 : start + 156] = b" " * 8
        plain[start + 148 : start + 156] = b"%06o\0 " % sum(plain[start : start + 512])
    return zstandard.compress(bytes(plain))


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_package_is_installed_or_refused_as_its_own_fault(machine: Machine, seed: int) -> None:
    random, python = Random(seed), machine.python()  # noqa: S311
    for _ in range(40):
        members = [raw("share/x", b"1"), raw("site-packages/n.py", b"2")]
        for _ in range(random.randrange(3)):
            kind = random.choice(KINDS)
            empty = kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE)
            content = b"" if empty else random.randbytes(random.randrange(600))
            members.append(raw(random.choice(NAMES), content, kind, random.choice(NAMES)))
        info = [
            raw(entry.name, json.dumps(mutated(json.loads(data), random)).encode())
            if random.random() < 0.2
            else (entry, data)
            for entry, data in Making(members, entry_points=["a = m:f"]).info()
        ]
        package = zipped(machine.made, damaged(members, random), damaged(info, random))
        faults = set()
        try:
            machine.pack(package, python)
        except ImageError as error:
            faults.add((error.code, error.fault))
        assert faults <= {("bad-package", "outside")}
        machine.check()
