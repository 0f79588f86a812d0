"""The layers of images, in rows: which images share them, and how much would be freed without some of them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Sum

from builds.models import Image, ImageLayer


@dataclass(frozen=True)
class Shared:
    """How many layers an image has, how many of them others have too, and the bytes that it has for itself."""

    layers: int = 0
    shared: int = 0
    alone: int = 0


def keep_layers(image: Image) -> None:
    """Write the rows of an image's layers anew, in the transaction in which the image is written."""
    ImageLayer.objects.filter(image=image).delete()
    rows = [ImageLayer(image=image, digest=digest, size=size) for digest, size in sizes(image.layers).items()]
    ImageLayer.objects.bulk_create(rows)


def sizes(layers: list[dict[str, Any]]) -> dict[str, int]:
    """Return the size of each layer by its digest: the same one twice is stored once."""
    return {layer["digest"]: layer["size"] for layer in layers if "digest" in layer}


def shared_layers(images: Collection[int]) -> dict[int, Shared]:
    """Return what each of these images shares with any other one of the studio, in one query."""
    others = ImageLayer.objects.filter(digest=OuterRef("digest")).exclude(image=OuterRef("image"))
    rows = ImageLayer.objects.filter(image__in=images).annotate(others=Exists(others))
    counted = rows.values("image", "others").annotate(many=Count("pk"), bytes=Sum("size"))
    found: dict[int, Shared] = {}
    for row in counted:
        before = found.get(row["image"], Shared())
        shared = row["many"] if row["others"] else 0
        alone = 0 if row["others"] else row["bytes"]
        found[row["image"]] = Shared(
            before.layers + row["many"], before.shared + shared, before.alone + alone
        )
    return found


def freed_without(images: Collection[int]) -> int:
    """Return the bytes of the layers that no image but these has."""
    others = ImageLayer.objects.filter(digest=OuterRef("digest")).exclude(image__in=images)
    rows = ImageLayer.objects.filter(image__in=images).annotate(others=Exists(others)).filter(others=False)
    return sum(rows.values("digest").annotate(bytes=Max("size")).values_list("bytes", flat=True))
