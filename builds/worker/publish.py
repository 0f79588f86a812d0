"""Push an image to its workspace's registry, if it has one: by its hash, then by the names of its versions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from builds.imaging.bases.model import Base
from builds.imaging.oci.index import blobs_of, image_of
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.referrers import Attachment
from builds.imaging.publish.ahead import pushing_ahead
from builds.imaging.publish.mounts import never_pushed, origins_of, remember_origins
from builds.imaging.publish.push import push
from builds.imaging.publish.referrers import push_attachments
from builds.imaging.publish.removal import remove_tag
from builds.imaging.reporting import Cancelled, ImageError, Reporter
from builds.imaging.workshop import Workshop
from builds.models import Image
from builds.provenance.attesting import attachments_of
from builds.queue import registry_tags
from builds.queue.registry_tags import MissingTag, missing_tags
from builds.worker.deadline import DeadlineReporter
from builds.worker.reporter import StudioStopping
from environments.connections.service import workspace_logins
from environments.definition import ImageReference
from environments.encryption import DecryptionError
from environments.models import Workspace
from environments.network.credentials import Logins

log = logging.getLogger(__name__)

WorkshopFor = Callable[[Logins], Workshop]


def push_image(
    workspace: Workspace,
    repository: str,
    image: Descriptor,
    workshop: Workshop,
    reporter: Reporter,
    *,
    base: Base | None = None,
    attachments: Sequence[Attachment] = (),
) -> str:
    """Push an image to the workspace's registry and return its name there; empty without a registry.

    The image is tagged `latest`; its bills of materials and provenance, `attachments`, go along. Blobs that other
    repositories of the registry have are mounted, not sent.
    """
    if not workspace.registry:
        return ""
    name = f"{workspace.registry}/{repository}"
    target = ImageReference.parse(f"{name}:latest")
    blobs = blobs_of(workshop.store, image)
    origins = origins_of(blobs, base, target, workshop)
    push(image, f"{name}:latest", workshop, reporter, origins=origins)
    remember_origins(blobs, target, workshop)
    push_proof(attachments, f"{name}:latest", workshop, reporter)
    return name


def push_proof(
    attachments: Sequence[Attachment], reference: str, workshop: Workshop, reporter: Reporter
) -> None:
    """Push what is attached to an image. A registry that does not take it still has the image: a warning says so."""
    try:
        push_attachments(attachments, reference, workshop, reporter)
    except Cancelled:
        raise
    except ImageError as error:
        log.warning("What is attached to %s could not be pushed: %s", reference, error)
        reporter.line(f"Warning: The registry does not take the image's proof. {error.message}")


@contextmanager
def layers_pushed_ahead(
    workspace: Workspace, repository: str, workshop: Workshop, reporter: Reporter
) -> Iterator[Workshop]:
    """Yield a workshop whose layers go to the workspace's registry, if it has one, while others are still made."""
    if not workspace.registry:
        yield workshop
        return
    name = f"{workspace.registry}/{repository}:latest"
    target = ImageReference.parse(name)
    with pushing_ahead(name, {}, workshop, reporter) as ready:
        yield replace(workshop, layers_ready=lambda layers: ready(never_pushed(layers, target, workshop)))


def push_existing_image(image: Image, workshop: Workshop, reporter: Reporter) -> bool:
    """Push an image that was made before its workspace had this registry; return False if it is there already."""
    workspace = image.workspace
    if image.pushed_to == f"{workspace.registry}/{image.repository}":
        return False
    stored = image_of(workshop.store, image.digest)
    attached = attachments_of(image, workshop.store)
    image.pushed_to = push_image(
        workspace, image.repository, stored, workshop, reporter, attachments=attached
    )
    image.save(update_fields=["pushed_to"])
    return True


def push_missing_tags(workshop_for: WorkshopFor) -> None:
    """Push the tags that are missing in workspaces' registries; one that fails is pushed again after a pause."""
    for tag in missing_tags():
        row = registry_tags.claim(tag)
        if row is None:
            continue
        try:
            workshop = workshop_for(workspace_logins(tag.environment.workspace))
            push_tag(tag, workshop, DeadlineReporter(registry_tags.PUSH_SECONDS, "registry"))
        except StudioStopping:
            registry_tags.release(row)
            return
        except (ImageError, DecryptionError, OSError) as error:
            log.warning("The tag %s could not be pushed and is tried again: %s", tag.reference, error)
            registry_tags.record_failed(row, str(error))
        else:
            registry_tags.record_pushed(row, tag)


def remove_tags_left_behind(workshop_for: WorkshopFor) -> None:
    """Remove the tags of labels that were removed from workspaces' registries, where those allow it."""
    for row in registry_tags.claim_left_behind():
        reference = registry_tags.reference_of(row)
        try:
            remove_tag(reference, workshop_for(workspace_logins(row.environment.workspace)))
        except ImageError as error:
            if error.code == "registry-refused":
                log.warning("The tag %s stays in its registry: %s", reference, error)
                registry_tags.record_kept(row, error.message)
            else:
                log.warning("The tag %s could not be removed and is tried again: %s", reference, error)
                registry_tags.record_failed(row, str(error))
        except (DecryptionError, OSError) as error:
            log.warning("The tag %s could not be removed and is tried again: %s", reference, error)
            registry_tags.record_failed(row, str(error))
        else:
            registry_tags.record_removed(row)


def push_tag(tag: MissingTag, workshop: Workshop, reporter: Reporter) -> None:
    """Give an image that is in the registry by its hash another name there: its blobs are mounted, not sent.

    Raises ImageError.
    """
    stored, target = image_of(workshop.store, tag.image.digest), ImageReference.parse(tag.reference)
    by_hash = ImageReference.parse(tag.image.pushed_to).repository
    origins = {blob.digest: by_hash for blob in blobs_of(workshop.store, stored)}
    push(stored, str(target), workshop, reporter, origins=origins)
    push_proof(attachments_of(tag.image, workshop.store), str(target), workshop, reporter)
