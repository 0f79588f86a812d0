"""Tell an image's own layers from those of its base."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from builds.imaging.assemble import HIDING, MADE_BY, SKELETON
from builds.imaging.oci.layer import Layer
from builds.imaging.oci.manifest import Descriptor, descriptors_of
from builds.imaging.oci.store import BlobStore

_BASE_DIGEST = "org.opencontainers.image.base.digest"
_POST_LINK = "what the post-link scripts of "


class NotOurs(ValueError):
    """The image's documents do not show which layers are its own."""


@dataclass(frozen=True)
class OwnLayers:
    """The layers that a manifest of an image has on top of its base, in its order."""

    layers: tuple[Layer, ...]
    base_layers: tuple[Descriptor, ...]

    @property
    def runs_scripts(self) -> bool:
        """Whether a layer is what scripts changed in a container of the base."""
        return any(layer.holds.startswith(_POST_LINK) for layer in self.layers)

    @property
    def packages(self) -> tuple[Layer, ...]:
        """The layers that do not depend on the base."""
        return tuple(
            layer
            for layer in self.layers
            if layer.holds != HIDING and not layer.holds.startswith(f"{SKELETON} ")
        )


def own_layers(manifest: Descriptor, store: BlobStore) -> OwnLayers:
    """Return the own layers of an image's manifest. Raises NotOurs; FileNotFoundError for what is not in the store."""
    config, *layers = descriptors_of(json.loads(store.read(manifest.digest)))
    described = json.loads(store.read(config.digest))
    diff_ids = described["rootfs"]["diff_ids"]
    if len(diff_ids) != len(layers):
        raise NotOurs("its config does not name each of its layers")
    below = _layers_below(described, layers, store)
    holds = _comments(described, len(layers) - below)
    # No document of the image has their size unpacked.
    own = tuple(
        Layer(descriptor, diff_id, 0, comment)
        for descriptor, diff_id, comment in zip(layers[below:], diff_ids[below:], holds, strict=True)
    )
    return OwnLayers(own, tuple(layers[:below]))


def _layers_below(described: dict[str, Any], layers: Sequence[Descriptor], store: BlobStore) -> int:
    """Return how many layers are the base's: by the base's manifest, else by the marks in the history."""
    base = str(((described.get("config") or {}).get("Labels") or {}).get(_BASE_DIGEST, ""))
    if base.startswith("sha256:") and store.has(base):
        of_base = _layers_of(store.blob_path(base))
        if of_base != tuple(layer.digest for layer in layers[: len(of_base)]):
            raise NotOurs("its first layers are not those of its base")
        return len(of_base)
    entries = [entry for entry in described.get("history") or [] if not entry.get("empty_layer")]
    if len(entries) != len(layers):
        raise NotOurs("its history does not name each of its layers")
    own = 0
    for entry in reversed(entries):
        if entry.get("created_by") != MADE_BY:
            break
        own += 1
        # A base may be an image of the studio itself, whose environment is hidden first.
        if entry.get("comment") == HIDING:
            break
    return len(layers) - own


@lru_cache(maxsize=64)  # many images are on one base
def _layers_of(manifest: Path) -> tuple[str, ...]:
    _, *layers = descriptors_of(json.loads(manifest.read_bytes()))
    return tuple(layer.digest for layer in layers)


def _comments(described: dict[str, Any], own: int) -> list[str]:
    entries = (described.get("history") or [])[-own:] if own else []
    if len(entries) != own or any(entry.get("created_by") != MADE_BY for entry in entries):
        raise NotOurs("its history does not show what was put on its base")
    return [str(entry.get("comment", "")) for entry in entries]
