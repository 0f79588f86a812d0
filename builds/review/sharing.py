"""Share versions together with their images: nothing is built for a version that another workspace accepts."""

from django.contrib.auth.models import User
from django.db import transaction

from builds.images.copying import copy_image
from builds.models import Image
from builds.policies.evaluate import blocking_hit
from builds.policies.subjects import hits_of_image
from builds.queue.requests import image_of
from environments.errors import ConflictError
from environments.models import Version
from environments.models.shares import Share
from environments.sharing import service


def share(version: Version, to: str, by: User, *, name: str = "", message: str = "") -> Share:
    """Send a version with its image to the workspace of this name. Raises ServiceError, also without an image."""
    image = image_of(version)
    if image is None:
        raise ConflictError(
            "not-built", f"{version} has no image to share.", "Build it first: receivers get its image."
        )
    image.use()
    return service.share(version, to, by, digest=image.digest, name=name, message=message)


def shared_image(row: Share) -> Image | None:
    """Return the image that was sent, also if it was replaced since; the current image if that is gone."""
    workspace = row.version.environment.workspace
    images = Image.objects.filter(hash=row.version.hash, digest=row.digest).select_related("workspace")
    sent = images.filter(workspace=workspace).first() or images.filter(workspace__curated=True).first()
    return sent or image_of(row.version)


@transaction.atomic
def accept(row: Share, by: User, *, name: str = "", version: str = "") -> Version:
    """Save the version in the receiving workspace with its image, and return it. Raises ServiceError."""
    saved = service.accept(row, by, name=name, version=version)
    image = shared_image(row)
    # A concurrent clean-up came first, or waits for this lock and leaves the files that the new row needs.
    image = Image.objects.select_for_update(of=("self",)).filter(pk=image.pk).first() if image else None
    if image is None:
        raise ConflictError(
            "not-built",
            f"The image of {row.version} is gone.",
            "Ask the sender to build it and to share it again.",
        )
    blocking = blocking_hit(hits_of_image(saved.environment.workspace, image, [saved]))
    if blocking is not None:
        raise ConflictError("policy", f"This workspace's policy stops it: {blocking.message}", blocking.help)
    copy_image(image, saved.environment.workspace)
    return saved
