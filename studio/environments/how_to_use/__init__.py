"""Snippets that show how to use a version elsewhere, with its names and the studio's URL filled in."""

from __future__ import annotations

from django.utils.translation import gettext as _

from builds.images.repositories import pull_names
from builds.models import Image
from environments.models import Version
from studio.environments.how_to_use.azure import azure_snippets, definition_snippets
from studio.environments.how_to_use.consumer import Consumer, Snippet
from studio.environments.how_to_use.containers import container_snippets
from studio.environments.how_to_use.local import local_snippets

__all__ = ["Snippet", "snippets"]


def snippets(
    version: Version, image: Image | None, address: str, user: str, *, building_pull: str = ""
) -> list[Snippet]:
    """Return the snippets of a version: those of its image, or of its definition until it has one.

    `building_pull` is the command whose pull builds the version, if there is one.
    """
    address = address.rstrip("/")
    names = pull_names(image, address.partition("://")[2], version) if image else None
    consumer = Consumer(version, image, address, user, names)
    if image:
        return [*container_snippets(consumer), *azure_snippets(consumer), *local_snippets(consumer)]
    first = []
    if building_pull:
        note = _("This builds the image and waits until it is ready.")
        first = [Snippet("pull", _("Pull"), _("In a terminal"), f"{building_pull}\n", (note,))]
    return [*first, *definition_snippets(consumer)]
