"""Read the packages of bases: as a build takes one, and those of older images from their layers."""

from __future__ import annotations

import logging

from django.conf import settings

from builds.advisories.bases import FORMAT, missing_contents, save_contents
from builds.imaging.assemble import HIDING, has_environment, names_environment
from builds.imaging.bases.documents import blobs_of, config_of
from builds.imaging.bases.model import Bases
from builds.imaging.bases.probing import distribution_of, probed
from builds.imaging.oci.index import image_of, manifests_of
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.rebasing.own_layers import own_layers
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from builds.models import BaseContents, Image

log = logging.getLogger(__name__)

AT_ONCE = 20


def save_base_packages(bases: Bases, workshop: Workshop) -> None:
    """Write the packages of the bases that a build takes, unless they are known."""
    if missing_contents([bases.digest]):
        each = [distribution_of(base.digest, workshop) for base in bases.each]
        if all(each):
            known = [distribution for distribution in each if distribution is not None]
            save_contents(bases.digest, known, hides=any(map(has_environment, bases.each)))


def read_older_bases(workshop: Workshop, tried: set[str]) -> int:
    """Read bases of images that were built before bases were read; return how many. `tried` holds what cannot be.

    A base is a part of its image: the layers of an image in the store are enough.
    """
    if not settings.STORE:
        return 0
    known = BaseContents.objects.filter(format=FORMAT)
    unknown = Image.objects.filter(current=True).exclude(base_digest__in=known.values("base_digest"))
    read = 0
    rows = unknown.exclude(base_digest__in=tried).order_by("base_digest", "-pk")
    for digest, image in rows.values_list("base_digest", "digest")[: AT_ONCE * 50]:
        if digest in tried or read >= AT_ONCE:
            continue
        tried.add(digest)
        try:
            _read(digest, image, workshop)
            read += 1
        except Exception as error:  # an image that is elsewhere, or whose layers nothing can read
            log.info("Could not read the packages of the base %s: %s", digest, error)
    return read


def _read(digest: str, image: str, workshop: Workshop) -> None:
    distributions, hides = [], False
    for manifest in manifests_of(workshop.store, image_of(workshop.store, image)):
        layers, hiding = _below(manifest, workshop)
        key = f"{manifest.digest}-without-environment"
        probed(key, layers, {}, workshop, Quiet())
        distribution = distribution_of(key, workshop)
        if distribution is not None:
            distributions.append(distribution)
        hides |= hiding
    save_contents(digest, distributions, hides=hides)


def _below(manifest: Descriptor, workshop: Workshop) -> tuple[list[Descriptor], bool]:
    """Return the base's layers of an image, and whether environments on the base hide what it has in their folder."""
    config, _ = blobs_of(manifest.digest, workshop.store.read(manifest.digest))
    own = own_layers(manifest, workshop.store)
    if own.layers:
        return list(own.base_layers), any(layer.holds == HIDING for layer in own.layers)
    described = config_of(manifest.digest, workshop.store.read(config.digest))
    return list(own.base_layers), names_environment(described.get("config") or {})
