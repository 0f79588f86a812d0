"""The store under many hands, a full disk and a power cut: no half blob, no lost name."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from builds.imaging.oci.manifest import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError

SEVERAL = """
import sys
from builds.imaging.oci.store import BlobStore
from tests.builds.imaging.oci.test_store import small_image
store, who = BlobStore(sys.argv[1]), sys.argv[2]
for number in range(25):
    store.tag(f"team/image-{who}-{number}:latest", small_image(store, f"{who}-{number}".encode()))
"""
INTERRUPTED = """
import sys
from builds.imaging.oci.store import BlobStore
store = BlobStore(sys.argv[1])
with store.writer() as blob:
    blob.write(b"x" * 100)
    blob.commit()
with store.writer() as blob:
    blob.write(b"y" * 10_000_000)
    print("half way", flush=True)
    sys.stdin.read()
"""


def small_image(store: BlobStore, content: bytes = b"a layer") -> Descriptor:
    """Put an image of one layer into the store and return what points to it."""
    layer = store.put(content, OCI_LAYER_GZIP)
    config = store.put(json.dumps({"about": content.decode()}).encode(), OCI_CONFIG)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json()],
    }
    return store.put(json.dumps(manifest).encode(), OCI_MANIFEST)


def write(store: BlobStore, content: bytes, digest: str | None = None, size: int | None = None) -> None:
    with store.writer() as blob:
        blob.write(content)
        blob.commit(digest, size)


def blobs(store: BlobStore) -> set[str]:
    return {f"sha256:{path.name}" for path in (store.path / "blobs/sha256").iterdir()}


def old(store: BlobStore, digest: str) -> None:
    os.utime(store.blob_path(digest), (0, 0))


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.mark.slow
def test_many_processes_name_images_at_once_and_no_name_is_lost(store: BlobStore) -> None:
    workers = [subprocess.Popen([sys.executable, "-c", SEVERAL, str(store.path), who]) for who in "abcd"]

    assert [worker.wait() for worker in workers] == [0, 0, 0, 0]
    assert len(store.tags()) == 100


def test_a_writer_killed_in_the_middle_leaves_no_half_blob(store: BlobStore) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    worker.send_signal(signal.SIGKILL)
    worker.communicate()

    (only,) = blobs(store)
    assert only == "sha256:" + hashlib.sha256(b"x" * 100).hexdigest()
    (remains,) = (store.path / "ingest").iterdir()
    os.utime(remains, (0, 0))
    store.collect(dry_run=False, keep=[only])
    assert list((store.path / "ingest").iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_nothing_behind(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (store.path / "index.json").read_bytes()
    (store.path / "ingest" / "full").symlink_to("/dev/full")
    monkeypatch.setattr(secrets, "token_hex", lambda _: "full")

    with pytest.raises(ImageError, match="disk is full") as full:
        write(store, b"x" * 1_000_000)

    assert (full.value.code, full.value.fault) == ("disk-full", "studio")
    assert blobs(store) == set()
    assert list((store.path / "ingest").iterdir()) == []
    assert (store.path / "index.json").read_bytes() == before


@pytest.mark.parametrize(("digest", "size"), [("sha256:" + "0" * 64, None), (None, 4)])
def test_what_is_not_what_was_promised_is_not_stored(
    store: BlobStore, digest: str | None, size: int | None
) -> None:
    with pytest.raises(ImageError) as refused:
        write(store, b"other", digest, size)

    assert refused.value.code == "digest-mismatch"
    assert blobs(store) == set()


@pytest.mark.parametrize(
    "digest", ["", "sha256:../../etc/passwd", "sha256:" + "A" * 64, "md5:" + "0" * 32, "x"]
)
def test_only_digests_have_a_place(store: BlobStore, digest: str) -> None:
    with pytest.raises(ImageError):
        store.blob_path(digest)


def test_a_name_moves_to_the_newer_image_and_the_older_stays_by_its_digest(store: BlobStore) -> None:
    first, second = small_image(store, b"one"), small_image(store, b"two")
    store.tag("team/app:latest", first)
    store.tag("team/app:latest", second)

    result = store.find("team/app:latest")

    assert result is not None
    assert result.digest == second.digest
    assert store.has(first.digest)


def test_an_image_with_a_blob_missing_gets_no_name(store: BlobStore) -> None:
    image = small_image(store)
    store.blob_path("sha256:" + hashlib.sha256(b"a layer").hexdigest()).unlink()

    with pytest.raises(ImageError, match="blobs are gone"):
        store.tag("team/app:latest", image)
    assert store.find("team/app:latest") is None


def test_a_name_can_be_taken_away(store: BlobStore) -> None:
    store.tag("team/app:latest", small_image(store))

    assert store.untag("team/app:latest")
    assert not store.untag("team/app:latest")
    assert store.tags() == {}


def test_cleaning_takes_only_what_nobody_needs(store: BlobStore) -> None:
    named, kept, gone = (small_image(store, name) for name in (b"named", b"kept", b"gone"))
    store.tag("team/app:latest", named)
    for digest in blobs(store):
        old(store, digest)
    everything = blobs(store)

    preview = store.collect(keep=[kept.digest])
    assert blobs(store) == everything, "a dry run deletes nothing"
    freed = store.collect(dry_run=False, keep=[kept.digest])

    assert preview == freed
    assert gone.digest in freed
    assert len(freed) == 3
    assert everything - blobs(store) == set(freed)
    assert store.whole(named)
    assert store.whole(kept)
    assert store.collect(dry_run=False, keep=[kept.digest]) == {}


def test_cleaning_leaves_the_blobs_of_a_build_under_way(store: BlobStore) -> None:
    image = small_image(store)
    for digest in blobs(store):
        old(store, digest)
    layer = "sha256:" + hashlib.sha256(b"a layer").hexdigest()

    assert store.has(layer), "a build that looks a blob up is about to use it"
    freed = store.collect(dry_run=False)

    assert layer not in freed
    assert image.digest in freed


def test_a_layout_of_another_tool_is_taken_over(tmp_path: Path, store: BlobStore) -> None:
    store.tag("team/app:latest", small_image(store))

    again = BlobStore(store.path)

    assert again.tags().keys() == {"team/app:latest"}
    assert json.loads((store.path / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
