"""A process that packs writes to a folder of its own, and what it leaves there is taken over only if it is one plain file."""

from __future__ import annotations

import hashlib
import mmap
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builds.confinement.confine import Confinement
from builds.confinement.forkserver import Child, ForkServer
from builds.imaging.child_process import FORKS
from builds.imaging.oci.store import BlobStore
from builds.imaging.packing import packers
from builds.imaging.packing.segment import Packed
from builds.imaging.packing.segments import Segments
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.confinement.test_forkserver import MODULE, answer
from tests.builds.imaging.making import make_wheel, wheel_file
from tests.hostile.packages.wheels import image_of
from tests.hostile.whole_builds.invariants import unchanged


class Spy:
    """A fork server that remembers what its children may do."""

    def __init__(self) -> None:
        self.confinements: list[Confinement] = []

    def start(self, module: str, confinement: Confinement, **options: Any) -> Child:
        self.confinements.append(confinement)
        return FORKS.start(module, confinement, **options)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    result = Spy()
    monkeypatch.setattr(packers, "FORKS", result)
    return result


@pytest.fixture
def server() -> Iterator[ForkServer]:
    server = ForkServer([MODULE])
    yield server
    server.close()


def test_a_packer_writes_neither_to_the_store_nor_to_the_cache(
    spy: Spy, server: ForkServer, tmp_path: Path, workshop: Workshop
) -> None:
    """A flaw in a decompressor then damages no other package: this is what it could do with it."""
    other = workshop.cache / "files" / "other.whl"
    other.parent.mkdir(parents=True)
    other.write_text("another workspace's")
    image = image_of(make_wheel(tmp_path / "wheels"), workshop=workshop)
    blob = workshop.store.blob_path(image.layers[-1].digest)
    (confinement, *_) = spy.confinements
    (own,) = confinement.writes
    assert not own.exists()  # nothing of it is left

    with unchanged(workshop.cache):
        child = server.start(MODULE, confinement)
        assert answer(child, f"open({str(own / 'out')!r}, 'w').write('abc')") == "3"
        for path in (
            blob,
            workshop.store.path / "ingest" / "new",
            workshop.cache / "segments" / "new",
            other,
        ):
            assert answer(child, f"open({str(path)!r}, 'a')") == "PermissionError", path
        assert answer(child, f"os.rename({str(own / 'out')!r}, {str(blob)!r})") in (
            "PermissionError",
            "OSError",
        )
        assert answer(child, f"open({str(other)!r}).read()") == "PermissionError"
        child.kill()
        child.wait()
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def linked(out: Path, outside: Path) -> None:
    out.symlink_to(outside)


def linked_twice(out: Path, outside: Path) -> None:
    out.write_bytes(b"honest")
    out.with_name("again").hardlink_to(out)


def piped(out: Path, outside: Path) -> None:
    os.mkfifo(out)


def listening(out: Path, outside: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(out))


def foldered(out: Path, outside: Path) -> None:
    out.mkdir()
    (out / "x").touch()


def absent(out: Path, outside: Path) -> None:
    """Leave nothing."""


@pytest.mark.parametrize("left", [linked, linked_twice, piped, listening, foldered, absent])
def test_anything_but_a_plain_file_is_refused(
    left: Callable[[Path, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BlobStore(tmp_path / "store")
    outside = tmp_path / "outside"
    outside.write_text("s3cret")
    folder = store.staging()
    monkeypatch.chdir(folder)  # the path of a socket is short
    left(Path("out"), outside)

    with unchanged(tmp_path / "store" / "blobs"), pytest.raises(ImageError) as error:
        store.adopt(folder / "out")

    assert (error.value.code, error.value.fault) == ("packing-failed", "outside")
    assert outside.read_text() == "s3cret"
    assert [*(tmp_path / "store" / "ingest").iterdir()] == [folder]


@pytest.mark.parametrize("how", ["open", "mapped"])
def test_a_file_that_its_writer_can_still_change_is_refused(how: str, tmp_path: Path) -> None:
    """Its digest would be that of what it was."""
    store = BlobStore(tmp_path / "store")
    out = store.staging() / "out"
    out.write_bytes(b"honest")
    file = out.open("r+b")
    mapping = mmap.mmap(file.fileno(), 0) if how == "mapped" else None
    if mapping is not None:
        file.close()

    with pytest.raises(ImageError, match="something else than a file that is complete"):
        store.adopt(out)

    file.close()
    if mapping is not None:
        mapping.close()
    assert [*(tmp_path / "store" / "blobs" / "sha256").iterdir()] == []


@pytest.mark.parametrize("elsewhere", [False, True], ids=["renamed", "copied from another disk"])
def test_a_file_is_taken_over_under_the_name_of_its_own_bytes(elsewhere: bool, tmp_path: Path) -> None:
    spent: list[int] = []
    store = BlobStore(tmp_path / "store", spent.append)
    out = Path("/dev/shm", f"out-{os.getpid()}") if elsewhere else store.staging() / "out"
    out.write_bytes(b"honest")

    digest, size = store.adopt(out)

    assert digest == f"sha256:{hashlib.sha256(b'honest').hexdigest()}"
    assert (size, spent) == (6, [6])
    assert store.read(digest) == b"honest"
    assert not out.exists()


def test_what_a_packer_claims_names_nothing(tmp_path: Path, workshop: Workshop) -> None:
    """The key is of the wheel that was to be packed, the digest of the bytes that arrived."""
    segments = Segments(workshop, (3, 11))
    wheel = wheel_file(make_wheel(tmp_path))
    out = workshop.store.staging() / "out"
    out.write_bytes(b"bytes")

    segment = segments.keep(wheel, Packed({"x": ""}, "sha256:" + "0" * 64, 1), out, alone=True)

    assert segment.layer is not None
    assert segment.layer.descriptor.digest == f"sha256:{hashlib.sha256(b'bytes').hexdigest()}"
    assert segments.known(wheel, alone=True) == segment


@pytest.mark.parametrize(
    "claimed",
    [
        None,
        {},
        {"files": "x", "diff_id": "", "unpacked": 0, "commands": []},
        {"files": {"x": 1}, "diff_id": "", "unpacked": 0, "commands": []},
        {"files": {}, "diff_id": "sha256:../../x", "unpacked": 0, "commands": []},
        {"files": {}, "diff_id": "", "unpacked": "0", "commands": []},
        {"files": {}, "diff_id": "", "unpacked": 0, "commands": [1]},
        {"files": {}, "diff_id": "", "unpacked": 0},
    ],
)
def test_an_answer_that_describes_no_package_is_refused(claimed: object) -> None:
    with pytest.raises(ValueError, match="describes no packed package"):
        Packed.from_json(claimed)
