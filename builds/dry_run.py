"""A dry run of a rebuild: the packages are resolved anew, and nothing is made."""

import logging
import time
from typing import Any

from django.conf import settings

from builds import steps
from builds.images import ImageError, Lock, Quiet
from builds.limits import OverLimit
from builds.models import Image
from builds.preview_models import RebuildPreview
from builds.reporting import StudioStopping, stopping
from environments.vault import Unreadable

CONNECTIONS_UNREADABLE = (
    "The workspace's connections are encrypted with a key that this studio does not have."
)
UNFORESEEN = "The studio made a mistake while it looked; its log says which."

log = logging.getLogger(__name__)


class Patience(Quiet):
    """A reporter that says nothing, and has had enough after a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def check(self) -> None:
        """Raise when it has taken too long, or the studio is stopping."""
        if stopping.is_set():
            raise StudioStopping("The studio is stopping.")
        if time.monotonic() > self._until:
            raise OverLimit("timeout", f"The index did not answer within {self._seconds:.0f} seconds.", "")


def look(preview_id: int) -> None:
    """Find out what a rebuild would move, and write it down. What cannot be found out is said, and stops nobody.

    Where a worker has begun already, nothing is done: a message may come twice.
    """
    preview = RebuildPreview.objects.select_related("image", "version__environment__workspace").get(
        pk=preview_id
    )
    if not preview.begin():
        return
    image = preview.image
    found: dict[str, Any] = {}
    try:
        lock = steps.resolve_anew(preview.version, image, Patience(settings.PREVIEW_SECONDS))
        found = {"moves": moves(image, lock), "base_moves": lock.base_digest != image.base_digest}
    except (ImageError, Unreadable) as error:
        found = {"problem": error.message if isinstance(error, ImageError) else CONNECTIONS_UNREADABLE}
    except Exception:
        log.exception("What a rebuild of %s would move could not be found out.", preview.version)
        found = {"problem": UNFORESEEN}
    preview.tell(found)


def moves(image: Image, lock: Lock) -> list[dict[str, str]]:
    """Return the packages whose versions differ: name, version before and after, either empty where it is not there."""
    before = _versions(Lock.model_validate(image.lock) if image.lock else Lock())
    after = _versions(lock)
    return [
        {"name": name, "before": before.get(key, ""), "after": after.get(key, "")}
        for key in sorted(before.keys() | after.keys(), key=lambda key: (key[1], key[0]))
        if before.get(key) != after.get(key)
        for name in [key[1]]
    ]


def _versions(lock: Lock) -> dict[tuple[str, str], str]:
    return {(package.ecosystem, package.name): package.version for package in lock.packages}
