"""The dry run of a rebuild: its packages are resolved, and nothing is built."""

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from builds.images.platforms import locks_of
from builds.imaging.lock import Lock
from builds.imaging.reporting import ImageError
from builds.models import Image
from builds.models.preview import RebuildPreview
from builds.worker import steps
from builds.worker.deadline import DeadlineReporter
from environments.encryption import DecryptionError

CONNECTIONS_UNREADABLE = (
    "The workspace's connections are encrypted with a key that this studio does not have."
)
UNFORESEEN = "The studio made a mistake while it looked; its log says which."

log = logging.getLogger(__name__)


def run_preview(preview_id: int) -> None:
    """Resolve what a rebuild would install, and record which versions change, or why that is unknown.

    Does nothing if a worker has begun this preview already: a message may arrive twice.
    """
    preview = RebuildPreview.objects.select_related("image", "version__environment__workspace").get(
        pk=preview_id
    )
    if not preview.start():
        return
    image = preview.image
    outcome: dict[str, Any]
    try:
        reporter = DeadlineReporter(settings.PREVIEW_SECONDS)
        base_digest, targets = steps.resolve_for_rebuild(preview.version, image, reporter)
        after = {target.platform: target.lock for target in targets}
        outcome = {
            "changes": version_changes(image, after),
            "base_changed": base_digest != image.base_digest,
        }
    except (ImageError, DecryptionError) as error:
        outcome = {"problem": error.message if isinstance(error, ImageError) else CONNECTIONS_UNREADABLE}
    except Exception:
        log.exception("The preview of a rebuild of %s failed", preview.version)
        outcome = {"problem": UNFORESEEN}
    preview.record(outcome)


def version_changes(image: Image, after: Mapping[str, Lock]) -> list[dict[str, str]]:
    """Return the packages whose versions differ: name, version before and after, empty where it is not installed.

    `after` has the lock of each platform by its name. What changes on all platforms alike is there once.
    """
    before = locks_of(image)
    changes: dict[tuple[str, str, str], list[str]] = {}
    for platform, lock in sorted(after.items()):
        was, now = _versions(before.get(platform, Lock())), _versions(lock)
        for key in was.keys() | now.keys():
            if was.get(key) != now.get(key):
                change = (key[0], was.get(key, ""), now.get(key, ""))
                changes.setdefault(change, []).append(platform)
    several = len(after) > 1
    return [
        {
            "name": f"{name} ({', '.join(platforms)})" if several and len(platforms) < len(after) else name,
            "before": old,
            "after": new,
        }
        for (name, old, new), platforms in sorted(changes.items())
    ]


def _versions(lock: Lock) -> dict[tuple[str, str], str]:
    """Return the version of each package, by name and ecosystem."""
    return {(package.name, package.ecosystem): package.version for package in lock.packages}
