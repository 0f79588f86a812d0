"""No layer of a base image takes more memory than its probe may have, and each refusal blames the layer."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings

from builds.confinement.confine import Confinement
from builds.confinement.forkserver import Child
from builds.imaging import child_process
from builds.imaging.bases.probe import Probe
from builds.imaging.bases.probing import probed
from builds.imaging.bases.tree import Tree, described, opened
from builds.imaging.child_process import FORKS, Worker
from builds.imaging.oci.manifest import OCI_LAYER_GZIP
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Cancelled, ImageError, Quiet
from builds.imaging.workshop import Workshop
from tests.builds.imaging.bases.test_bases import DEBIAN, tarred
from tests.hostile import tars
from tests.hostile.changing import Change, changed, changes
from tests.hostile.packages.wheels import Memory
from tests.services.processes import many_open_files


def probe(workshop: Workshop, layer: bytes, reporter: Quiet | None = None) -> Probe:
    stored = workshop.store.put(layer, OCI_LAYER_GZIP)
    digest = "sha256:" + hashlib.sha256(layer).hexdigest()
    return probed(digest, [stored], {}, workshop, reporter or Quiet())


def probe_here(workshop: Workshop, layer: bytes) -> Probe:
    """Probe in this process, where memory is measured and limits can be lowered."""
    stored = workshop.store.put(layer, OCI_LAYER_GZIP)
    tree = Tree()
    with opened(workshop.store.blob_path(stored.digest), stored.digest, Quiet()) as archive:
        tree.add(archive, Quiet())
    return described(tree, {})


def refused(workshop: Workshop, layer: bytes, match: str | None = None) -> None:
    with Memory() as memory, pytest.raises(ImageError, match=match) as error:
        probe_here(workshop, layer)
    assert (error.value.code, error.value.fault) == ("bad-layer", "outside")
    assert memory.most < 24 * 1024**2


@pytest.mark.parametrize("kind", tars.HEADERS)
def test_a_header_that_claims_much_is_not_read(kind: str, workshop: Workshop) -> None:
    refused(workshop, tars.gzipped(tars.HEADERS[kind]), match="header of 67,108,864 bytes")


def test_a_header_in_zstd_is_not_read_either(workshop: Workshop) -> None:
    layer = zstandard.ZstdCompressor().compress(b"".join(tars.HEADERS["pax"]))
    refused(workshop, layer, match="header of 67,108,864 bytes")


def test_bytes_without_end_in_zstd_are_refused(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "builds.imaging.oci.untar.Untar.__init__.__kwdefaults__",
        {"most_entries": 100, "most_bytes": 10 << 20},
    )
    frames = map(zstandard.ZstdCompressor().compress, [tars.header("x", tars.MUCH), *tars.ZEROS])
    refused(workshop, b"".join(frames), match="unpacks to more")


def test_a_window_in_zstd_that_takes_much_memory_is_refused(workshop: Workshop) -> None:
    # A frame without its size names a window of 2 GB: 2^31 in its descriptor's upper bits.
    window = bytes([(31 - 10) << 3])
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + window + b"\x01\x00\x00"
    refused(workshop, frame, match="too much memory")


def test_a_layer_in_zstd_may_begin_with_a_frame_for_other_readers(workshop: Workshop) -> None:
    skipped = b"\x5a\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    layer = skipped + zstandard.ZstdCompressor().compress(tarred(DEBIAN))

    assert probe_here(workshop, layer) == probe_here(workshop, tars.gzipped([tarred(DEBIAN)]))


@pytest.mark.parametrize("kind", tars.DAMAGED)
def test_a_damaged_layer_is_its_own_fault(kind: str, workshop: Workshop) -> None:
    refused(workshop, tars.gzipped(tars.DAMAGED[kind]))


@pytest.mark.parametrize("layer", [b"\x1f\x8b\x08\0" + b"\xff" * 600, b"\x28\xb5\x2f\xfd" + b"\xff" * 600])
def test_a_layer_whose_compression_is_damaged_is_its_own_fault(layer: bytes, workshop: Workshop) -> None:
    refused(workshop, layer)


def test_links_without_end_are_refused(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builds.imaging.bases.tree._HELD_MOST", 100_000)
    pieces = (tars.header(f"{number:x<90}", 0, tarfile.SYMTYPE, "y" * 90) for number in range(1000))
    refused(workshop, tars.gzipped(pieces), match="more names")


def test_entries_without_end_are_refused(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "builds.imaging.oci.untar.Untar.__init__.__kwdefaults__", {"most_entries": 100, "most_bytes": 10**9}
    )
    refused(workshop, tars.gzipped([tars.header("x", 0)] * 1000), match="more than 100 entries")


def test_bytes_without_end_are_refused(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "builds.imaging.oci.untar.Untar.__init__.__kwdefaults__",
        {"most_entries": 100, "most_bytes": 10 << 20},
    )
    refused(workshop, tars.gzipped([tars.header("x", tars.MUCH), *tars.ZEROS]), match="unpacks to more")


def test_a_build_can_be_cancelled_in_the_middle_of_one_enormous_file(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "_POLL_SECONDS", 0.0)

    class Later(Quiet):
        def check(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        probe(workshop, tars.gzipped([tars.header("x", tars.MUCH), *tars.ZEROS]), Later())


def test_a_base_is_read_by_a_process_that_reads_nothing_else(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flaw in a decompressor would be the flaw of a process without secrets."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    stored = workshop.store.put(tars.gzipped([tarred(DEBIAN)]), OCI_LAYER_GZIP)
    began = []

    def start(module: str, confinement: Confinement, *_: object, **__: object) -> Child:
        began.append((module, confinement))
        return start_child(module, confinement)

    start_child = FORKS.start
    monkeypatch.setattr(FORKS, "start", start)
    probed("sha256:" + "a" * 64, [stored], {}, workshop, Quiet())

    ((module, confinement),) = began
    assert module == "builds.imaging.bases.probe_worker"
    assert confinement.reads == (workshop.store.blob_path(stored.digest),)
    assert (confinement.writes, confinement.network) == ((), False)
    with (
        Worker(module, confinement, ImageError("gone", "gone")) as worker,
        pytest.raises(RuntimeError, match="PermissionError"),
    ):
        worker.ask({"do": "layer", "digest": "x", "path": str(secret)})


def test_a_base_is_read_by_a_process_with_more_than_a_thousand_open_files(workshop: Workshop) -> None:
    with many_open_files():
        assert probe(workshop, tars.gzipped([tarred(DEBIAN)])).version == "3.11.2"


def test_a_base_that_ends_its_reader_is_its_own_fault(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*arguments: Any, **options: Any) -> Child:
        child = start_child(*arguments, **options)
        child.kill()  # as the kernel does with a process that takes too much
        return child

    start_child = FORKS.start
    monkeypatch.setattr(FORKS, "start", start)
    with pytest.raises(ImageError) as error:
        probe(workshop, tars.gzipped([tarred(DEBIAN)]))
    assert (error.value.code, error.value.fault) == ("bad-layer", "outside")


def test_names_that_no_engine_can_unpack_are_passed_over(workshop: Workshop) -> None:
    path = "usr/bin/" + "x/" * 5000 + "bin/python3.12"
    long = tars.header("l", len(path) + 1, tarfile.GNUTYPE_LONGNAME) + tars.padded(path.encode() + b"\0")
    layer = long + tars.file("y", b"z") + tarred(DEBIAN)
    assert probe(workshop, layer).version == "3.11.2"


@settings(max_examples=100)
@given(drawn=changes())
def test_any_layer_is_probed_or_refused_as_a_layer(
    drawn: list[Change], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "layers"
    workshop = Workshop(store=BlobStore(folder / "store"), cache=folder / "cache")
    content = changed(tarred(DEBIAN), drawn, (b"usr/", b"ustar", b"bin\0"), 512)
    for layer in (content, changed(tars.gzipped([tarred(DEBIAN)]), drawn, (b"\x1f\x8b",), 20)):
        try:
            probe_here(workshop, layer)
        except ImageError as error:
            refusal: ImageError | None = error
        else:
            refusal = None
        assert refusal is None or (refusal.code, refusal.fault) == ("bad-layer", "outside"), refusal
