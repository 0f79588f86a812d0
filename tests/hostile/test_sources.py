"""No source distribution takes more memory than its declared requirements may have, and each refusal names it."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings

from builds.imaging.files import WheelFile
from builds.imaging.pip.declared.sdist import needs_of
from builds.imaging.reporting import ImageError
from tests.builds.imaging.making import make_sdist
from tests.hostile import tars
from tests.hostile.changing import Change, changed, changes
from tests.hostile.packages.wheels import Memory, claiming

ABOUT = "source-1.0/PKG-INFO"


def sdist(path: Path, content: bytes | None = None) -> WheelFile:
    if content is not None:
        path.write_bytes(content)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return WheelFile("source", "1.0", path, digest, path.stat().st_size)


def refused(file: WheelFile, match: str | None = None) -> None:
    with Memory() as memory, pytest.raises(ImageError, match=match) as error:
        needs_of(file)
    assert (error.value.code, error.value.fault) == ("bad-wheel", "outside")
    assert memory.most < 24 * 1024**2
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("kind", tars.HEADERS)
@pytest.mark.parametrize("packed", [True, False])
def test_a_header_that_claims_much_is_not_read(kind: str, packed: bool, tmp_path: Path) -> None:
    pieces = tars.HEADERS[kind]
    content = tars.gzipped(pieces) if packed else b"".join(pieces)
    refused(sdist(tmp_path / "source-1.0.tar.gz", content), match="header of 67,108,864 bytes")


@pytest.mark.parametrize("kind", tars.DAMAGED)
def test_a_damaged_archive_is_the_packages_fault(kind: str, tmp_path: Path) -> None:
    refused(sdist(tmp_path / "source-1.0.tar.gz", tars.gzipped(tars.DAMAGED[kind])))


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0\0\0", b"<html>"])
def test_what_is_no_archive_declares_nothing_or_is_refused(content: bytes, tmp_path: Path) -> None:
    file = sdist(tmp_path / "source-1.0.tar.gz", content)
    if content:
        refused(file)
    else:
        assert needs_of(file) == ()


def test_an_enormous_declaration_is_read_to_its_limit(tmp_path: Path) -> None:
    content = tars.gzipped([tars.header(ABOUT, tars.MUCH), *tars.ZEROS])
    with Memory() as memory:
        assert needs_of(sdist(tmp_path / "source-1.0.tar.gz", content)) == ()
    assert memory.most < tars.MUCH / 2


def test_a_zip_member_that_claims_less_than_it_unpacks_to_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "source-1.0.zip"
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr(ABOUT, bytes(tars.MUCH))
        refused(sdist(claiming(path, ABOUT, 10)), match="damaged")


def test_too_many_declarations_are_refused(tmp_path: Path) -> None:
    pieces = [tars.file(f"{number}/PKG-INFO", b"Name: x\n") for number in range(100)]
    refused(sdist(tmp_path / "source-1.0.tar.gz", tars.gzipped(pieces)), match="more than 50 files")
    needs = "".join("Requires-Dist: x\n" for _ in range(10_001)).encode()
    refused(
        sdist(tmp_path / "source-1.0.tar.gz", tars.gzipped([tars.file(ABOUT, needs)])),
        match="10,000 packages",
    )


@pytest.mark.parametrize("need", ["x; " + "(" * 2000, "x" * 100_000, "x @ http://127.0.0.1/x.whl", "x\0"])
def test_a_requirement_that_is_none_is_the_packages_fault(need: str, tmp_path: Path) -> None:
    about = f"Metadata-Version: 2.1\nRequires-Dist: {need}\n".encode()
    refused(sdist(tmp_path / "source-1.0.tar.gz", tars.gzipped([tars.file(ABOUT, about)])))


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, bytes])
def test_archives_of_every_compression_are_read(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    long = "source-1.0/" + "x" * 200
    pieces = [
        tars.header("l", len(long) + 1, b"L")
        + tars.padded(long.encode() + b"\0")
        + tars.file("y", b"z" * 700),
        tars.header("p", len(tars.record("path", ABOUT)), b"x") + tars.padded(tars.record("path", ABOUT)),
        tars.file("other", b"Requires-Dist: numpy<2\n"),
    ]
    assert needs_of(sdist(tmp_path / "source-1.0.tar.gz", pack(b"".join(pieces)))) == ("numpy<2",)


@settings(max_examples=100)
@given(drawn=changes())
def test_any_source_is_read_or_refused_as_a_package(
    drawn: list[Change], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "sources"
    folder.mkdir(exist_ok=True)
    valid = b"".join(
        [tars.file(ABOUT, b"Requires-Dist: numpy<2\n"), tars.HEADERS["pax"][0], tars.file("x", b"y")]
    )
    content = changed(valid, drawn, (b"source", b"ustar"), 512)
    for data in (content, tars.gzipped([content])):
        try:
            needs_of(sdist(folder / "source-1.0.tar.gz", data))
        except ImageError as error:
            refusal: ImageError | None = error
        else:
            refusal = None
        assert refusal is None or refusal.fault == "outside", refusal


def test_an_honest_source_is_read(tmp_path: Path) -> None:
    assert needs_of(sdist(make_sdist(tmp_path, says=["numpy<2", "pandas"]))) == ("numpy<2", "pandas")
