"""The rows of images' layers: which images share them, and the bytes that deleting images would free."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Sum

from builds.images.contents import contents_of
from builds.models import Image, ImageLayer
from environments.models import Workspace


@dataclass(frozen=True)
class Shared:
    """The number of an image's layers, of those shared with other images, and the bytes of the others."""

    layers: int = 0
    shared: int = 0
    alone: int = 0


def save_layers(image: Image) -> None:
    """Replace the rows of an image's layers, in the transaction that writes the image."""
    ImageLayer.objects.filter(image=image).delete()
    rows = [ImageLayer(image=image, digest=digest, size=size) for digest, size in sizes(image.layers).items()]
    ImageLayer.objects.bulk_create(rows)


def sizes(layers: list[dict[str, Any]]) -> dict[str, int]:
    """Return the size of each layer by its digest; repeated layers are stored once."""
    return {layer["digest"]: layer["size"] for layer in layers if "digest" in layer}


def shared_layers(images: Collection[int]) -> dict[int, Shared]:
    """Return the layers each of these images shares with any other image of the studio, in one query."""
    others = ImageLayer.objects.filter(digest=OuterRef("digest")).exclude(image=OuterRef("image"))
    rows = ImageLayer.objects.filter(image__in=images).annotate(others=Exists(others))
    counted = rows.values("image", "others").annotate(many=Count("pk"), bytes=Sum("size"))
    counts: dict[int, Shared] = {}
    for row in counted:
        before = counts.get(row["image"], Shared())
        shared = row["many"] if row["others"] else 0
        alone = 0 if row["others"] else row["bytes"]
        counts[row["image"]] = Shared(
            before.layers + row["many"], before.shared + shared, before.alone + alone
        )
    return counts


@dataclass(frozen=True)
class Layer:
    """A layer of an image as its page shows it: what is in it, and how many other images have it."""

    digest: str
    size: int
    what: str
    others: int
    variant: str = ""


def layers_of(image: Image) -> list[Layer]:
    """Return an image's layers in their order, each with the number of other images of the studio that share it."""
    digests = [layer["digest"] for layer in image.layers if "digest" in layer]
    contents = contents_of(image)
    sharing = ImageLayer.objects.filter(digest__in=set(digests)).exclude(image=image)
    counts = dict(sharing.values_list("digest").annotate(Count("image", distinct=True)).order_by())
    return [
        Layer(
            layer["digest"],
            layer["size"],
            contents.get(layer["digest"], ""),
            counts.get(layer["digest"], 0),
            str(layer.get("variant", "")),
        )
        for layer in image.layers
        if "digest" in layer
    ]


@dataclass(frozen=True)
class Totals:
    """A workspace's images: their number, the sum of their sizes, and the bytes on disk, shared layers once."""

    images: int
    size: int
    on_disk: int


def totals_of(workspace: Workspace) -> Totals:
    """Return the totals of a workspace's images, in two queries."""
    images = Image.objects.filter(workspace=workspace).aggregate(images=Count("pk"), size=Sum("size"))
    layers = (
        ImageLayer.objects.filter(image__workspace=workspace).values("digest").annotate(bytes=Max("size"))
    )
    on_disk = layers.order_by().aggregate(total=Sum("bytes"))["total"]
    return Totals(images["images"], images["size"] or 0, on_disk or 0)


def exclusive_bytes(images: Collection[int]) -> int:
    """Return the bytes of the layers that only these images have."""
    others = ImageLayer.objects.filter(digest=OuterRef("digest")).exclude(image__in=images)
    rows = ImageLayer.objects.filter(image__in=images).annotate(others=Exists(others)).filter(others=False)
    return sum(rows.values("digest").annotate(bytes=Max("size")).values_list("bytes", flat=True))
