"""Move names of a registry from an image to its successor, whose packages are there already.

Only what the successor does not share with the image before it is mounted or sent: its small documents, and layers
of a new base, once for each registry.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import partial
from threading import Lock

import httpx

from builds.imaging.oci.index import manifests_of
from builds.imaging.oci.manifest import Descriptor, descriptors_of
from builds.imaging.publish.push import parsed_reference, push
from builds.imaging.publish.sender import Sender, Uploads
from builds.imaging.registry_client import repositories_for
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop


class Mover:
    """Moves names of one registry; threads may share it. `origins` are its repositories by blob, and grow."""

    def __init__(self, registry: str, workshop: Workshop, reporter: Reporter) -> None:
        self.registry = registry
        self.origins: dict[str, str] = {}
        self.sent = 0
        self._locks: dict[tuple[str, str], Lock] = {}
        self._there: set[tuple[str, str]] = set()
        """Repositories and blobs that were mounted or sent there: several versions are on one base."""
        self._workshop = workshop
        self._reporter = reporter
        at = parsed_reference(f"{registry}/any")
        self._uploads = Uploads(repositories_for(at.registry, at.repository, workshop)[-1])

    def close(self) -> None:
        """Give the connections back."""
        self._uploads.close()

    def move(
        self,
        name: str,
        image: Descriptor,
        references: Sequence[str],
        *,
        before: Collection[str] | None = (),
        origin: str = "",
    ) -> None:
        """Put an image under tags of a repository of the registry, such as "team/forecast"; without any, only its blobs.

        `before` are blobs that the repository should have already (None: all), `origin` is a repository that has all
        others. A registry that lacks one after all is sent the whole image. Raises ImageError.
        """
        repository = self._uploads.beside(parsed_reference(f"{self.registry}/{name}").repository)
        if origin:
            origin = parsed_reference(f"{self.registry}/{origin}").repository
            repository.also_from = (origin,)
        sender = Sender(repository, self._workshop.store, {})
        try:
            self._move(repository, sender, image, references, before, origin)
        except ImageError:
            # A blob may have been cleaned up there. The push meets any other failure again, and reports it.
            if not references:
                raise
            for tag in references:
                target = f"{self.registry}/{name}:{tag}"
                self.sent += push(image, target, self._workshop, self._reporter).sent_bytes
        else:
            self._uploads = repository  # which knows by now how to sign in
        finally:
            self.sent += sender.sent

    def _move(
        self,
        repository: Uploads,
        sender: Sender,
        image: Descriptor,
        references: Sequence[str],
        before: Collection[str] | None,
        origin: str,
    ) -> None:
        store = self._workshop.store
        try:
            for manifest in manifests_of(store, image):
                body = store.read(manifest.digest)
                missing = [] if before is None else descriptors_of(json.loads(body), without=before)
                for blob in missing:
                    self._bring(repository, sender, blob, origin)
                if manifest.digest != image.digest and references:
                    put = partial(repository.put_manifest, manifest, body, manifest.digest)
                    sender.with_retries(put)
            body = store.read(image.digest)
            for reference in references:
                sender.with_retries(partial(repository.put_manifest, image, body, reference))
        except httpx.TransportError as error:
            raise repository.unreachable(error) from error

    def _bring(self, repository: Uploads, sender: Sender, blob: Descriptor, origin: str) -> None:
        """Bring a blob there: mounted from where it was brought before, else sent."""
        key = (repository.name, blob.digest)
        with self._locks.setdefault(key, Lock()):
            if key in self._there:
                return
            start = origin or self.origins.get(blob.digest)
            if start is not None:
                sender.with_retries(partial(sender.mount_or_send, blob, start))
            else:
                self._bring_first(repository, sender, blob)
            self._there.add(key)

    def _bring_first(self, repository: Uploads, sender: Sender, blob: Descriptor) -> None:
        """Send a layer of a new base once: other threads wait, and take it over."""
        with self._locks.setdefault(("", blob.digest), Lock()):
            start = self.origins.get(blob.digest)
            sender.with_retries(partial(sender.mount_or_send, blob, start))
            self.origins.setdefault(blob.digest, repository.name)
