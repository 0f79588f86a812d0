"""Base images that nobody but the studio's own Docker Engine has: found by their names, taken over once."""

from __future__ import annotations

from django.conf import settings

from builds.engine.connection import Engine, OwnImage
from builds.engine.layers import LEVEL, take_over
from builds.imaging.bases.model import Base
from builds.imaging.bases.pull import stored_base
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.definition import ImageReference

_KNOWN = f"engine-own-{LEVEL}"
ELSEWHERE = frozenset({"base-not-found", "registry-unreachable", "registry-refused"})
"""What a registry says where the engine's own images are looked at next."""


def local_base(
    reference: str,
    workshop: Workshop,
    reporter: Reporter,
    *,
    platform: str,
    why: ImageError,
    docker_host: str | None = None,
) -> Base:
    """Return the image that the engine has under this name; raise the registry's error if it has none.

    Each is taken over once: its layers are then in the store, like those of any other base.
    """
    whole = str(ImageReference.parse(reference))
    try:
        with Engine.at(docker_host or settings.DOCKER_HOST) as engine:
            image = engine.own(whole)
            if image is None:
                raise _nowhere(why)
            if image.platform != platform:
                raise _made_for_another(whole, image, platform)
            reporter.line(f"{whole} is taken from the Docker Engine's own images. {why.message}")
            known = workshop.recall(_KNOWN, image.id)
            manifest = Descriptor.model_validate(known) if known is not None else None
            cached = manifest is not None and workshop.store.whole(manifest)
            if manifest is None or not cached:
                manifest = take_over(engine, image.id, {}, workshop, reporter)
                workshop.remember(_KNOWN, image.id, manifest.to_json())
    except ImageError as error:
        if error.code == "engine-unreachable":
            raise why from error
        raise
    return stored_base(whole, manifest, workshop, reporter, cached=cached)


def _nowhere(why: ImageError) -> ImageError:
    message = f"{why.message} The studio's Docker Engine has no image of that name either."
    return ImageError(why.code, message, why.help, fault=why.fault)


def _made_for_another(whole: str, image: OwnImage, platform: str) -> ImageError:
    return ImageError(
        "base-not-found",
        f"The Docker Engine's own image {whole} is made for {image.platform}, not for {platform}.",
        "Build it for that platform, or take another base image.",
    )
