"""Whether a Docker Engine answers, which Dockerfiles are built by."""

from __future__ import annotations

from django.conf import settings

from environments.definition import Finding, Reading
from environments.definition.findings.catalogue import finding
from environments.definition.syntax.text import Placed
from studio.defining.early.background import Background

UP_SECONDS, DOWN_SECONDS = 60.0, 15.0
engines = Background("engine", threads=1)


def engine_findings(reading: Reading) -> tuple[list[Finding], bool]:
    """Return what there is to report on the engine, and whether that is being looked up."""
    definition = reading.definition
    if definition is None or (definition.dockerfile is None and definition.context is None):
        return [], False
    answers, pending = engines.answer(settings.DOCKER_HOST, _look_up)
    if answers is not False:
        return [], pending
    written = reading.requested.dockerfile
    return [finding("engine-missing", written or Placed("", 1, 1))], False


def _look_up() -> tuple[bool, float]:
    # Loaded here and not above: the web process starts without the engine's client.
    from builds.engine.connection import Engine
    from builds.imaging.reporting import ImageError

    try:
        with Engine.at(settings.DOCKER_HOST):
            return True, UP_SECONDS
    except ImageError:
        return False, DOWN_SECONDS
