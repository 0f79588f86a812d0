"""Push an image from the store to a container registry, only with the blobs that are missing there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import httpx

from builds.imaging.interruptible import completed_batches, interruptible
from builds.imaging.oci.index import manifests_of
from builds.imaging.oci.manifest import Descriptor, descriptors_of
from builds.imaging.oci.store import BlobStore
from builds.imaging.registry_client import ATTEMPTS, AskAgain, Registry, repositories_for, same_origin
from builds.imaging.reporting import Cancelled, ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.definition.syntax.reference import BadReference, ImageReference

Answer = TypeVar("Answer")
PARALLEL = 4


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
    try:
        parsed = ImageReference.parse(reference)
    except BadReference as error:
        raise ImageError("bad-reference", f"“{reference}” is no reference to an image: {error}.") from error
    # A mirror is for pulling: the last place is the registry itself.
    target = repositories_for(parsed.registry, parsed.repository, workshop)[-1]
    with closing(_Uploads(target)) as registry:
        registry.also_from = tuple(sorted({*(origins or {}).values()} - {parsed.repository}))
        pushing = _Pushing(image, workshop.store, registry, reporter, origins or {})
        pushed = pushing.run(str(parsed), parsed.tag or "latest")
    reporter.line(
        f"Pushed {pushed.reference}: {pushed.sent} blobs sent ({pushed.sent_bytes / 1e6:.1f} MB),"
        f" {pushed.mounted} mounted, {pushed.present} there already"
    )
    return pushed


def _ask_again_if_busy(response: httpx.Response) -> None:
    if response.status_code == 429 or response.status_code >= 500:
        raise AskAgain(f"it answered {response.status_code}")


class _Uploads(Registry):
    """A repository that is written to."""

    actions = "pull,push"

    def ask(self, method: str, url: str) -> httpx.Response:
        """Send a request without a body, and repeat it with a login if the registry wants one."""
        with self.send(method, url, {}) as response:
            pass
        if response.status_code == 401:
            self.authorize(response)
            with self.send(method, url, {}) as response:
                pass
        if response.status_code in (401, 403):
            raise self._refused()
        _ask_again_if_busy(response)
        return response

    def has(self, kind: str, digest: str) -> bool:
        """Return whether a blob or manifest is there."""
        return self.ask("HEAD", f"/v2/{self._at.name}/{kind}/{digest}").status_code == 200

    def mount_or_begin(self, digest: str, origin: str | None) -> str | None:
        """Take the blob over from another repository: None. Else begin an upload: its address."""
        mount = f"?mount={digest}&from={origin}" if origin else ""
        response = self.ask("POST", f"/v2/{self._at.name}/blobs/uploads/{mount}")
        if response.status_code == 201:
            return None
        if response.status_code != 202 or "location" not in response.headers:
            raise self.unreachable(f"an upload cannot begin, it answered {response.status_code}")
        return str(response.headers["location"])

    def put(self, url: httpx.URL, headers: Mapping[str, str], content: Iterator[bytes] | bytes) -> None:
        """Send a blob or manifest."""
        # A registry may have its uploads taken elsewhere; its password stays with it.
        own = self._headers if same_origin(self._client.base_url.join(url), self._client.base_url) else {}
        request = self._client.build_request("PUT", url, headers={**headers, **own}, content=content)
        response = self._client.send(request, stream=True)
        response.close()  # nothing in its body is needed
        if response.status_code == 401:  # a token may have run out on the way
            self.authorize(response)
            raise AskAgain("it asks again who is there")
        _ask_again_if_busy(response)
        if response.status_code != 201:
            raise self.unreachable(f"it does not take what is pushed, it answered {response.status_code}")

    def put_manifest(self, manifest: Descriptor, body: bytes, reference: str) -> None:
        """Put a manifest or an index under its tag, which makes the image complete, or under its digest."""
        url = httpx.URL(f"{self._at.url}/v2/{self._at.name}/manifests/{reference}")
        self.put(url, {"Content-Type": manifest.media_type}, body)

    def address(self, location: str, digest: str) -> httpx.URL:
        """Return where the bytes of an upload go: the registry's answer holds a state of its own."""
        return httpx.URL(self._at.url).join(location).copy_merge_params({"digest": digest})


class _Pushing:
    """One image on its way out."""

    def __init__(
        self,
        image: Descriptor,
        store: BlobStore,
        registry: _Uploads,
        reporter: Reporter,
        origins: Mapping[str, str],
    ) -> None:
        self._image = image
        self._store = store
        self._registry = registry
        self._reporter = reporter
        self._origins = origins
        self._over = threading.Event()  # threads that still send or wait have nobody who wants it
        self._lock = threading.Lock()
        self._sent = 0

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
            self._over.set()
        return Pushed(shown, self._sent, ways["sent"], ways["mounted"], ways["present"])

    def _blobs(self, manifest: Descriptor) -> list[Descriptor]:
        return descriptors_of(json.loads(self._store.read(manifest.digest)))

    def _has(self, manifest: Descriptor) -> bool:
        known = partial(self._registry.has, "manifests", manifest.digest)
        return interruptible(partial(self._with_retries, known), self._reporter)

    def _put(self, manifest: Descriptor, reference: str) -> None:
        body = self._store.read(manifest.digest)
        put = partial(self._registry.put_manifest, manifest, body, reference)
        interruptible(partial(self._with_retries, put), self._reporter)

    def _send(self, blobs: list[Descriptor], ways: dict[str, int]) -> None:
        total, settled = sum(blob.size for blob in blobs), 0
        pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="push")
        try:
            largest_first = sorted(blobs, key=lambda blob: -blob.size)
            futures: dict[Future[str], Descriptor] = {
                pool.submit(self._push_blob, b): b for b in largest_first
            }
            for completed in completed_batches(futures, self._reporter):
                for future in completed:
                    way, blob = future.result(), futures[future]
                    ways[way] += 1
                    settled += blob.size if way != "sent" else 0
                self._reporter.progress(settled + self._sent, total, "bytes")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _push_blob(self, blob: Descriptor) -> str:
        """Bring one blob there, and return how: sent, mounted, or present."""
        return self._with_retries(partial(self._at_once, blob))

    def _at_once(self, blob: Descriptor) -> str:
        if self._registry.has("blobs", blob.digest):
            return "present"
        location = self._registry.mount_or_begin(blob.digest, self._origins.get(blob.digest))
        if location is None:
            return "mounted"
        counted: list[int] = []
        try:
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
            url = self._registry.address(location, blob.digest)
            self._registry.put(url, headers, self._content(blob, counted))
        except httpx.TransportError:
            self._count(-sum(counted))
            raise
        return "sent"

    def _with_retries(self, ask: Callable[[], Answer]) -> Answer:
        """Ask the registry, and again a few times where it is away for a moment or too busy."""
        for attempt in range(1, ATTEMPTS):
            try:
                return ask()
            except httpx.TransportError:
                if self._over.wait(0.25 * 2**attempt):
                    raise Cancelled from None
        return ask()

    def _content(self, blob: Descriptor, counted: list[int]) -> Iterator[bytes]:
        with self._store.open(blob.digest) as file:
            while piece := file.read(1 << 20):
                if self._over.is_set():
                    raise Cancelled
                counted.append(len(piece))
                self._count(len(piece))
                yield piece

    def _count(self, sent: int) -> None:
        with self._lock:
            self._sent += sent
