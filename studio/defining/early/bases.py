"""Whether the registries of base images answer and have them, asked with the workspace's own connections."""

from __future__ import annotations

import hashlib
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from django.conf import settings

from environments.connections.service import workspace_logins
from environments.definition import Finding, ImageReference, Reading
from environments.definition.findings.catalogue import finding
from environments.definition.findings.checks import PLACEHOLDER
from environments.definition.findings.secrets import holds_secret
from environments.definition.formats.dockerfile_text import base_images
from environments.definition.model import HOST
from environments.definition.syntax.dockerfile import instructions
from environments.definition.syntax.reference import BadReference
from environments.definition.syntax.text import Placed
from environments.encryption import DecryptionError
from environments.models import Workspace
from environments.network.credentials import Logins
from environments.public_url import registry_hosts
from studio.defining.early.background import Background

if TYPE_CHECKING:
    from builds.imaging.reporting import ImageError

MOST_STAGES = 10
PRESENT_SECONDS, MISSING_SECONDS = 600.0, 60.0
_CODES = {
    "base-not-found": "base-unknown",
    "registry-unreachable": "base-unreachable",
    "registry-refused": "base-refused",
    "address-refused": "base-unreachable",
}
bases = Background("bases")


def base_findings(reading: Reading, workspace: Workspace) -> tuple[list[Finding], bool]:
    """Return what there is to report on the base images, and whether some are still being looked up."""
    named = [
        (written, reference)
        for written in _written(reading)
        if (reference := _to_check(str(written))) is not None
    ]
    if not named:
        return [], False
    try:
        logins = workspace_logins(workspace)
    except DecryptionError:
        return [], False
    findings, more = [], False
    for written, reference in named:
        key = hashlib.sha256(f"{logins.mark} {reference}".encode()).hexdigest()
        answer, pending = bases.answer(key, partial(_look_up, reference, logins))
        more = more or pending
        if answer and answer[0]:
            code, why = answer
            values = {"image": str(reference), "host": reference.registry, "why": why}
            findings.append(finding(code, written, **values))
    return findings, more


def _written(reading: Reading) -> list[Placed]:
    """Return the base image, or those that the stages of a Dockerfile start from, with their positions."""
    requested, definition = reading.requested, reading.definition
    if requested.image is not None:
        return [requested.image]
    if definition is None:
        return []
    if requested.dockerfile is not None:
        text, first, file = str(requested.dockerfile), requested.dockerfile.line, requested.dockerfile.file
    elif definition.context is not None:
        text, first, file = definition.context.dockerfile, 1, definition.context.dockerfile_path
    else:
        return []
    # Inside of another file the text's own lines are unknown: the key it is under is the position.
    images = islice(base_images(list(instructions(text))), MOST_STAGES)
    return [Placed(image, line if first == 1 else first, 1, file) for image, line in images]


def _to_check(written: str) -> ImageReference | None:
    """Return the reference of an image of some registry; None for this machine's own, and for the studio's."""
    if written.strip() == HOST or PLACEHOLDER.search(written) or holds_secret(written):
        return None
    try:
        reference = ImageReference.parse(written)
    except BadReference:
        return None
    return (
        reference
        if reference.registry not in registry_hosts() or reference.registry in settings.REGISTRY_MIRRORS
        else None
    )


def _look_up(reference: ImageReference, logins: Logins) -> tuple[tuple[str, str], float]:
    """Return the finding's code and a reason; an empty pair where the image is there."""
    # Loaded here and not above: the web process starts without what builds use.
    from builds.imaging.reporting import ImageError, short_reason

    try:
        _request_manifest(reference, logins)
    except ImageError as error:
        code = _CODES.get(error.code, "")
        if not code or _engine_has(reference):
            return ("", ""), MISSING_SECONDS
        return (code, short_reason(error.detail or error.message)), MISSING_SECONDS
    except Exception:
        # A finding is an extra: what breaks it is reported by the build.
        return ("", ""), MISSING_SECONDS
    return ("", ""), PRESENT_SECONDS


def _request_manifest(reference: ImageReference, logins: Logins) -> None:
    from builds.imaging.oci.store import BlobStore
    from builds.imaging.registry_client import Registry, repositories_for
    from builds.imaging.reporting import ImageError
    from builds.imaging.workshop import Workshop

    workshop = Workshop(
        store=BlobStore(settings.STORE),
        cache=settings.CACHE,
        mirrors=settings.REGISTRY_MIRRORS,
        logins=logins,
        reach=settings.EGRESS_POLICY,
    )
    last: ImageError | None = None
    for repository in repositories_for(reference.registry, reference.repository, workshop):
        registry = Registry(repository)
        try:
            registry.manifest(reference.digest or reference.tag or "latest")
        except ImageError as error:
            last = error
        else:
            return
        finally:
            registry.close()
    if last is not None:
        raise last


def _engine_has(reference: ImageReference) -> bool:
    """Whether the studio's own Docker Engine has the image, which builds take then."""
    from builds.engine.connection import Engine
    from builds.imaging.reporting import ImageError

    try:
        with Engine.at(settings.DOCKER_HOST) as engine:
            return engine.own(str(reference)) is not None
    except ImageError:
        return False
