"""What nobody needs any more: in the store, in the cache of this machine, in its Docker Engine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings

from builds.engine.connection import BaseLeft, Engine
from builds.images import ImageError
from builds.images.forgetting import DAY_SECONDS, Forgotten, forget
from builds.images.store import GRACE_SECONDS
from builds.sweeping import Swept, sweep


@dataclass(frozen=True)
class Cleaned:
    """What goes, or went: of the store, the cache, and the engine's images. `engine` says why none did."""

    store: Swept
    cache: Forgotten
    bases: tuple[BaseLeft, ...]
    engine: str = ""


def clean(
    *, dry_run: bool = True, days: float = 7, cache_days: float = 0, grace_seconds: float = GRACE_SECONDS
) -> Cleaned:
    """Delete what no image needs and nobody used lately.

    Base images that no build used for some `days` are taken out of the engine, and files out of the cache that
    none used for `cache_days`; 0 leaves the cache alone.
    """
    swept = sweep(dry_run=dry_run, grace_seconds=grace_seconds)
    forgotten = forget(settings.CACHE, cache_days, dry_run=dry_run)
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
        return Cleaned(swept, forgotten, (), f"No Docker Engine is reached at {settings.DOCKER_HOST}.")
    return Cleaned(swept, forgotten, bases)
