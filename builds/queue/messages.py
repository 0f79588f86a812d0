"""Messages that wake a worker. They may be lost or arrive twice: the rows decide what there is to do."""

import logging
import uuid

from celery import current_app
from kombu.exceptions import OperationalError

BUILD_IMAGE = "builds.build_image"
PREVIEW_REBUILD = "builds.preview_rebuild"
SWEEP_STORE = "builds.sweep_store"
PUSH_TAGS = "builds.push_tags"
REBASE = "builds.rebase"
CHECK_BASES = "builds.check_bases"

log = logging.getLogger(__name__)


def send_preview(preview_id: int) -> None:
    """Send a preview of a rebuild to a worker; a lost message is sent again by `resend_lost_previews`."""
    try:
        current_app.send_task(PREVIEW_REBUILD, args=(preview_id,), retry=False)
    except (OperationalError, OSError) as error:
        log.warning("No preview: the broker is unreachable (%s).", error)


def send_tags() -> None:
    """Have a worker push missing tags to registries now; if the message is lost, it does so within half a minute."""
    try:
        current_app.send_task(PUSH_TAGS, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("Tags are not pushed now: the broker is unreachable (%s).", error)


def send_rebase() -> None:
    """Wake a worker for a rebase; if the message is lost, a worker's next poll finds it."""
    _send(REBASE, "A rebase waits")


def send_base_checks() -> None:
    """Have a worker look up bases now; if the message is lost, it does so within half a minute."""
    _send(CHECK_BASES, "Bases are not looked up now")


def _send(task: str, consequence: str) -> None:
    try:
        current_app.send_task(task, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("%s: the broker is unreachable (%s).", consequence, error)


def send_sweep() -> None:
    """Have a worker sweep the store; if the message is lost, the next scheduled sweep does it."""
    try:
        current_app.send_task(SWEEP_STORE, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("The store is not swept now: the broker is unreachable (%s).", error)


def send_build(build_id: uuid.UUID) -> None:
    """Wake a worker for a queued build; if the broker is away, a worker's next poll finds it."""
    try:
        # By name, so that the sender need not import the worker's modules.
        current_app.send_task(BUILD_IMAGE, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("Build %s waits: the broker is unreachable (%s).", build_id, error)
