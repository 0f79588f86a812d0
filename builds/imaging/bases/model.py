"""The base image: what packages are put on top of, found by its reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from builds.images.layer import Layer
from builds.images.manifest import Descriptor
from builds.images.probe import Probe

OLDEST = 2000  # before there were images, nobody made one


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
        """When it was made; None where it does not say, or says what no clock did, as reproducible images do."""
        try:
            at = datetime.fromisoformat(str(self.config.get("created")))
        except ValueError:
            return None
        return at if at.tzinfo is not None and at.year >= OLDEST else None

    @property
    def run_config(self) -> dict[str, Any]:
        """Return the part of its config that containers start with: Env, User, Labels."""
        found: dict[str, Any] = self.config.get("config") or {}
        return found


def base_of_layers(
    reference: str,
    digest: str,
    layers: tuple[Layer, ...],
    config: dict[str, Any],
    probe: Probe,
    *,
    cached: bool,
) -> Base:
    """Return a base made of layers that are in the store already."""
    return Base(
        reference=reference,
        digest=digest,
        layers=tuple(layer.descriptor for layer in layers),
        diff_ids=tuple(layer.diff_id for layer in layers),
        config=config,
        probe=probe,
        cached=cached,
    )
