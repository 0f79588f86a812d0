"""Put an image's own layers on another base: config and manifests are written, and no package is read.

The result is what a build of the same lock on that base would give, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from builds.imaging.assemble import (
    SKELETON,
    AssembledImage,
    ImageSettings,
    has_environment,
    hiding,
    skeleton,
    write_image,
)
from builds.imaging.bases.model import Base
from builds.imaging.lock import Lock
from builds.imaging.oci.index import listed, manifests_of, put_index
from builds.imaging.oci.layer import Layer
from builds.imaging.oci.manifest import INDEXES, OCI_LAYER_ZSTD, Descriptor
from builds.imaging.oci.platforms import fits
from builds.imaging.rebasing.own_layers import NotOurs, OwnLayers, own_layers
from builds.imaging.workshop import Workshop


@dataclass(frozen=True)
class RebasedPart:
    """One platform of an image on its new base. `image` is in the first of its compressions."""

    platform: str
    base: Base
    lock: Lock
    image: AssembledImage


@dataclass(frozen=True)
class Rebased:
    """An image on its new base, and its platforms in the order of its index."""

    image: AssembledImage
    parts: tuple[RebasedPart, ...]


class Skeletons:
    """The few small layers that depend on a base: made once for each base and compression."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._made: dict[tuple[str, str, str], Layer] = {}

    def skeleton(self, base: Base, compression: str) -> Layer:
        """Return the layer that makes an environment of the base's Python."""
        key = ("skeleton", base.digest, compression)
        if key not in self._made:
            self._made[key] = skeleton(base, replace(self._workshop, compression=compression))
        return self._made[key]

    def hiding(self, compression: str) -> Layer:
        """Return the layer that hides the environment of a base."""
        key = ("hiding", "", compression)
        if key not in self._made:
            self._made[key] = hiding(replace(self._workshop, compression=compression))
        return self._made[key]


def rebased(
    image: Descriptor,
    bases: Mapping[str, Base],
    locks: Mapping[str, Lock],
    definition_hash: str,
    made: Skeletons,
    workshop: Workshop,
) -> Rebased:
    """Return the image on other bases, by platform, with the same packages.

    Raises NotOurs; FileNotFoundError where a document of the image is gone.
    """
    store = workshop.store
    entries = manifests_of(store, image)
    written: list[tuple[Descriptor, str, AssembledImage]] = []
    parts: dict[str, RebasedPart] = {}
    for entry in entries:
        platform = _platform(entry, bases)
        base = bases[platform]
        lock = lock_on(base, locks[platform])
        own = own_layers(entry, store)
        layers = list(_layers_on(base, lock, own, made))
        # As builds have them: no labels and no variables of their own.
        settings = ImageSettings(definition_hash=definition_hash, environment=bool(layers))
        new = write_image(base, lock, layers, settings, workshop)
        written.append((entry, platform, new))
        parts.setdefault(platform, RebasedPart(platform, base, lock, new))
    if image.media_type not in INDEXES:
        return Rebased(written[0][2], tuple(parts.values()))
    index = put_index(store, [listed(store, new.descriptor, entry.annotations) for entry, _, new in written])
    first, others = written[0], written[1:]
    named = {_variant(entry, platform, first[1]): new for entry, platform, new in others}
    return Rebased(replace(first[2], descriptor=index, others=named), tuple(parts.values()))


def lock_on(base: Base, lock: Lock) -> Lock:
    """Return a lock as a build on this base would have it: with the same files."""
    changes = {"base_digest": base.digest}
    if lock.packages:
        changes["platform"] = base.probe.platform
    if lock.packages and not lock.conda:
        changes["python"] = base.probe.version
    return lock.model_copy(update=changes)


def _layers_on(base: Base, lock: Lock, own: OwnLayers, made: Skeletons) -> Iterator[Layer]:
    if not own.layers:
        return
    zstd = any(layer.descriptor.media_type == OCI_LAYER_ZSTD for layer in own.layers)
    compression = "zstd" if zstd else "gzip"
    if has_environment(base):
        yield made.hiding(compression)
    if not lock.conda:
        if not any(layer.holds.startswith(f"{SKELETON} ") for layer in own.layers):
            raise NotOurs("its environment has no layer of its own")
        yield made.skeleton(base, compression)
    yield from own.packages


def _platform(entry: Descriptor, bases: Mapping[str, Base]) -> str:
    if entry.platform is None:
        return next(iter(bases))
    for platform in bases:
        if fits(entry.platform, platform):
            return platform
    raise NotOurs("it has a platform that the new base has not")


def _variant(entry: Descriptor, platform: str, first: str) -> str:
    """Return what sets a manifest apart from the first, as builds name it: "zstd", "linux/arm64", "linux/arm64 zstd"."""
    compression = "zstd" if entry.annotations else ""
    return " ".join(part for part in (platform if platform != first else "", compression) if part)
