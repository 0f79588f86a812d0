"""Where a base image is looked for: the studio's own store, its registry, the Docker Engine's own images."""

from __future__ import annotations

from django.conf import settings

from builds.engine.local import ELSEWHERE, local_base
from builds.images import Base, Descriptor, ImageError, Reporter, Workshop, find_base
from builds.images.bases import found
from builds.images.host import REFERENCE as HOST
from builds.images.manifest import OCI_MANIFEST
from builds.images.platforms import refuse_other
from builds.images.pull import stored_base
from builds.models import Image
from environments.definition import ImageReference
from environments.definition.reference import BadReference
from environments.models import Workspace


def base_for(
    workspace: Workspace,
    reference: str,
    workshop: Workshop,
    reporter: Reporter,
    *,
    platform: str,
    local: bool = True,
) -> Base:
    """Return the base that a reference means to a workspace, in the first of these that has it.

    An image of this studio is read from its store, if the workspace may have it. Anything else comes from its
    registry; and only what that cannot give is looked for in the engine, where STUDIO_LOCAL_IMAGES allows it
    and `local` images are wanted.
    """
    own = _of_this_studio(reference, workshop)
    if own is not None:
        image = _readable(own, workspace)
        manifest = Descriptor(
            media_type=OCI_MANIFEST, digest=image.digest, size=workshop.store.size(image.digest)
        )
        reporter.line(f"{own} is an image of this studio: it is taken from its store.")
        base = stored_base(str(own), manifest, workshop, reporter)
        refuse_other(str(own), base.config, platform)
        return found(base, reporter)
    try:
        return find_base(reference, workshop, reporter, platform=platform)
    except ImageError as error:
        if not (local and settings.LOCAL_IMAGES) or error.code not in ELSEWHERE or _is_unreadable(reference):
            raise
        return found(local_base(reference, workshop, reporter, platform=platform, why=error), reporter)


def _is_unreadable(reference: str) -> bool:
    try:
        ImageReference.parse(reference)
    except BadReference:
        return True
    return False


def _of_this_studio(reference: str, workshop: Workshop) -> ImageReference | None:
    """Return the reference if it names this studio as the registry."""
    if reference.strip() == HOST or _is_unreadable(reference):
        return None
    parsed = ImageReference.parse(reference)
    hosts = {"localhost", "127.0.0.1", settings.HOST, *settings.ALLOWED_HOSTS}
    names = {f"{host}:{settings.PORT}" for host in hosts}
    names |= {host for host in settings.ALLOWED_HOSTS if "." in host.strip(".*") and not host[0].isdigit()}
    return parsed if parsed.registry in names and parsed.registry not in workshop.mirrors else None


def _readable(reference: ImageReference, workspace: Workspace) -> Image:
    """Return the image, if there is one that the workspace may build on: its own, or what all may pull."""
    name, _, repository = reference.repository.partition("/")
    images = Image.objects.filter(workspace__name=name, repository=repository).select_related("workspace")
    if reference.digest:
        images = images.filter(digest=reference.digest)
    else:
        images = images.filter(current=True) if reference.tag in (None, "latest") else images.none()
    image = images.first()
    if image is not None:
        owner = image.workspace
        if owner == workspace or owner.curated or owner.anonymous_pull:
            return image
    # A code of its own: what the studio refuses is looked for nowhere else.
    raise ImageError(
        "image-not-found",
        f"There is no image {reference} in this studio that the workspace {workspace} may build on.",
        "Check the name; its tag is latest. Images of another workspace can be built on if everybody may pull them.",
    )
