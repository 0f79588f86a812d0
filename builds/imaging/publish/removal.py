"""Remove a tag from a container registry, and nothing else: other tags of the same image stay."""

from __future__ import annotations

import hashlib
import json
import secrets
from contextlib import closing

import httpx

from builds.imaging.oci.manifest import Descriptor
from builds.imaging.publish.push import parsed_reference
from builds.imaging.publish.sender import Uploads
from builds.imaging.registry_client import repositories_for
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop

_MARK = "studio.removed"  # an annotation


class _Removals(Uploads):
    """A repository from which manifests are deleted."""

    actions = "pull,push,delete"

    def delete(self, digest: str) -> bool:
        """Delete a manifest, and return whether the registry allows that; it may be gone already."""
        status = self.ask("DELETE", f"/v2/{self._at.name}/manifests/{digest}").status
        return status in (200, 202, 204, 404)


def remove_tag(reference: str, workshop: Workshop) -> None:
    """Remove a tag, if it is there. Raises ImageError `no-deletion` where the registry deletes nothing.

    Deleting the image would take its other tags along, and few registries delete a tag by its name. So the tag is given
    a copy of the manifest that differs in an annotation, and the copy is deleted.
    """
    target = parsed_reference(reference)
    tag = target.tag or "latest"
    repository = repositories_for(target.registry, target.repository, workshop)[-1]
    with closing(_Removals(repository)) as registry:
        try:
            try:
                body, manifest = registry.manifest(tag)
            except ImageError as error:
                if error.code == "base-not-found":
                    return
                raise
            # Before anything is changed: a manifest that nobody has is deleted, where deletion is allowed.
            if not registry.delete(f"sha256:{secrets.token_hex(32)}"):
                raise _no_deletion(target.registry)
            copy, marked = _marked(body, manifest)
            registry.put_manifest(marked, copy, tag)
            if not registry.delete(marked.digest):
                registry.put_manifest(manifest, body, tag)
                raise _no_deletion(target.registry)
        except httpx.TransportError as error:
            raise registry.unreachable(error) from error


def _marked(body: bytes, manifest: Descriptor) -> tuple[bytes, Descriptor]:
    """Return a manifest's copy that no other has."""
    content = json.loads(body)
    content["annotations"] = {**(content.get("annotations") or {}), _MARK: secrets.token_hex(16)}
    copy = json.dumps(content).encode()
    digest = f"sha256:{hashlib.sha256(copy).hexdigest()}"
    return copy, Descriptor(media_type=manifest.media_type, digest=digest, size=len(copy))


def _no_deletion(host: str) -> ImageError:
    return ImageError(
        "registry-refused",
        f"The registry {host} does not allow deletion.",
        "Remove the tag there, or allow deletion in the registry's settings.",
        fault="outside",
    )
