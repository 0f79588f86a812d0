"""Push an image to its workspace's registry, if it has one."""

from __future__ import annotations

from builds.imaging.bases.model import Base
from builds.imaging.oci.index import blobs_of, image_of
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.publish.mounts import origins_of, remember_origins
from builds.imaging.publish.push import push
from builds.imaging.reporting import Reporter
from builds.imaging.workshop import Workshop
from builds.models import Image
from environments.definition import ImageReference
from environments.models import Workspace


def push_image(
    workspace: Workspace,
    repository: str,
    image: Descriptor,
    workshop: Workshop,
    reporter: Reporter,
    *,
    base: Base | None = None,
) -> str:
    """Push an image to the workspace's registry and return its name there; empty without a registry.

    The image is tagged `latest`. Blobs that other repositories of the registry have are mounted, not sent.
    """
    if not workspace.registry:
        return ""
    name = f"{workspace.registry}/{repository}"
    target = ImageReference.parse(f"{name}:latest")
    blobs = blobs_of(workshop.store, image)
    origins = origins_of(blobs, base, target, workshop)
    push(image, f"{name}:latest", workshop, reporter, origins=origins)
    remember_origins(blobs, target, workshop)
    return name


def push_existing_image(image: Image, workshop: Workshop, reporter: Reporter) -> bool:
    """Push an image that was made before its workspace had this registry; return False if it is there already."""
    workspace = image.workspace
    if image.pushed_to == f"{workspace.registry}/{image.repository}":
        return False
    stored = image_of(workshop.store, image.digest)
    image.pushed_to = push_image(workspace, image.repository, stored, workshop, reporter)
    image.save(update_fields=["pushed_to"])
    return True
