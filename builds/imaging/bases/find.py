"""Finding a base image by its reference, wherever it is."""

from __future__ import annotations

from builds.images.base import Base
from builds.images.host import REFERENCE as HOST
from builds.images.host import host_base
from builds.images.platforms import refuse_other
from builds.images.pull import registry_base
from builds.images.report import Reporter
from builds.images.workshop import Workshop


def find_base(
    reference: str, workshop: Workshop, reporter: Reporter, *, platform: str = "linux/amd64"
) -> Base:
    """Return the base image that a reference means now, with its blobs in the store and its probe."""
    if reference.strip() == HOST:
        base = host_base(workshop, reporter)
        refuse_other(HOST, base.config, platform)
    else:
        base = registry_base(reference, workshop, reporter, platform=platform)
    return found(base, reporter)


def found(base: Base, reporter: Reporter) -> Base:
    """Say in the log what was found, and return it."""
    probe = base.probe
    python = f"Python {probe.version} at {probe.python}" if probe.python else "no Python"
    reporter.line(
        f"Base {base.reference} ({base.digest}): {python}, {probe.libc} {probe.libc_version}".rstrip()
    )
    return base
