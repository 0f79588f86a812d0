"""The image of all platforms: one manifest, or an index of several, and its row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builds.imaging.assemble import AssembledImage, indexed
from builds.imaging.bases.model import Bases
from builds.imaging.workshop import Workshop
from builds.worker.platforms.targets import Made
from environments.definition import Definition

PYTHON = "/opt/env/bin/python"


def whole_image(made: Sequence[Made], workshop: Workshop) -> AssembledImage:
    """Return the only image, or the index of the images of several platforms, in the order of their names."""
    if len(made) == 1:
        return made[0].image
    return indexed({each.target.platform: each.image for each in _by_name(made)}, workshop)


def image_row(
    definition: Definition, bases: Bases, made: Sequence[Made], whole: AssembledImage
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
        "parts": [_part(part) for part in each] if len(each) > 1 else [],
    }


def _part(made: Made) -> dict[str, Any]:
    """Return the fields of one platform's row."""
    target = made.target
    return {
        "platform": target.platform,
        "digest": made.image.digest,
        "size": made.image.size,
        "base_digest": target.base.digest,
        "python": target.lock.python or target.base.probe.version,
        "packages": len(target.lock.packages),
        "lock": target.lock.model_dump(mode="json"),
    }


def _by_name(made: Sequence[Made]) -> list[Made]:
    return sorted(made, key=lambda each: each.target.platform)
