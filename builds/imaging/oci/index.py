"""Images that are an index: one name for several manifests, by platform or by the compression of their layers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from builds.imaging.oci.manifest import INDEXES, OCI_INDEX, OCI_MANIFEST, Descriptor, descriptors_of
from builds.imaging.oci.platforms import fits
from builds.imaging.oci.store import BlobStore


def put_index(
    store: BlobStore, manifests: Sequence[Descriptor], annotations: Mapping[str, str] | None = None
) -> Descriptor:
    """Store an index of these manifests and return its descriptor: the same manifests give the same bytes.

    Order matters: a client takes the first manifest that fits its platform.
    """
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [manifest.to_json() for manifest in manifests],
    }
    if annotations:
        document["annotations"] = dict(annotations)
    return store.put(json.dumps(document, separators=(",", ":"), sort_keys=True).encode(), OCI_INDEX)


def listed(
    store: BlobStore, manifest: Descriptor, annotations: Mapping[str, str] | None = None
) -> Descriptor:
    """Return a manifest's descriptor for an index: with the platform that its config names."""
    document = json.loads(store.read(manifest.digest))
    config = json.loads(store.read(document["config"]["digest"]))
    platform = {key: config[key] for key in ("architecture", "os", "variant") if config.get(key)}
    return manifest.model_copy(update={"annotations": dict(annotations or {}) or None, "platform": platform})


def image_of(store: BlobStore, digest: str) -> Descriptor:
    """Return the descriptor of an image in the store, be it a manifest or an index. Raises FileNotFoundError."""
    content = store.read(digest)
    media_type = json.loads(content).get("mediaType") or OCI_MANIFEST
    return Descriptor(media_type=media_type, digest=digest, size=len(content))


def manifests_of(store: BlobStore, image: Descriptor) -> list[Descriptor]:
    """Return an image's manifests in the order of its index: itself, if it is no index."""
    if image.media_type not in INDEXES:
        return [image]
    return descriptors_of(json.loads(store.read(image.digest)))


def manifest_for(manifests: Iterable[Descriptor], platform: str) -> Descriptor | None:
    """Return the first manifest for a platform such as "linux/amd64". One without a platform fits all."""
    return next((m for m in manifests if m.platform is None or fits(m.platform, platform)), None)


def blobs_of(store: BlobStore, image: Descriptor) -> list[Descriptor]:
    """Return the configs and layers of all manifests of an image, each once. Raises FileNotFoundError."""
    blobs: dict[str, Descriptor] = {}
    for manifest in manifests_of(store, image):
        blobs |= {blob.digest: blob for blob in descriptors_of(json.loads(store.read(manifest.digest)))}
    return list(blobs.values())


def digests_of(store: BlobStore, image: Descriptor) -> set[str]:
    """Return the digests of what `blobs_of` returns, at a fraction of its time."""
    documents = [json.loads(store.read(manifest.digest)) for manifest in manifests_of(store, image)]
    return {blob["digest"] for each in documents for blob in (each["config"], *each["layers"])}
