"""An image that was made here as what something else is built on or started from."""

from __future__ import annotations

import json
from typing import Any

from builds.images.assemble import AssembledImage
from builds.images.base import Base
from builds.images.lock import Lock
from builds.images.wheel import PREFIX
from builds.images.workshop import Workshop


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
