"""Base images from a registry."""

from __future__ import annotations

from builds.images.base import Base
from builds.images.report import ImageError, Reporter
from builds.images.workshop import Workshop


def registry_base(reference: str, workshop: Workshop, reporter: Reporter) -> Base:
    raise ImageError("base-not-found", reference)
