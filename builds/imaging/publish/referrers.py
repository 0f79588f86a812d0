"""Push what is attached to an image: by the referrers API of its registry, or else under a tag that lists it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

import httpx

from builds.imaging.interruptible import interruptible
from builds.imaging.oci.manifest import OCI_INDEX, Descriptor
from builds.imaging.oci.referrers import EMPTY, Attachment, fallback_tag, index_of
from builds.imaging.publish.mounts import origins_of, remember_origins
from builds.imaging.publish.push import parsed_reference, uploads_to
from builds.imaging.publish.sender import SHORT, Sender, Uploads
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.bounded_json import read_json

MOST_LISTED = 1000  # referrers of one image

Answer = TypeVar("Answer")


def push_attachments(
    attachments: Sequence[Attachment], reference: str, workshop: Workshop, reporter: Reporter
) -> None:
    """Push documents to the repository that has their image. Raises ImageError.

    A registry with the referrers API answers with `OCI-Subject`. For any other, the index under the tag
    `sha256-…` gets the entries, beside those that others put there.
    """
    if not attachments:
        return
    parsed = parsed_reference(reference)
    origins = origins_of([EMPTY], None, parsed, workshop)
    with closing(uploads_to(parsed, workshop, origins)) as registry:
        if _Attaching(attachments, registry, workshop, reporter, origins).run() != "mounted":
            remember_origins([EMPTY], parsed, workshop)


class _Attaching:
    """Documents on their way out."""

    def __init__(
        self,
        attachments: Sequence[Attachment],
        registry: Uploads,
        workshop: Workshop,
        reporter: Reporter,
        origins: Mapping[str, str],
    ) -> None:
        self._attachments = attachments
        self._registry = registry
        self._store = workshop.store
        self._reporter = reporter
        self._sender = Sender(registry, workshop.store, origins)

    def run(self) -> str:
        """Send documents before the manifests that attach them; return how the empty config came there."""
        unlisted: dict[str, list[Attachment]] = defaultdict(list)
        try:
            way = self._patiently(partial(self._sender.push, EMPTY))
            blobs = {each.content.digest: each.content for each in self._attachments}
            for blob in blobs.values():
                # A small document of an image is hardly there already: it is sent without a look.
                sent = partial(self._sender.mount_or_send, origin=None)
                self._patiently(partial(sent if blob.size <= SHORT else self._sender.push, blob))
            for attachment in self._attachments:
                own = attachment.descriptor
                body = self._store.read(own.digest)
                put = partial(self._registry.put_manifest, own, body, own.digest)
                if "oci-subject" not in self._patiently(put):
                    unlisted[attachment.subject].append(attachment)
            for subject, attachments in unlisted.items():
                self._list(subject, attachments)
            return way
        except httpx.TransportError as error:
            raise self._registry.unreachable(error) from error
        finally:
            self._sender.over.set()

    def _list(self, subject: str, attachments: Sequence[Attachment]) -> None:
        """Add entries to the index of a subject's referrers."""
        tag = fallback_tag(subject)
        content = self._patiently(partial(self._registry.listed_under, tag))
        known = _entries(content) if content is not None else []
        entries = {entry["digest"]: entry for entry in known}
        merged = entries | {each.descriptor.digest: each.to_json() for each in attachments}
        if merged == entries:
            return
        body = index_of(list(merged.values())[-MOST_LISTED:])
        index = Descriptor(media_type=OCI_INDEX, digest=f"sha256:{'0' * 64}", size=len(body))
        self._patiently(partial(self._registry.put_manifest, index, body, tag))

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        return interruptible(partial(self._sender.with_retries, ask), self._reporter)


def _entries(content: bytes) -> list[dict[str, Any]]:
    """Return the entries of a list of referrers, which others may have written. Raises ImageError."""
    try:
        manifests = read_json(content)["manifests"]
        return [entry for entry in manifests if isinstance(entry["digest"], str)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ImageError(
            "registry-unreachable",
            "The registry's list of what is attached to the image cannot be read.",
            "Delete the tag that begins with sha256- in the repository. Then build again.",
            fault="outside",
        ) from error
