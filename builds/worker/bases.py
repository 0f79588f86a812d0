"""Find a base image: in the studio's own store, in its registry, among the Docker Engine's own images."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db.models import F

from builds.engine.local import ELSEWHERE, local_base
from builds.images.repositories import LATEST, environment_in, image_of_version, images_of, version_tagged
from builds.imaging.bases.find import find_bases, logged
from builds.imaging.bases.host import REFERENCE as HOST
from builds.imaging.bases.model import Base, Bases
from builds.imaging.bases.pull import stored_base
from builds.imaging.oci.index import image_of, manifest_for, manifests_of
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.platforms import named, refuse_other
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from builds.models import Fate, Image, RebasedImage
from environments.definition import ImageReference
from environments.definition.syntax.reference import BadReference
from environments.models import Workspace
from environments.public_url import registry_hosts


def base_reference(workspace: Workspace, hash: str, written: str) -> str:
    """Return the base to build a definition on: as it is written there, or what its image was rebased on since."""
    rebased = RebasedImage.objects.filter(workspace=workspace, hash=hash, fate=Fate.REBASED)
    current = Image.objects.filter(workspace=workspace, hash=hash, current=True).values_list("base")
    row = rebased.filter(base_after__in=current).exclude(base_before=F("base_after")).order_by("-pk").first()
    return row.base_after if row is not None else written


def resolve_base(
    workspace: Workspace,
    reference: str,
    workshop: Workshop,
    reporter: Reporter,
    *,
    platform: str,
    local: bool = True,
) -> Base:
    """Return the base image that a reference names for a workspace on a platform."""
    return resolve_bases(workspace, reference, workshop, reporter, platforms=[platform], local=local).first


def resolve_bases(
    workspace: Workspace,
    reference: str,
    workshop: Workshop,
    reporter: Reporter,
    *,
    platforms: Sequence[str],
    local: bool = True,
) -> Bases:
    """Return the base image that a reference names for a workspace, on each of these platforms.

    An image of this studio is read from the store, if the workspace may use it. Any other is pulled from its
    registry; if the registry does not have it, the engine's own images, which are for one platform, are searched,
    where STUDIO_LOCAL_IMAGES and `local` allow it.
    """
    own = _own_reference(reference, workshop)
    if own is not None:
        image = _readable_image(own, workspace)
        reporter.line(f"{own} is an image of this studio: read from its store.")
        each = [_stored(own, image, workshop, reporter, platform) for platform in platforms]
        return Bases(image.digest, tuple(each)) if len(each) > 1 else Bases.of(each[0])
    try:
        return find_bases(reference, workshop, reporter, platforms=platforms)
    except ImageError as error:
        local = local and settings.LOCAL_IMAGES and len(platforms) == 1
        if not local or error.code not in ELSEWHERE or _is_malformed(reference):
            raise
        base = local_base(reference, workshop, reporter, platform=platforms[0], why=error)
        return Bases.of(logged(base, reporter))


def _stored(own: ImageReference, image: Image, workshop: Workshop, reporter: Reporter, platform: str) -> Base:
    """Return an image of this studio as a base for a platform. Raises ImageError if it is not for that."""
    manifest = _for_platform(own, image, workshop, platform)
    base = stored_base(str(own), manifest, workshop, reporter)
    refuse_other(str(own), base.config, platform)
    return logged(base, reporter)


def _for_platform(own: ImageReference, image: Image, workshop: Workshop, platform: str) -> Descriptor:
    """Return the first manifest of a stored image that fits the platform."""
    manifests = manifests_of(workshop.store, image_of(workshop.store, image.digest))
    manifest = manifest_for(manifests, platform)
    if manifest is None:
        there = ", ".join(sorted({named(item.platform or {}) for item in manifests}))
        raise ImageError(
            "base-not-found",
            f"The base image {own} is not made for {platform}: {there}.",
            "Take another base image, or another platform.",
        )
    return manifest


def _is_malformed(reference: str) -> bool:
    try:
        ImageReference.parse(reference)
    except BadReference:
        return True
    return False


def _own_reference(reference: str, workshop: Workshop) -> ImageReference | None:
    """Return the parsed reference if its registry is this studio."""
    if reference.strip() == HOST or _is_malformed(reference):
        return None
    parsed = ImageReference.parse(reference)
    return parsed if parsed.registry in registry_hosts() and parsed.registry not in workshop.mirrors else None


def _readable_image(reference: ImageReference, workspace: Workspace) -> Image:
    """Return the image if the workspace may build on it: its own, or one that everybody may pull."""
    name, _, repository = reference.repository.partition("/")
    owner = Workspace.objects.filter(name=name).first()
    image = None
    if owner is not None and (owner == workspace or owner.curated or owner.anonymous_pull):
        image = _image_by_name(owner, repository, reference) or _image_by_hash(owner, repository, reference)
    if image is None:
        # With a separate code, so that the engine's own images are not searched for it.
        raise ImageError(
            "image-not-found",
            f"This studio has no image {reference} that workspace {workspace} can use.",
            "Check the name and the tag: a version with an image, or latest. Images of another workspace can be used "
            "if anyone can pull them.",
        )
    return image


def _image_by_name(owner: Workspace, repository: str, reference: ImageReference) -> Image | None:
    environment = environment_in(owner, repository)
    if environment is None:
        return None
    if reference.digest:
        return images_of(environment, catalogue=True).filter(digest=reference.digest).first()
    version = version_tagged(environment, reference.tag or LATEST)
    return image_of_version(version, catalogue=True) if version is not None else None


def _image_by_hash(owner: Workspace, repository: str, reference: ImageReference) -> Image | None:
    images = Image.objects.filter(workspace=owner, repository=repository)
    if reference.digest:
        return images.filter(digest=reference.digest).first()
    return images.filter(current=True).first() if reference.tag in (None, LATEST) else None
