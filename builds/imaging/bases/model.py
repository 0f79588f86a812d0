"""The base image, on which packages are installed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from builds.imaging.bases.probe import Probe
from builds.imaging.oci.layer import Layer
from builds.imaging.oci.manifest import OCI_CONFIG, OCI_MANIFEST, Descriptor
from builds.imaging.oci.store import BlobStore

OLDEST = 2000  # before there were images, nobody made one


def created_at(config: dict[str, Any]) -> datetime | None:
    """When an image was made; None where it does not say, or says what no clock did, as reproducible images do."""
    try:
        at = datetime.fromisoformat(str(config.get("created")))
    except ValueError:
        return None
    return at if at.tzinfo is not None and at.year >= OLDEST else None


@dataclass(frozen=True)
class Base:
    """A base image whose blobs are in the store: what it was called, what it is, and what it brings."""

    reference: str
    digest: str
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[str, ...]
    config: dict[str, Any] = field(repr=False)
    probe: Probe
    cached: bool = False

    @property
    def size(self) -> int:
        """Return the bytes of its layers, as they travel."""
        return sum(layer.size for layer in self.layers)

    @property
    def created_at(self) -> datetime | None:
        """When it was made, if it says so."""
        return created_at(self.config)

    @property
    def run_config(self) -> dict[str, Any]:
        """Return the part of its config that containers start with: Env, User, Labels."""
        result: dict[str, Any] = self.config.get("config") or {}
        return result


@dataclass(frozen=True)
class Bases:
    """The bases of a reference on several platforms. `digest` is the index's; a single base has its own."""

    digest: str
    each: tuple[Base, ...]

    @classmethod
    def of(cls, base: Base) -> Bases:
        """Return a single base as the bases of one platform."""
        return cls(base.digest, (base,))

    @property
    def first(self) -> Base:
        """Return the base of the first platform."""
        return self.each[0]

    @property
    def cached(self) -> bool:
        """Return whether nothing had to be fetched or made."""
        return all(base.cached for base in self.each)


def base_of_layer(
    reference: str, layer: Layer, config: dict[str, Any], probe: Probe, store: BlobStore, *, cached: bool
) -> Base:
    """Store config and manifest of an image with one layer, which is in the store already; return it as a base."""
    described = store.put(json.dumps(config, sort_keys=True).encode(), OCI_CONFIG)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described.to_json(),
        "layers": [layer.descriptor.to_json()],
    }
    stored = store.put(json.dumps(manifest, sort_keys=True).encode(), OCI_MANIFEST)
    return Base(
        reference=reference,
        digest=stored.digest,
        layers=(layer.descriptor,),
        diff_ids=(layer.diff_id,),
        config=config,
        probe=probe,
        cached=cached,
    )
