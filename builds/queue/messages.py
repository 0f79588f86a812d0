"""The way to a worker: a message that something waits. It may be lost or come twice; the rows decide."""

import logging
import uuid

from celery import current_app
from kombu.exceptions import OperationalError

BUILD_IMAGE = "builds.build_image"
PREVIEW_REBUILD = "builds.preview_rebuild"
SWEEP_STORE = "builds.sweep_store"

log = logging.getLogger(__name__)


def ask_for_preview(preview_id: int) -> None:
    """Have a worker find out what a rebuild would change. Nobody is held up when that gets lost."""
    try:
        current_app.send_task(PREVIEW_REBUILD, args=(preview_id,), retry=False)
    except (OperationalError, OSError) as error:
        log.warning("Nobody looks ahead: the broker does not answer (%s).", error)


def ask_for_sweep() -> None:
    """Have a worker take out of the store what no image needs. Where that gets lost, the next one finds it."""
    try:
        current_app.send_task(SWEEP_STORE, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("The store is not swept: the broker does not answer (%s).", error)


def send(build_id: uuid.UUID) -> None:
    """Tell a worker that a build waits. When the broker is away, a worker finds it by itself a little later."""
    try:
        # By name: whoever asks for a build need not load all that building takes.
        current_app.send_task(BUILD_IMAGE, args=(str(build_id),), retry=False)
    except (OperationalError, OSError) as error:
        log.warning("Build %s waits: the broker does not answer (%s).", build_id, error)
