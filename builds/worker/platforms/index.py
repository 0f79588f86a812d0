"""The image of all platforms: one manifest, or an index of several, and its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from builds.imaging.assemble import AssembledImage
from builds.imaging.bases.model import Bases
from builds.imaging.oci.index import listed, manifests_of, put_index
from builds.imaging.oci.manifest import INDEXES, Descriptor
from builds.imaging.workshop import Workshop
from builds.worker.platforms.targets import Made
from environments.definition import Definition

PYTHON = "/opt/env/bin/python"


def whole_image(made: Sequence[Made], workshop: Workshop) -> AssembledImage:
    """Return the only image, or the index of the images of several platforms, in the order of their names.

    The images may be indexes themselves, of several compressions: their manifests are in one index, as no client looks
    into an index in an index.
    """
    if len(made) == 1:
        return made[0].image
    each = _by_name(made)
    first = each[0].image
    others = dict(first.others)
    for platform, image in ((part.target.platform, part.image) for part in each[1:]):
        others[platform] = replace(image, others={})
        others |= {f"{platform} {variant}": other for variant, other in image.others.items()}
    return replace(
        first,
        descriptor=put_index(workshop.store, [m for part in each for m in _manifests(part.image, workshop)]),
        cached=all(part.image.cached for part in each),
        others=others,
    )


def _manifests(image: AssembledImage, workshop: Workshop) -> list[Descriptor]:
    """Return the manifests of a platform's image as they are in an index."""
    if image.descriptor.media_type in INDEXES:
        return manifests_of(workshop.store, image.descriptor)
    return [listed(workshop.store, image.descriptor)]


def image_row(
    definition: Definition, bases: Bases, made: Sequence[Made], whole: AssembledImage, workshop: Workshop
) -> dict[str, Any]:
    """Return the fields of an image's row: those of its first platform, and of all in `parts` if they are several."""
    each = _by_name(made)
    target = each[0].target
    base, lock = target.base, target.lock
    path = definition.python.interpreter_path or base.probe.python
    return {
        "digest": whole.digest,
        "size": whole.size,
        "layers": whole.layers_of_all,
        "lock": lock.model_dump(mode="json"),
        "packages": len(lock.packages),
        "base": base.reference,
        "base_digest": bases.digest,
        "base_created_at": base.created_at,
        "python": lock.python or base.probe.version,
        "interpreter": PYTHON if lock.python else path,
        "platforms": ",".join(definition.platforms),
        "parts": [_part(part, workshop) for part in each] if len(each) > 1 else [],
    }


def _part(made: Made, workshop: Workshop) -> dict[str, Any]:
    """Return the fields of one platform's row."""
    target = made.target
    return {
        "platform": target.platform,
        "digest": _manifests(made.image, workshop)[0].digest,
        "size": made.image.size,
        "base_digest": target.base.digest,
        "python": target.lock.python or target.base.probe.version,
        "packages": len(target.lock.packages),
        "lock": target.lock.model_dump(mode="json"),
    }


def _by_name(made: Sequence[Made]) -> list[Made]:
    return sorted(made, key=lambda each: each.target.platform)
