"""Base images from a registry: the manifest for the platform, its blobs into the store, and its probe."""

from __future__ import annotations

import json
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from typing import Any

from builds.images.attended import attended
from builds.images.base import Base
from builds.images.manifest import INDEXES, MANIFESTS, Descriptor, descriptors_of
from builds.images.platforms import fits, named, refuse_other
from builds.images.probing import probed
from builds.images.registry import Registry, places
from builds.images.report import ImageError, Reporter
from builds.images.workshop import Workshop
from environments.definition.reference import BadReference, ImageReference

PARALLEL = 4
_GLANCE_SECONDS = 0.2
_MISSING_HERE = {"base-not-found", "registry-unreachable"}


def registry_base(reference: str, workshop: Workshop, reporter: Reporter, *, platform: str) -> Base:
    """Return the base that a reference means in its registry now; only blobs not here yet are fetched."""
    try:
        parsed = ImageReference.parse(reference)
    except BadReference as error:
        raise ImageError(
            "base-not-found",
            f"“{reference}” is no reference to an image: {error}.",
            "Write it as registry/name:tag, such as python:3.11-slim.",
        ) from error
    wanted = parsed.digest or parsed.tag or "latest"
    found = places(parsed.registry, parsed.repository, workshop)
    for number, place in enumerate(found, start=1):
        with closing(Registry(place)) as registry:
            try:
                manifest, described = attended(
                    partial(_for_platform, registry, wanted, str(parsed), platform), reporter
                )
            except ImageError as error:
                # A mirror need not hold everything, nor be there at all.
                if number < len(found) and error.code in _MISSING_HERE:
                    continue
                raise
            return _taken(str(parsed), manifest, described, platform, registry, workshop, reporter)
    raise AssertionError("a registry has at least one place")


def _for_platform(registry: Registry, wanted: str, shown: str, platform: str) -> tuple[bytes, Descriptor]:
    """Return the manifest for a platform, looked up in an index where there is one."""
    body, described = registry.manifest(wanted)
    if described.media_type in INDEXES:
        offered = [entry for entry in descriptors_of(json.loads(body)) if entry.platform]
        fitting = [entry for entry in offered if fits(entry.platform or {}, platform)]
        if not fitting:
            others = sorted({named(e.platform or {}) for e in offered} - {"unknown/unknown"})
            raise ImageError(
                "base-not-found",
                f"The base image {shown} is not made for {platform}: {', '.join(others) or 'nothing'}.",
                "Take another base image, or another platform.",
            )
        body, described = registry.manifest(fitting[0].digest)
    if described.media_type not in MANIFESTS:
        raise ImageError(
            "bad-manifest",
            f"The base image {shown} has a manifest of an unknown kind: {described.media_type}.",
            "Push it again with a current version of Docker or another tool.",
        )
    return body, described


def _taken(
    shown: str,
    manifest: bytes,
    described: Descriptor,
    platform: str,
    registry: Registry,
    workshop: Workshop,
    reporter: Reporter,
) -> Base:
    """Return the base after its blobs were put into the store; nothing large is fetched of one that does not fit."""
    config, *layers = descriptors_of(json.loads(manifest))
    if not workshop.store.has(config.digest):
        _fetch([config], config.size, registry, workshop, reporter)
    refuse_other(shown, json.loads(workshop.store.read(config.digest)), platform)
    missing = {d.digest: d for d in layers if not workshop.store.has(d.digest)}
    if missing:
        size = sum(d.size for d in missing.values())
        reporter.line(f"Fetching {shown}: {len(missing)} of {len(layers)} layers, {size / 1e6:.1f} MB")
        _fetch(list(missing.values()), size, registry, workshop, reporter)
    workshop.store.put(manifest, described.media_type)
    return stored_base(shown, described, workshop, reporter, cached=not missing)


def stored_base(
    shown: str, manifest: Descriptor, workshop: Workshop, reporter: Reporter, *, cached: bool = True
) -> Base:
    """Return the base for a manifest whose blobs are all in the store: pulled, or built by an engine."""
    config, *layers = descriptors_of(json.loads(workshop.store.read(manifest.digest)))
    described: dict[str, Any] = json.loads(workshop.store.read(config.digest))
    diff_ids = tuple(described.get("rootfs", {}).get("diff_ids", ()))
    if len(diff_ids) != len(layers):
        raise ImageError(
            "bad-manifest", f"The base image {shown} does not say what its layers are.", "Push it again."
        )
    return Base(
        reference=shown,
        digest=manifest.digest,
        layers=tuple(layers),
        diff_ids=diff_ids,
        config=described,
        probe=probed(manifest.digest, layers, described, workshop, reporter),
        cached=cached,
    )


def _fetch(
    blobs: list[Descriptor], total: int, registry: Registry, workshop: Workshop, reporter: Reporter
) -> None:
    stop, lock, done = threading.Event(), threading.Lock(), 0

    def count(received: int) -> None:
        nonlocal done
        with lock:
            done += received

    pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="pull")
    try:
        waiting: set[Future[None]] = {
            pool.submit(registry.blob, blob, workshop.store, stop, count) for blob in blobs
        }
        while waiting:
            ended, waiting = wait(waiting, _GLANCE_SECONDS, FIRST_COMPLETED)
            reporter.check()
            for future in ended:
                future.result()
            reporter.progress(done, total, "bytes")
    finally:
        # A thread that waits for the network is not waited for: it finds out by itself.
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
