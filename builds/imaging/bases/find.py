"""Find a base image by its reference: on this machine, in this store, or in a registry."""

from __future__ import annotations

from collections.abc import Sequence

from builds.imaging.bases.host import REFERENCE as HOST
from builds.imaging.bases.host import host_base
from builds.imaging.bases.model import Base, Bases
from builds.imaging.bases.pull import registry_bases
from builds.imaging.oci.platforms import refuse_other
from builds.imaging.reporting import Reporter
from builds.imaging.workshop import Workshop


def find_base(
    reference: str, workshop: Workshop, reporter: Reporter, *, platform: str = "linux/amd64"
) -> Base:
    """Return the base image that a reference means now, with its blobs in the store and its probe."""
    return find_bases(reference, workshop, reporter, platforms=[platform]).first


def find_bases(reference: str, workshop: Workshop, reporter: Reporter, *, platforms: Sequence[str]) -> Bases:
    """Return what a reference means now on each of these platforms, in their order."""
    if reference.strip() == HOST:
        bases = Bases.of(host_base(workshop, reporter))
        for platform in platforms:
            refuse_other(HOST, bases.first.config, platform)
    else:
        bases = registry_bases(reference, workshop, reporter, platforms=platforms)
    for platform, base in zip(platforms, bases.each, strict=True):
        if len(bases.each) > 1:
            reporter.line(f"For {platform}:")
        logged(base, reporter)
    return bases


def logged(base: Base, reporter: Reporter) -> Base:
    """Log a base and its probe, and return it."""
    probe = base.probe
    python = f"Python {probe.version} at {probe.python}" if probe.python else "no Python"
    cuda = f", CUDA {probe.cuda} ({probe.cuda_from})" if probe.cuda else ""
    libc = f"{probe.libc} {probe.libc_version}".rstrip()
    reporter.line(f"Base {base.reference} ({base.digest}): {python}, {libc}{cuda}")
    return base
