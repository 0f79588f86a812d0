"""Check environments for drift, while a worker has nothing else to do."""

from __future__ import annotations

import logging
import threading
from typing import Any

from django.conf import settings

from builds.healing.drift import claim_due, latest_with_image, record_check
from builds.imaging.reporting import ImageError
from builds.models.drift import Drift
from builds.queue.fairness import somebody_waits
from builds.worker import steps
from builds.worker.deadline import DeadlineReporter
from builds.worker.preview import CONNECTIONS_UNREADABLE, UNFORESEEN, version_changes
from builds.worker.reporter import StudioStopping, stopping
from environments.encryption import DecryptionError

log = logging.getLogger(__name__)

NOT_BUILT = "Its latest version has no image to compare with."
_checking = threading.Lock()


def check_due_environments() -> None:
    """Check what is due, one after the other, as long as nobody waits for a build."""
    if not _checking.acquire(blocking=False):
        return
    try:
        while not stopping.is_set() and not somebody_waits() and (row := claim_due()) is not None:
            check(row)
    finally:
        _checking.release()


def check(row: Drift) -> None:
    """Solve what the latest version would be today, and record what would change."""
    version, image = latest_with_image(row.environment)
    if version is None or image is None:
        record_check(row, version, image, problem=NOT_BUILT)
        return
    outcome: dict[str, Any]
    try:
        reporter = DeadlineReporter(settings.PREVIEW_SECONDS)
        base_digest, targets = steps.resolve_for_rebuild(version, image, reporter)
        locks = {target.platform: target.lock for target in targets}
        outcome = {
            "changes": version_changes(image, locks),
            "base_changed": base_digest != image.base_digest,
        }
    except StudioStopping:
        Drift.objects.filter(pk=row.pk, claimed_at=row.claimed_at).update(claimed_at=None)
        return
    except (ImageError, DecryptionError) as error:
        outcome = {"problem": error.message if isinstance(error, ImageError) else CONNECTIONS_UNREADABLE}
    except Exception:
        log.exception("Could not check %s for drift", version)
        outcome = {"problem": UNFORESEEN}
    record_check(row, version, image, **outcome)
