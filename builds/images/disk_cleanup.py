"""Clean-up of unused files: of images, of build contexts, in this machine's cache, in its Docker Engine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings

from builds.engine.connection import BaseLeft, Engine
from builds.images.store_sweep import Swept, sweep
from builds.imaging.cache_eviction import DAY_SECONDS, Evicted, evict
from builds.imaging.oci.store import GRACE_SECONDS
from builds.imaging.reporting import ImageError
from environments.contexts.sweep import sweep_uploads
from environments.stored_files import Freed


@dataclass(frozen=True)
class Cleaned:
    """The deleted files, or those to delete; `engine` is the engine's problem, if any."""

    store: Swept
    contexts: Freed
    cache: Evicted
    bases: tuple[BaseLeft, ...]
    engine: str = ""


def clean(
    *, dry_run: bool = True, days: float = 7, cache_days: float = 0, grace_seconds: float = GRACE_SECONDS
) -> Cleaned:
    """Delete files that no image, version or upload needs and nobody used recently.

    Base images are removed from the engine after `days` without a build, and files from the cache after
    `cache_days` without use; 0 keeps the cache.
    """
    swept = sweep(dry_run=dry_run, grace_seconds=grace_seconds)
    contexts = sweep_uploads(grace_seconds=grace_seconds, dry_run=dry_run)
    evicted = evict(settings.CACHE, cache_days, dry_run=dry_run)
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
        return Cleaned(
            swept, contexts, evicted, (), f"No Docker Engine is reached at {settings.DOCKER_HOST}."
        )
    return Cleaned(swept, contexts, evicted, bases)
