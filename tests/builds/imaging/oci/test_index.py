"""Images that are an index: the same bytes each time, and nothing of any manifest gets lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builds.imaging.oci.index import blobs_of, image_of, listed, manifest_for, manifests_of, put_index
from builds.imaging.oci.manifest import OCI_INDEX, Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError
from tests.builds.distribution import layer_of, store_image, store_index


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.fixture
def image(store: BlobStore) -> Descriptor:
    return store_index(store, b"of one", b"of the other", architectures=("amd64", "arm64"))


def test_the_same_manifests_give_the_same_index_and_their_order_matters(
    store: BlobStore, image: Descriptor
) -> None:
    first, other = manifests_of(store, image)

    assert put_index(store, [first, other]) == image
    assert put_index(store, [other, first]) != image
    assert put_index(store, [first, other], {"a": "b"}) != image


def test_an_entry_names_platform_and_annotations(store: BlobStore) -> None:
    manifest = store_image(store, b"a layer", architecture="arm64")

    entry = listed(store, manifest, {"zstd": "true"}).to_json()

    assert entry == manifest.to_json() | {
        "platform": {"architecture": "arm64", "os": "linux"},
        "annotations": {"zstd": "true"},
    }
    assert "annotations" not in listed(store, manifest).to_json()


def test_the_first_manifest_that_fits_is_taken(store: BlobStore, image: Descriptor) -> None:
    first, other = manifests_of(store, image)
    second = first.model_copy(update={"digest": "sha256:" + "1" * 64})

    assert manifest_for([first, second, other], "linux/amd64") == first
    assert manifest_for([first, second, other], "linux/arm64/v8") == other
    assert manifest_for([first, other], "linux/s390x") is None


def test_a_single_manifest_is_its_own_only_manifest(store: BlobStore) -> None:
    manifest = store_image(store, b"a layer")

    assert image_of(store, manifest.digest) == manifest
    assert manifests_of(store, manifest) == [manifest]
    assert manifest_for([manifest], "linux/anything") == manifest


def test_the_blobs_are_those_of_all_manifests_each_once(store: BlobStore) -> None:
    image = store_index(store, b"shared", b"shared", b"alone")

    assert image_of(store, image.digest).media_type == OCI_INDEX
    assert len(blobs_of(store, image)) == 4  # two configs and two layers


@pytest.mark.parametrize("by_name", [True, False])
def test_the_sweep_keeps_every_blob_of_every_manifest(
    store: BlobStore, image: Descriptor, *, by_name: bool
) -> None:
    stray = store_image(store, b"a stray")
    unwanted = {stray.digest, layer_of(store, stray)}
    if by_name:
        store.tag("team/image:latest", image)

    gone = store.collect(dry_run=False, keep=() if by_name else [image.digest], grace_seconds=-1)

    assert set(gone) >= unwanted
    assert store.whole(image)
    assert all(store.has(blob.digest) for blob in blobs_of(store, image))


def test_an_index_with_a_layer_missing_below_is_neither_whole_nor_named(
    store: BlobStore, image: Descriptor
) -> None:
    _, other = manifests_of(store, image)
    store.blob_path(layer_of(store, other)).unlink()

    assert not store.whole(image)
    with pytest.raises(ImageError, match="blobs are gone"):
        store.tag("team/image:latest", image)
    assert json.loads((store.path / "index.json").read_bytes())["manifests"] == []
