"""The documents of an OCI image: descriptors, manifests, indexes, in OCI's and Docker's spelling."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
OCI_LAYER_PLAIN = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER_PLAIN = "application/vnd.docker.image.rootfs.diff.tar"

MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_INDEX)

DOCKER_LAYER_ZSTD = "application/vnd.docker.image.rootfs.diff.tar.zstd"

# Layers that a registry holds itself. Foreign layers are elsewhere: their `urls` could be any address.
LAYERS = (
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_LAYER_PLAIN,
    DOCKER_LAYER_GZIP,
    DOCKER_LAYER_ZSTD,
    DOCKER_LAYER_PLAIN,
)

# The OCI media types of Docker layers: the bytes are the same.
AS_OCI = {DOCKER_LAYER_GZIP: OCI_LAYER_GZIP, DOCKER_LAYER_PLAIN: OCI_LAYER_PLAIN}


MOST_BLOB_BYTES = 2**40


class Descriptor(BaseModel):
    """A descriptor of a blob: its type, its digest and its size in bytes."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    media_type: str = Field(alias="mediaType")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    size: int = Field(ge=0, le=MOST_BLOB_BYTES)
    annotations: dict[str, str] | None = None
    platform: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return its JSON form in a manifest."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def descriptors_of(document: Any, *, without: Collection[str] = ()) -> list[Descriptor]:
    """Return what a manifest or index points to, but for these digests; nothing for any other document."""
    if not isinstance(document, dict):
        return []
    entries: list[Any] = []
    if isinstance(document.get("manifests"), list):
        entries = document["manifests"]
    elif isinstance(document.get("layers"), list) and isinstance(document.get("config"), dict):
        entries = [document["config"], *document["layers"]]
    return [
        Descriptor.model_validate(entry)
        for entry in entries
        if not (without and isinstance(entry, dict) and entry.get("digest") in without)
    ]
