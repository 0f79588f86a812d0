"""Documents that are attached to an image: manifests of their own, whose `subject` is the image (OCI 1.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from builds.imaging.oci.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor
from builds.imaging.oci.store import BlobStore

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = Descriptor(
    media_type=EMPTY_TYPE,
    digest="sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    size=2,
)


@dataclass(frozen=True)
class Attachment:
    """A document in the store, and the manifest that attaches it to its subject."""

    subject: str
    descriptor: Descriptor
    artifact_type: str
    content: Descriptor
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return its entry in a list of referrers."""
        return listed(self.descriptor.digest, self.descriptor.size, self.artifact_type, self.annotations)


def attach(
    store: BlobStore,
    subject: Descriptor,
    content: Descriptor,
    annotations: Mapping[str, str] | None = None,
) -> Attachment:
    """Store the manifest that attaches a document of the store to its subject: the same input, the same bytes."""
    store.put(b"{}", EMPTY_TYPE)
    about = {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size}
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": content.media_type,
        "config": EMPTY.to_json(),
        "layers": [content.to_json()],
        "subject": about,
        "annotations": dict(annotations or {}),
    }
    descriptor = store.put(json.dumps(document, separators=(",", ":"), sort_keys=True).encode(), OCI_MANIFEST)
    return Attachment(subject.digest, descriptor, content.media_type, content, dict(annotations or {}))


def listed(digest: str, size: int, artifact_type: str, annotations: Mapping[str, str]) -> dict[str, Any]:
    """Return the descriptor of a referrer, as a list of referrers has it."""
    entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": size, "artifactType": artifact_type}
    return entry | ({"annotations": dict(annotations)} if annotations else {})


def index_of(entries: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the index that lists referrers."""
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def fallback_tag(subject: str) -> str:
    """Return the tag of the list of referrers in registries without the referrers API."""
    return subject.replace(":", "-")
