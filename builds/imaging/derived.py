"""Use an image that was built here as a base, or to start containers from."""

from __future__ import annotations

import json
from typing import Any

from builds.imaging.assemble import AssembledImage
from builds.imaging.bases.model import Base
from builds.imaging.lock import Lock
from builds.imaging.packing.wheel import PREFIX
from builds.imaging.workshop import Workshop


def as_base(image: AssembledImage, base: Base, lock: Lock, workshop: Workshop) -> Base:
    """Return the image as a base, whose Python is that of the lock's environment."""
    config: dict[str, Any] = json.loads(workshop.store.read(image.config.digest))
    probe = base.probe.model_copy(update={"python": f"/{PREFIX}/bin/python", "version": lock.python})
    return Base(
        reference=f"the environment on {base.reference}",
        digest=image.digest,
        layers=image.layers,
        diff_ids=tuple(config["rootfs"]["diff_ids"]),
        config=config,
        probe=probe,
    )
