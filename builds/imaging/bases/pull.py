"""Pull a base image from a registry: the manifest for each platform, its blobs, and its probe."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

from builds.imaging.bases.documents import MOST_CONFIG_BYTES, bad_manifest, blobs_of, config_of, offered
from builds.imaging.bases.model import Base, Bases
from builds.imaging.bases.probing import probed
from builds.imaging.interruptible import completed_batches, interruptible
from builds.imaging.oci.manifest import INDEXES, MANIFESTS, Descriptor
from builds.imaging.oci.names import shown as short
from builds.imaging.oci.platforms import fits, named, refuse_other
from builds.imaging.registry_client import Registry, repositories_for
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.definition.syntax.reference import BadReference, ImageReference

PARALLEL = 4
MISSING_HERE = {"base-not-found", "registry-unreachable"}


def registry_bases(
    reference: str, workshop: Workshop, reporter: Reporter, *, platforms: Sequence[str]
) -> Bases:
    """Return what a reference means in its registry now on each platform; only blobs not here yet are fetched."""
    try:
        parsed = ImageReference.parse(reference)
    except BadReference as error:
        raise ImageError(
            "base-not-found",
            f"“{reference}” is no reference to an image: {error}.",
            "Write it as registry/name:tag, such as python:3.11-slim.",
        ) from error
    wanted = parsed.digest or parsed.tag or "latest"
    repositories = repositories_for(parsed.registry, parsed.repository, workshop)
    for number, source in enumerate(repositories, start=1):
        with closing(Registry(source)) as registry:
            try:
                digest, manifests = interruptible(
                    partial(manifests_for, registry, wanted, str(parsed), platforms), reporter
                )
            except ImageError as error:
                # A mirror need not hold everything, nor be there at all.
                if number < len(repositories) and error.code in MISSING_HERE:
                    continue
                raise
            bases = tuple(
                _taken(str(parsed), *manifest, platform, registry, workshop, reporter)
                for platform, manifest in zip(platforms, manifests, strict=True)
            )
            return Bases(digest if len(bases) > 1 else bases[0].digest, bases)
    raise AssertionError("a registry has at least one place")


def manifests_for(
    registry: Registry, wanted: str, shown: str, platforms: Sequence[str]
) -> tuple[str, list[tuple[bytes, Descriptor]]]:
    """Return the digest that a reference means, and its manifest for each platform, looked up in an index if it is one."""
    body, described = registry.manifest(wanted)
    if described.media_type not in INDEXES:
        # Its config says for which platform it is.
        return described.digest, [(body, _checked(shown, described))] * len(platforms)
    entries = [entry for entry in offered(shown, body) if entry.platform]
    result = []
    for entry in _entries(shown, entries, platforms):
        manifest, of_platform = registry.manifest(entry.digest)
        result.append((manifest, _checked(shown, of_platform)))
    return described.digest, result


def _entries(shown: str, entries: list[Descriptor], platforms: Sequence[str]) -> list[Descriptor]:
    """Return the entry of an index for each platform. Raises ImageError with every platform that it lacks."""
    fitting = {
        platform: next((entry for entry in entries if fits(entry.platform or {}, platform)), None)
        for platform in platforms
    }
    if missing := [platform for platform, entry in fitting.items() if entry is None]:
        others = sorted({named(e.platform or {}) for e in entries} - {"unknown/unknown"})
        listed = ", ".join(short(other) for other in others[:20])
        raise ImageError(
            "base-not-found",
            f"The base image {shown} is not made for {' and '.join(missing)}: {listed or 'nothing'}.",
            "Take another base image, or another platform.",
        )
    return [entry for entry in fitting.values() if entry is not None]


def _checked(shown: str, described: Descriptor) -> Descriptor:
    if described.media_type not in MANIFESTS:
        raise bad_manifest(shown, f"its manifest is of an unknown kind: {short(described.media_type)}")
    return described


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
    config, layers = blobs_of(shown, manifest)
    if not _is_here(config, workshop):
        _fetch([config], config.size, registry, workshop, reporter)
    refuse_other(shown, config_of(shown, _small(shown, config, workshop)), platform)
    missing = {d.digest: d for d in layers if not _is_here(d, workshop)}
    if missing:
        size = sum(d.size for d in missing.values())
        reporter.line(f"Fetching {shown}: {len(missing)} of {len(layers)} layers, {size / 1e6:.1f} MB")
        _fetch(list(missing.values()), size, registry, workshop, reporter)
    workshop.store.put(manifest, described.media_type)
    return stored_base(shown, described, workshop, reporter, cached=not missing)


def _is_here(blob: Descriptor, workshop: Workshop) -> bool:
    """Return whether the blob is in the store, and not as something that only another workspace may have."""
    return workshop.store.has(blob.digest) and workshop.has_received(blob.digest)


def stored_base(
    shown: str, manifest: Descriptor, workshop: Workshop, reporter: Reporter, *, cached: bool = True
) -> Base:
    """Return the base for a manifest whose blobs are all in the store: pulled, or built by an engine."""
    config, layers = blobs_of(shown, workshop.store.read(manifest.digest))
    described = config_of(shown, _small(shown, config, workshop))
    diff_ids = tuple(described.get("rootfs", {}).get("diff_ids", ()))
    if len(diff_ids) != len(layers):
        raise bad_manifest(shown, "its config does not name each of its layers")
    return Base(
        reference=shown,
        digest=manifest.digest,
        layers=tuple(layers),
        diff_ids=diff_ids,
        config=described,
        probe=probed(manifest.digest, layers, described, workshop, reporter),
        cached=cached,
    )


def _small(shown: str, config: Descriptor, workshop: Workshop) -> bytes:
    """Return a config from the store. What a manifest calls its config may be a layer there."""
    if (size := workshop.store.size(config.digest)) > MOST_CONFIG_BYTES:
        raise bad_manifest(shown, f"its config has {size:,} bytes; {MOST_CONFIG_BYTES:,} is the most")
    return workshop.store.read(config.digest)


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
        futures = {pool.submit(registry.blob, blob, workshop.store, stop, count): blob for blob in blobs}
        for completed in completed_batches(futures, reporter):
            for future in completed:
                future.result()
                workshop.record_received(futures[future].digest, private=registry.private)
            reporter.progress(done, total, "bytes")
    finally:
        # A thread that waits for the network is not waited for: it finds out by itself.
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
