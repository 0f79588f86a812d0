"""Builds of the curated environments before anybody requests them: by idle workers, one at a time.

They are requested by nobody and run in the background (`builds.queue.fairness`). What failed is not repeated for a day,
and never if the definition is the cause; failures from outside, as without a network, pause all of them.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from builds.models import ACTIVE, Build, BuildRequest, BuildState, Image
from builds.queue import fairness
from builds.queue.requests import StateConflict, base_has_moved, request_build
from environments.definition.summary import is_gpu_device
from environments.models import ListEntry, Version, Workspace
from environments.models.catalogue import Deprecation

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0  # between two looks while everything is built
RETRY = timedelta(days=1)  # after the last build of a definition, until it is built again
PAUSE, LONGEST_PAUSE = timedelta(hours=1), timedelta(days=1)  # after failures from outside, doubled by each


@dataclass(frozen=True)
class Prebuilt:
    """The number of curated environments, of those with an image, and why no more are built now."""

    built: int
    all: int
    obstacle: str = ""  # disk, failures or nothing


class Prebuilder:
    """Requests the next build of the catalogue while nothing else is to do; one per worker, called often."""

    def __init__(self) -> None:
        self._next_look = 0.0

    def request_when_idle(self) -> BuildRequest | None:
        """Request the build of the next curated environment that needs one, if the workers are idle."""
        if not settings.PREBUILD_CATALOGUE or time.monotonic() < self._next_look or _busy():
            return None
        request = request_next()
        if request is None:
            self._next_look = time.monotonic() + LOOK_SECONDS
        return request


@transaction.atomic
def request_next() -> BuildRequest | None:
    """Request one build in the background; None if none is needed, possible or due."""
    catalogue = Workspace.objects.filter(curated=True).first()
    if catalogue is None or not _has_room() or _pausing(catalogue):
        return None
    fairness.lock_limits(catalogue.pk)  # of several workers, one requests; the others then see its build
    version = next(to_build(catalogue), None)
    if version is None or _busy():
        return None
    log.info("Building %s ahead of requests.", version)
    try:
        return request_build(version, background=True)
    except StateConflict as conflict:
        log.info("Could not build %s ahead of requests: %s", version, conflict)
        return None


def to_build(catalogue: Workspace) -> Iterator[Version]:
    """Yield the latest versions that need a build: without an image first, then those whose base has moved."""
    versions = {version.hash: version for version in _latest(catalogue)}
    images = {
        image.hash: image
        for image in Image.objects.filter(workspace=catalogue, current=True, hash__in=versions).defer(
            "lock", "layers"
        )
    }
    last = _last_builds(catalogue, [*versions])
    missing = [version for hash, version in versions.items() if hash not in images]
    # The large come last: most people need the others first.
    for version in sorted(missing, key=lambda version: (is_gpu_device(version.tags), version.pk)):
        if _is_due(last.get(version.hash)):
            yield version
    for hash, image in images.items():
        if image.floating and _is_due(last.get(hash), again=True) and base_has_moved(versions[hash], image):
            yield versions[hash]


def prebuilt() -> Prebuilt:
    """Return how much of the catalogue is built."""
    catalogue = Workspace.objects.filter(curated=True).first()
    listed = ListEntry.objects.filter(workspace=catalogue, archived=False)
    wanted = list(listed.values_list("version__hash", flat=True))
    built = Image.objects.filter(workspace=catalogue, current=True, hash__in=wanted).values_list(
        "hash", flat=True
    )
    ready = set(built)
    obstacle = ""
    if catalogue is not None and settings.PREBUILD_CATALOGUE:
        obstacle = "failures" if _pausing(catalogue) else "" if _has_room() else "disk"
    return Prebuilt(sum(hash in ready for hash in wanted), len(wanted), obstacle)


def _latest(catalogue: Workspace) -> list[Version]:
    """Return the latest version of each curated environment that is not deprecated."""
    entries = ListEntry.objects.filter(workspace=catalogue, archived=False)
    versions = Version.objects.filter(list_entry__in=entries).exclude(pk__in=_deprecated(catalogue))
    return list(versions.select_related("environment__workspace").defer("data", "source").order_by("-pk"))


def _deprecated(catalogue: Workspace) -> set[int]:
    rows = Deprecation.objects.filter(environment__workspace=catalogue)
    own = set(rows.filter(version__isnull=False).values_list("version", flat=True))
    whole = Version.objects.filter(environment__in=rows.filter(version=None).values("environment"))
    return own | set(whole.values_list("pk", flat=True))


def _last_builds(catalogue: Workspace, hashes: list[str]) -> dict[str, Build]:
    newest = Build.objects.filter(workspace=catalogue, hash=OuterRef("hash")).order_by("-queued_at", "-pk")
    builds = Build.objects.filter(workspace=catalogue, hash__in=hashes)
    rows = builds.filter(pk=Subquery(newest.values("pk")[:1]))
    return {build.hash: build for build in rows.only("hash", "state", "ended_at", "error_fault")}


def _is_due(last: Build | None, *, again: bool = False) -> bool:
    """Return whether a definition may be built (`again`: though it has an image) after its last build."""
    if last is None:
        return True
    if last.active or last.ended_at is None or (last.state == BuildState.CANCELLED and not again):
        return False
    if last.state == BuildState.FAILED and last.error_fault == "author":
        return False
    return last.ended_at < timezone.now() - RETRY


def _pausing(catalogue: Workspace) -> bool:
    """Return whether the last background builds failed for a reason outside their definitions, and not long ago."""
    ended = Build.objects.filter(workspace=catalogue, background=True, ended_at__isnull=False)
    last = list(ended.order_by("-ended_at").only("state", "ended_at", "error_fault")[:6])
    failures = 0
    for build in last:
        if build.state != BuildState.FAILED or build.error_fault == "author":
            break
        failures += 1
    if not failures:
        return False
    pause = min(PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
    return last[0].ended_at is not None and last[0].ended_at > timezone.now() - pause


def _busy() -> bool:
    """Return whether any build is active."""
    return Build.objects.filter(state__in=ACTIVE).exists()


def _has_room() -> bool:
    """Return whether the disk of the store has the required free space."""
    folder = settings.VAR if settings.VAR.is_dir() else settings.VAR.parent
    return bool(shutil.disk_usage(folder).free >= settings.PREBUILD_FREE_BYTES)
