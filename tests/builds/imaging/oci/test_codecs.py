"""Layers in every compression: the same tar inside, the same bytes each time, and joined without packing again."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from isal import isal_zlib

from builds.imaging.assemble import AssembledImage, ImageSettings, assemble
from builds.imaging.oci.codecs import CODECS, COMPRESSIONS, Codec
from builds.imaging.oci.gzipped import Damaged, Stream
from builds.imaging.oci.layer import LayerStream
from builds.imaging.oci.manifest import OCI_LAYER_GZIP, OCI_LAYER_ZSTD
from builds.imaging.oci.packed_tar import PackedTar
from builds.imaging.oci.zstd import LEVEL
from builds.imaging.workshop import Workshop
from environments.models import Compression
from studio import configuration
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, locked, make_wheel

TEXT = b"def add(one, other):\n    return one + other\n" * 400


def noise(size: int) -> bytes:
    """Return the same bytes each time, which no codec makes smaller."""
    return hashlib.shake_256(b"noise").digest(size)


@pytest.fixture(params=sorted(CODECS))
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]


def unpacked(codec: Codec, packed: bytes) -> bytes:
    with codec.plain(io.BytesIO(packed)) as plain:
        return b"".join(iter(lambda: plain.read(1 << 16), b""))


def deflated(data: bytes) -> Stream:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    raw = packer.compress(data) + packer.flush()
    return Stream(memoryview(raw), zlib.crc32(data), len(data))


def packed_tar(codec: Codec, contents: Sequence[bytes], *, inflated: bool) -> bytes:
    out = io.BytesIO()
    writing = PackedTar(out.write, codec=codec)
    for number, content in enumerate(contents):
        writing.deflated(f"opt/{number}", deflated(content), content if inflated else None)
        writing.file(f"opt/{number}.txt", content)
    writing.end()
    return out.getvalue()


def test_settings_pages_and_builds_name_the_same_compressions() -> None:
    assert tuple(COMPRESSIONS) == tuple(Compression.values) == configuration.COMPRESSIONS
    assert {name for names in COMPRESSIONS.values() for name in names} == CODECS.keys()


def test_members_in_a_row_hold_their_data_in_a_row(codec: Codec) -> None:
    pieces = [TEXT, b"", b"x", noise(3 << 20)]

    packed = b"".join(codec.member(piece) for piece in pieces)

    assert unpacked(codec, packed) == b"".join(pieces)
    assert packed == b"".join(codec.member(piece) for piece in pieces)


@pytest.mark.parametrize("inflated", [True, False])
def test_a_tar_holds_the_same_files_in_every_codec(codec: Codec, *, inflated: bool) -> None:
    contents = [TEXT, b"", noise(5 << 20)]

    packed = packed_tar(codec, contents, inflated=inflated)
    plain = unpacked(codec, packed)

    assert plain == unpacked(CODECS["gzip"], packed_tar(CODECS["gzip"], contents, inflated=True))
    assert packed == packed_tar(codec, contents, inflated=not inflated)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        stored = {member.name: tar.extractfile(member) for member in tar}
    assert len(stored) == 2 * len(contents)


def test_a_stream_that_is_not_what_its_archive_says_is_refused_by_every_codec(codec: Codec) -> None:
    stream = replace(deflated(TEXT), crc=1)

    with pytest.raises(Damaged):
        PackedTar(io.BytesIO().write, codec=codec).deflated("opt/x", stream, None)


def test_pieces_packed_before_are_spliced_and_hashed_as_what_they_hold(codec: Codec, tmp_path: Path) -> None:
    segment = tmp_path / "segment"
    with segment.open("wb") as file:
        part = PackedTar(file.write, codec=codec)
        part.file("opt/a", TEXT)
        part.flush()
    spliced, direct = io.BytesIO(), io.BytesIO()
    layers = LayerStream(spliced.write, codec), LayerStream(direct.write, codec)

    layers[0].splice(segment)
    layers[1].tar.file("opt/a", TEXT)

    assert layers[0].end() == layers[1].end()
    assert segment.read_bytes() in spliced.getvalue()


@pytest.mark.parametrize("without", [1, 3, 40, -1])
def test_a_piece_that_would_go_on_in_what_is_spliced_after_it_is_refused(
    codec: Codec, tmp_path: Path, without: int
) -> None:
    """A packer that a hostile package took over must not reach the files of others."""
    members = codec.member(TEXT) + codec.member(noise(300_000)) + codec.member(bytes(300_000))
    segment = tmp_path / "segment"
    layer = LayerStream(io.BytesIO().write, codec)

    segment.write_bytes(members)
    layer.splice(segment)
    segment.write_bytes(members + b"\x28" if without < 0 else members[:-without])
    with pytest.raises((Damaged, EOFError, isal_zlib.error)):  # type: ignore[arg-type] # its stub has an instance
        layer.splice(segment)


def test_frames_of_zstd_tell_their_size_and_need_no_large_window() -> None:
    """Engines then allocate once, and not much."""
    frame = CODECS["zstd"].member(bytes(40 << 20))
    parameters = zstandard.get_frame_parameters(frame)

    assert parameters.content_size == 40 << 20
    assert parameters.window_size <= 8 << 20
    assert f"-{LEVEL}" in CODECS["zstd"].key


def image_in(compression: str, workshop: Workshop, wheels: Sequence[Path]) -> AssembledImage:
    lock, fetched = locked(*wheels)
    chosen = replace(workshop, compression=compression)
    return assemble(empty_base(), lock, fetched, ImageSettings(), chosen, Recorder())


def test_an_image_in_zstd_differs_from_one_in_gzip_in_nothing_but_its_layers_bytes(
    workshop: Workshop, tmp_path: Path
) -> None:
    wheels = [
        make_wheel(tmp_path, "small"),
        make_wheel(tmp_path, "big", files={"big.bin": noise(3 << 20), "big.py": TEXT}),
    ]

    gzip, zstd = (image_in(name, workshop, wheels) for name in ("gzip", "zstd"))
    again = image_in("zstd", replace(workshop, cache=tmp_path / "other-cache"), wheels)

    assert gzip.config == zstd.config
    assert gzip.unpacked == zstd.unpacked
    assert {layer.media_type for layer in gzip.layers} == {OCI_LAYER_GZIP}
    assert {layer.media_type for layer in zstd.layers} == {OCI_LAYER_ZSTD}
    assert again.digest == zstd.digest != gzip.digest
    assert not again.cached


def test_each_compression_is_cached_for_itself(workshop: Workshop, tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path, "small")]
    first = {name: image_in(name, workshop, wheels) for name in CODECS}

    second = {name: image_in(name, workshop, wheels) for name in CODECS}

    assert [image.cached for image in first.values()] == [False, False]
    assert [image.cached for image in second.values()] == [True, True]
    assert [image.digest for image in first.values()] == [image.digest for image in second.values()]
