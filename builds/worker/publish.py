"""An image into its workspace's registry, where it has one."""

from __future__ import annotations

import json

from builds.images import Base, Descriptor, Reporter, Workshop, push
from builds.images.manifest import OCI_MANIFEST, descriptors_of
from builds.images.origins import origins_of, remember_origins
from builds.models import Image
from environments.definition import ImageReference
from environments.models import Workspace


def push_image(
    workspace: Workspace,
    repository: str,
    manifest: Descriptor,
    workshop: Workshop,
    reporter: Reporter,
    *,
    base: Base | None = None,
) -> str:
    """Push an image to where its workspace wants it, and return its name there; an empty one for nowhere.

    It is there as `latest` and by its digest. What other repositories of that registry have is not sent.
    """
    if not workspace.registry:
        return ""
    name = f"{workspace.registry}/{repository}"
    target = ImageReference.parse(f"{name}:latest")
    blobs = descriptors_of(json.loads(workshop.store.read(manifest.digest)))
    origins = origins_of(blobs, base, target, workshop)
    push(manifest, f"{name}:latest", workshop, reporter, origins=origins)
    remember_origins(blobs, target, workshop)
    return name


def push_there_already(image: Image, workshop: Workshop, reporter: Reporter) -> bool:
    """Push an image that was made before its workspace had this registry; return whether there was need to."""
    workspace = image.workspace
    if image.pushed_to == f"{workspace.registry}/{image.repository}":
        return False
    size = workshop.store.size(image.digest)
    manifest = Descriptor(media_type=OCI_MANIFEST, digest=image.digest, size=size)
    image.pushed_to = push_image(workspace, image.repository, manifest, workshop, reporter)
    image.save(update_fields=["pushed_to"])
    return True
