"""What nobody needs any more: blobs of the store, names without an image, base images left in the engine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings

from builds.engine.connection import BaseLeft, Engine
from builds.images import ImageError
from builds.images.store import GRACE_SECONDS
from builds.sweeping import Swept, sweep

DAY_SECONDS = 86400


@dataclass(frozen=True)
class Cleaned:
    """What goes, or went: files and names of the store, and the engine's images. `engine` says why none did."""

    store: Swept
    bases: tuple[BaseLeft, ...]
    engine: str = ""


def clean(*, dry_run: bool = True, days: float = 7, grace_seconds: float = GRACE_SECONDS) -> Cleaned:
    """Delete what no image needs and nobody used lately, in the store and in the Docker Engine.

    Base images that no build used for some `days` are taken out of the engine.
    """
    swept = sweep(dry_run=dry_run, grace_seconds=grace_seconds)
    try:
        with Engine.at(settings.DOCKER_HOST) as engine:
            if not dry_run:
                engine.remove_left_over()
            old = time.time() - days * DAY_SECONDS
            bases = tuple(base for base in engine.bases() if base.used_at < old)
            if not dry_run:
                bases = tuple(base for base in bases if engine.take_back(base.name))
    except ImageError as error:
        if error.code != "engine-unreachable":
            raise
        return Cleaned(swept, (), f"No Docker Engine is reached at {settings.DOCKER_HOST}.")
    return Cleaned(swept, bases)
