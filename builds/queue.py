"""The way to a worker: a message with a build's id. It may be lost or come twice; the row decides."""

import logging
import uuid

from celery import current_app
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from builds.models import Build, State

BUILD_IMAGE = "builds.build_image"

log = logging.getLogger(__name__)


def send(build_id: uuid.UUID) -> None:
    """Tell a worker that a build waits. When the broker is away, the reconciler tells it later."""
    try:
        # By name: whoever asks for a build need not load all that building takes.
        current_app.send_task(BUILD_IMAGE, args=(str(build_id),), retry=False)
    except (OperationalError, OSError) as error:
        log.warning("Build %s waits: the broker does not answer (%s). It is sent again.", build_id, error)
        return
    Build.objects.filter(pk=build_id, state=State.QUEUED).update(sent_at=Now())
