"""Another workspace's own row of an image: the same bytes under a second name, without a build."""

from builds.images.layers import save_layers
from builds.images.packages import save_packages
from builds.images.platforms import copy_platforms
from builds.models import Image, Referrer
from environments.models import Workspace

SAME = (
    "repository",
    "size",
    "layers",
    "lock",
    "packages",
    "base",
    "base_digest",
    "base_created_at",
    "floating",
    "interpreter",
    "python",
    "bytecode",
    "conflicts",
    "platforms",
)


def copy_image(image: Image, workspace: Workspace) -> Image:
    """Return the workspace's own row of another workspace's image; one that it has of the same content stays.

    The row keeps the files in the store, also when the other workspace deletes its own.
    """
    taken, made = Image.objects.get_or_create(
        workspace=workspace,
        hash=image.hash,
        current=True,
        defaults={"digest": image.digest} | {name: getattr(image, name) for name in SAME},
    )
    if made:
        copy_platforms(image, taken)
        save_packages(taken)
        save_layers(taken)
        _copy_referrers(image, taken)
    return taken


def _copy_referrers(source: Image, target: Image) -> None:
    """Attach to an image what another with the same bytes has attached."""
    fields = ("subject", "digest", "size", "artifact_type", "content", "annotations")
    Referrer.objects.bulk_create(Referrer(image=target, **row) for row in source.referrers.values(*fields))
