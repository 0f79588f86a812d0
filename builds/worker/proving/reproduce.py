"""Make an image again from its lock, in a folder of its own with an empty cache, and compare the two."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings

from builds.images.platforms import locks_of
from builds.imaging.assemble import AssembledImage, ImageSettings, assemble, indexed
from builds.imaging.bases.host import REFERENCE as HOST
from builds.imaging.bases.model import Base
from builds.imaging.bases.pull import registry_bases, stored_base
from builds.imaging.conda.layers import environment_layers
from builds.imaging.conda.scripts import packages_with_scripts
from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Lock
from builds.imaging.oci.index import image_of, manifests_of
from builds.imaging.oci.manifest import OCI_LAYER_ZSTD, Descriptor, descriptors_of
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import BYTECODES, Workshop
from builds.models import Image
from builds.provenance.verifying import added_layers
from builds.worker.install_plan import plan_for_base
from builds.worker.platforms.index import whole_image
from builds.worker.platforms.targets import Made, Target
from builds.worker.steps import make_workshop
from environments.connections.service import workspace_logins
from environments.definition import Definition
from environments.definition.syntax.reference import ImageReference
from environments.models import Version

PREFIX = "verify-"


class NotReproducible(Exception):
    """An image that cannot be made again from its lock alone; the sentence says why."""


@dataclass(frozen=True)
class Again:
    """The result of making an image again: its digest, and sentences on what differs from the first."""

    digest: str
    differences: tuple[str, ...]


def reproduce(image: Image, statement: Mapping[str, Any] | None, reporter: Reporter) -> Again:
    """Make an image again and compare it with the stored one.

    `statement` is its provenance, which records the settings that its bytes depend on. Raises NotReproducible, or
    ImageError if something that it needs is gone.
    """
    definition = _definition_of(image)
    locks = locks_of(image)
    _refuse(locks)
    original = BlobStore(settings.STORE)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=settings.VAR))
    try:
        compressions, bytecode = _parameters(image, statement, original)
        workshop = make_workshop(
            logins=workspace_logins(image.workspace),
            compression=compressions[0],
            bytecode=BYTECODES[bytecode],
        )
        workshop = replace(workshop, store=BlobStore(folder / "store"), cache=folder / "cache")
        bases = dict(image.platform_rows.values_list("platform", "base_digest"))
        made = []
        for platform, lock in locks.items():
            digest = bases.get(platform) or lock.base_digest or image.base_digest
            base = _base(image, digest, platform, original, workshop, reporter)
            plan = plan_for_base(base, definition)
            target = Target(platform, base, plan, lock=lock)
            made.append(_made(image, target, compressions, workshop, reporter))
        again = whole_image(made, workshop)
        return Again(again.digest, tuple(_differences(image, again, original, workshop.store)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _definition_of(image: Image) -> Definition:
    versions = Version.objects.filter(hash=image.hash)
    version = versions.filter(environment__workspace=image.workspace).first() or versions.first()
    if version is None:
        raise NotReproducible("No version has the image's definition.")
    return version.definition


def _refuse(locks: Mapping[str, Lock]) -> None:
    """Raise NotReproducible for what a container has made: it may come out otherwise each time."""
    sources = sorted({p.name for lock in locks.values() for p in lock.packages if p.kind == "sdist"})
    if sources:
        raise NotReproducible(
            f"Wheels that are built from sources may differ each time: {', '.join(sources)}."
        )


def _parameters(image: Image, statement: Mapping[str, Any] | None, store: BlobStore) -> tuple[list[str], str]:
    """Return the compressions and which modules were compiled: as stated, else as the image shows."""
    stated = (statement or {}).get("predicate", {}).get("buildDefinition", {}).get("internalParameters", {})
    compressions, bytecode = stated.get("compression"), stated.get("bytecode")
    if not compressions:
        several: dict[str, None] = {}
        for manifest in manifests_of(store, image_of(store, image.digest)):
            added = added_layers(manifest, store)
            zstd = any(layer.media_type == OCI_LAYER_ZSTD for layer in added)
            several["zstd" if zstd else "gzip"] = None
        compressions = list(several)
    if bytecode not in BYTECODES:
        bytecode = (image.bytecode or {}).get("modules") or str(settings.BYTECODE)
    return list(compressions), str(bytecode)


def _base(
    image: Image,
    digest: str,
    platform: str,
    original: BlobStore,
    workshop: Workshop,
    reporter: Reporter,
) -> Base:
    """Return the base by its digest: from the store, whose bytes are checked, or else from its registry."""
    with suppress(FileNotFoundError):
        manifest = image_of(original, digest)
        blobs = descriptors_of(json.loads(original.read(digest)))
        for blob in (manifest, *blobs):
            _link(blob, original, workshop.store)
        return replace(stored_base(image.base, manifest, workshop, reporter), reference=image.base)
    if image.base == HOST or not _is_reference(image.base):
        raise NotReproducible("Its base was made on this machine, and is no longer stored.")
    parsed = ImageReference.parse(image.base)
    pinned = f"{parsed.registry}/{parsed.repository}@{digest}"
    bases = registry_bases(pinned, workshop, reporter, platforms=[platform])
    return replace(bases.first, reference=image.base)


def _is_reference(base: str) -> bool:
    try:
        return bool(ImageReference.parse(base).repository)
    except ValueError:
        return False


def _link(blob: Descriptor, source: BlobStore, target: BlobStore) -> None:
    """Give another store on the same disk a blob."""
    if not target.has(blob.digest):
        os.link(source.blob_path(blob.digest), target.blob_path(blob.digest))


def _made(
    image: Image, target: Target, compressions: Sequence[str], workshop: Workshop, reporter: Reporter
) -> Made:
    base, lock = target.base, target.lock
    fetched = fetch(lock, workshop, reporter)
    if scripts := packages_with_scripts(lock, fetched, workshop, reporter):
        names = ", ".join(package.name for package in scripts)
        raise NotReproducible(f"Packages run scripts of their own when they are installed: {names}.")
    own = ImageSettings(definition_hash=image.hash, environment=not target.plan.empty)
    images: dict[str, AssembledImage] = {}
    for name in compressions:
        shop = replace(workshop, compression=name)
        layers = environment_layers(base, lock, fetched, shop, reporter)
        images[name] = assemble(base, lock, fetched, own, shop, reporter, extra_layers=layers)
    return Made(target.with_files(lock, fetched), indexed(images, workshop))


def _differences(image: Image, again: AssembledImage, before: BlobStore, after: BlobStore) -> list[str]:
    """Return sentences on what differs between the stored image and the other: layers, then the config."""
    if again.digest == image.digest:
        return []
    olds = manifests_of(before, image_of(before, image.digest))
    news = manifests_of(after, again.descriptor)
    result = []
    if len(olds) != len(news):
        result.append(f"It has {len(news)} manifests instead of {len(olds)}.")
    for old, new in zip(olds, news, strict=False):
        if old.digest != new.digest:
            result += _of_manifests(old, new, before, after)
    return list(dict.fromkeys(result)) or ["Its index differs."]


def _of_manifests(old: Descriptor, new: Descriptor, before: BlobStore, after: BlobStore) -> list[str]:
    was, now = _layers(old, before), _layers(new, after)
    result = [
        f"The layer “{holds}” differs." for holds, digest in was.items() if now.get(holds, digest) != digest
    ]
    result += [f"The layer “{holds}” is missing." for holds in was if holds not in now]
    result += [f"There is another layer: “{holds}”." for holds in now if holds not in was]
    config, other = _config(old, before), _config(new, after)
    keys = [key for key in ("config", "created", "architecture", "os") if config.get(key) != other.get(key)]
    return result + [f"The image's settings differ: {key}." for key in keys]


def _layers(manifest: Descriptor, store: BlobStore) -> dict[str, str]:
    """Return the digest of each layer that the studio added, by what it holds."""
    history = [
        entry
        for entry in _config(manifest, store).get("history") or []
        if not entry.get("empty_layer") and entry.get("created_by") == "environment-studio"
    ]
    layers = added_layers(manifest, store)
    names = [str(entry.get("comment")) for entry in history]
    if len(names) != len(layers):
        names = [f"number {number}" for number in range(1, len(layers) + 1)]
    return {name: layer.digest for name, layer in zip(names, layers, strict=True)}


def _config(manifest: Descriptor, store: BlobStore) -> dict[str, Any]:
    document = json.loads(store.read(manifest.digest))
    config: dict[str, Any] = json.loads(store.read(document["config"]["digest"]))
    return config


__all__ = ["Again", "ImageError", "NotReproducible", "reproduce"]
