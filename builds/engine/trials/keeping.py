"""Tested images stay in the engine for a while, so that it is given no more of the next than the layers that it lacks.

They are named `environment-studio/tested`, and those that were used longest ago go, as soon as all together are too big.
An engine checks a layer's content against its digest, so no image changes another's.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from docker.errors import APIError, DockerException, ImageNotFound
from requests import RequestException

from builds.engine.connection import (
    BASES,
    LABEL,
    TESTED,
    Engine,
    docker_archive,
    labelled_config,
    layer_file,
    member,
    name_of,
)
from builds.engine.exchange import EngineRefused
from builds.imaging.bases.model import Base
from builds.imaging.oci.manifest import OCI_CONFIG, OCI_MANIFEST
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError, Reporter

_MOST_COMPARED = 100

log = logging.getLogger(__name__)

_in_use: Counter[str] = Counter()  # by this process's tests
_counting = threading.Lock()


class NotTried(ImageError):
    """An image could not be tried, for reasons outside the image. It does not fail the build."""

    def __init__(self, message: str) -> None:
        super().__init__("not-tried", message, fault="studio")


@contextmanager
def kept(engine: Engine, image: Base, store: BlobStore, reporter: Reporter) -> Iterator[str]:
    """Give an image to the engine for the length of a block, and for longer as far as there is room; yield its name."""
    name = name_of(image, TESTED)
    with _counting:
        _in_use[name] += 1
    try:
        give(engine, image, store, reporter)
        yield name
    finally:
        with _counting:
            _in_use[name] -= 1
        _make_room(engine)


def give(
    engine: Engine, image: Base, store: BlobStore, reporter: Reporter, *, from_scratch: bool = False
) -> None:
    """Put an image into the engine, if it is not there: the layers that it lacks, or all `from_scratch`.

    Raises ImageError.
    """
    name = name_of(image, TESTED)
    try:
        there = not from_scratch and (engine.has(name) or _given_rest(engine, name, image, store, reporter))
        if not there:
            _give_whole(engine, name, image, store, reporter)
        try:
            engine.api.tag(name, TESTED, name.partition(":")[2])  # which notes the time
        except ImageNotFound:  # another worker has just made room
            _give_whole(engine, name, image, store, reporter)
    except EngineRefused as error:
        raise NotTried(f"The Docker Engine does not take the image: {error.message[:500]}") from error


def _give_whole(engine: Engine, name: str, image: Base, store: BlobStore, reporter: Reporter) -> None:
    reporter.line(f"Giving {image.reference} to the Docker Engine: {image.size / 1e6:.1f} MB")
    engine.load(docker_archive(name, image, store), image, reporter)


def _given_rest(engine: Engine, name: str, image: Base, store: BlobStore, reporter: Reporter) -> bool:
    """Give the engine the layers that it lacks; return False if it has none of them, or does not take it so."""
    containerd = engine.keeps_in_containerd()
    there = _blobs_there(engine, image, store) if containerd else _layers_there(engine, image)
    if not there:
        return False
    size = sum(layer.size for layer in image.layers if layer.digest not in there)
    reporter.line(
        f"Giving {image.reference} to the Docker Engine: {size / 1e6:.1f} MB of {image.size / 1e6:.1f} MB"
    )
    make = _oci_archive if containerd else docker_archive
    try:
        engine.load(make(name, image, store, left_out=there), image, reporter)
    except EngineRefused as error:
        log.info("The Docker Engine does not take a part of an image (%s); it gets all of it.", error)
    except ImageError as error:
        if error.code != "bad-layer":
            raise
        log.info("The Docker Engine lacks a layer (%s); it gets all of them.", error.message)
    return engine.has(name)


def _layers_there(engine: Engine, image: Base) -> set[str]:
    """Return the digests of the layers that the engine has below the same layers: it keeps them by their chains."""
    most = 0
    for theirs in _given(engine):
        try:
            about = engine.api.inspect_image(theirs["Id"])  # type: ignore[no-untyped-call]
        except ImageNotFound:
            continue
        alike = 0
        for ours, other in zip(image.diff_ids, about["RootFS"].get("Layers") or [], strict=False):
            if ours != other:
                break
            alike += 1
        most = max(most, alike)
    return {layer.digest for layer in image.layers[:most]} - {layer.digest for layer in image.layers[most:]}


def _blobs_there(engine: Engine, image: Base, store: BlobStore) -> set[str]:
    """Return the digests of the layers that the engine has: containerd keeps them as they came."""
    ours = {layer.digest for layer in image.layers}
    result: set[str] = set()
    for theirs in _given(engine):
        try:
            manifest = json.loads(store.read(theirs["Labels"][LABEL]))
            result |= {str(layer["digest"]) for layer in manifest["layers"]} & ours
        except (FileNotFoundError, ImageError, KeyError, TypeError, ValueError):
            continue  # it is no longer in the store
    return result


def _given(engine: Engine) -> list[dict[str, Any]]:
    """Return the newest images that the studio gave to the engine, as it lists them."""
    images = [image for name in (TESTED, BASES) for image in engine.api.images(name=name)]
    return sorted(images, key=lambda image: -int(image["Created"]))[:_MOST_COMPARED]


def _oci_archive(name: str, image: Base, store: BlobStore, *, left_out: Collection[str]) -> Iterator[bytes]:
    """Yield an OCI layout, which may leave out blobs that containerd has."""
    config = labelled_config(image)
    layers = [
        {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size} for layer in image.layers
    ]
    described = {"mediaType": OCI_CONFIG, "digest": _digest(config), "size": len(config)}
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": layers}
    ).encode()
    entry = {
        "mediaType": OCI_MANIFEST,
        "digest": _digest(manifest),
        "size": len(manifest),
        "annotations": {"io.containerd.image.name": f"docker.io/{name}"},
    }
    yield member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    yield member("index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
    for content in (config, manifest):
        yield member(_path(_digest(content)), content)
    for layer in {layer.digest: layer for layer in image.layers}.values():
        if layer.digest not in left_out:
            yield from layer_file(_path(layer.digest), layer, store)
    yield bytes(1024)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _make_room(engine: Engine) -> None:
    """Remove tested images that were used longest ago, until the others fit; an image in use stays.

    An image counts in full, with layers that others have too. The newest may be bigger than the room.
    """
    limit = settings.TESTED_IMAGES
    total = 0
    try:
        for number, image in enumerate(sorted(engine.given(TESTED), key=lambda image: -image.used_at)):
            total += image.size
            with _counting:
                used = _in_use[image.name] > 0
            if not used and (limit == 0 or (number and total > limit)):
                engine.take_back(image.name)
    except (APIError, DockerException, RequestException, ImageError) as error:
        log.warning("The Docker Engine keeps tested images for now: %s", error)
