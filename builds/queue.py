"""The way to a worker: a message that something waits. It may be lost or come twice; the rows decide."""

import logging
import uuid

from celery import current_app
from kombu.exceptions import OperationalError

BUILD_IMAGE = "builds.build_image"

log = logging.getLogger(__name__)


def send(build_id: uuid.UUID) -> None:
    """Tell a worker that a build waits. When the broker is away, a worker finds it by itself a little later."""
    try:
        # By name: whoever asks for a build need not load all that building takes.
        current_app.send_task(BUILD_IMAGE, args=(str(build_id),), retry=False)
    except (OperationalError, OSError) as error:
        log.warning("Build %s waits: the broker does not answer (%s).", build_id, error)
