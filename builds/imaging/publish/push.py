"""Push an image from the store to a container registry, only with the blobs that are missing there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import httpx

from builds.imaging.interruptible import completed_batches, interruptible
from builds.imaging.oci.index import manifests_of
from builds.imaging.oci.manifest import Descriptor, descriptors_of
from builds.imaging.oci.store import BlobStore
from builds.imaging.publish.sender import PARALLEL, Sender, Uploads
from builds.imaging.registry_client import repositories_for
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.definition.syntax.reference import BadReference, ImageReference


@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of a push: bytes sent, and how many blobs were sent, mounted, and there already."""

    reference: str
    sent_bytes: int
    sent: int
    mounted: int
    present: int


def push(
    image: Descriptor,
    reference: str,
    workshop: Workshop,
    reporter: Reporter,
    *,
    origins: Mapping[str, str] | None = None,
) -> Pushed:
    """Push an image to where a reference says, an index after all its manifests.

    `origins` tells repositories of that registry by blob digest.
    """
    parsed = parsed_reference(reference)
    with closing(uploads_to(parsed, workshop, origins or {})) as registry:
        pushing = _Pushing(image, workshop.store, registry, reporter, origins or {})
        pushed = pushing.run(str(parsed), parsed.tag or "latest")
    reporter.line(
        f"Pushed {pushed.reference}: {pushed.sent} blobs sent ({pushed.sent_bytes / 1e6:.1f} MB),"
        f" {pushed.mounted} mounted, {pushed.present} there already"
    )
    return pushed


def parsed_reference(reference: str) -> ImageReference:
    """Return the parts of a reference to push to. Raises ImageError."""
    try:
        return ImageReference.parse(reference)
    except BadReference as error:
        raise ImageError("bad-reference", f"“{reference}” is no reference to an image: {error}.") from error


def uploads_to(target: ImageReference, workshop: Workshop, origins: Mapping[str, str]) -> Uploads:
    """Return the repository to push to; close it."""
    # A mirror is for pulling: the last place is the registry itself.
    registry = Uploads(repositories_for(target.registry, target.repository, workshop)[-1])
    registry.also_from = tuple(sorted({*origins.values()} - {target.repository}))
    return registry


class _Pushing:
    """One image on its way out."""

    def __init__(
        self,
        image: Descriptor,
        store: BlobStore,
        registry: Uploads,
        reporter: Reporter,
        origins: Mapping[str, str],
    ) -> None:
        self._image = image
        self._store = store
        self._registry = registry
        self._reporter = reporter
        self._sender = Sender(registry, store, origins)

    def run(self, shown: str, tag: str) -> Pushed:
        """Send what is missing: blobs before their manifests, the image's tag last."""
        manifests = manifests_of(self._store, self._image)
        blobs = {manifest.digest: self._blobs(manifest) for manifest in manifests}
        ways = {"sent": 0, "mounted": 0, "present": 0}
        try:
            here = self._has(self._image)
            missing = [m for m in manifests if not here and (m == self._image or not self._has(m))]
            needed = {d.digest: d for manifest in missing for d in blobs[manifest.digest]}
            ways["present"] = len({d.digest for of in blobs.values() for d in of} - needed.keys())
            if needed:
                self._send(list(needed.values()), ways)
            for manifest in missing:
                if manifest != self._image:
                    self._put(manifest, manifest.digest)
            self._put(self._image, tag)
        except httpx.TransportError as error:
            raise self._registry.unreachable(error) from error
        finally:
            # Not sooner: the manifest is sent again like everything else, as long as the push is under way.
            self._sender.over.set()
        return Pushed(shown, self._sender.sent, ways["sent"], ways["mounted"], ways["present"])

    def _blobs(self, manifest: Descriptor) -> list[Descriptor]:
        return descriptors_of(json.loads(self._store.read(manifest.digest)))

    def _has(self, manifest: Descriptor) -> bool:
        known = partial(self._registry.has, "manifests", manifest.digest)
        return interruptible(partial(self._sender.with_retries, known), self._reporter)

    def _put(self, manifest: Descriptor, reference: str) -> None:
        body = self._store.read(manifest.digest)
        put = partial(self._registry.put_manifest, manifest, body, reference)
        interruptible(partial(self._sender.with_retries, put), self._reporter)

    def _send(self, blobs: list[Descriptor], ways: dict[str, int]) -> None:
        total, settled = sum(blob.size for blob in blobs), 0
        pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="push")
        try:
            largest_first = sorted(blobs, key=lambda blob: -blob.size)
            futures: dict[Future[str], Descriptor] = {
                pool.submit(self._sender.push, b): b for b in largest_first
            }
            for completed in completed_batches(futures, self._reporter):
                for future in completed:
                    way, blob = future.result(), futures[future]
                    ways[way] += 1
                    settled += blob.size if way != "sent" else 0
                self._reporter.progress(settled + self._sender.sent, total, "bytes")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
