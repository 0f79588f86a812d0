"""Registering a definition: the same content is no new version, other content under a version's name is refused."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.http import Http404

from builds.images.repositories import resolving_environments
from environments.access import Right, get_workspace
from environments.definition.model import BuildContext
from environments.errors import ConflictError, ServiceError
from environments.models import Environment, Version, Workspace
from studio.azure.blobs.containers import is_upload, uploaded_context
from studio.azure.v1.addresses import ContextUrl
from studio.azure.v1.definitions import ContextLocation, context_location, is_same, read_definition
from studio.azure.v1.lookup import catalogue_of, find_version


def register(
    user: User, workspace: str, name: str, body: Mapping[str, Any], *, version: str = "", base: str
) -> Version:
    """Save a definition as the given version, else as the next; return the version that has this content.

    `base` is the base of the studio's own URLs. Raises ServiceError, or VersionTaken for other content.
    """
    space = get_workspace(user, workspace, Right.DEFINE)
    location = context_location(body)
    context = _context_at(user, space, location, base) if location is not None else None
    with resolving_environments(space):
        given = read_definition(body, context)
    definition, existing = given.reading.definition, _existing(space, name, version)
    if definition is not None and existing is not None and is_same(existing, definition):
        return existing
    if space.curated:
        raise ConflictError(
            "only-by-review",
            "Versions come into the catalogue by review only.",
            "Save it in a workspace, and propose it there.",
        )
    return given.save(space, name, user=user, version=version).version


def _existing(space: Workspace, name: str, version: str) -> Version | None:
    """Return the version that a definition is compared with: the given one, else the latest."""
    owner = catalogue_of(name) or space
    environment = Environment.objects.filter(workspace=owner, name=name).first()
    if environment is None:
        return None
    return environment.versions.filter(version=version).first() if version else environment.latest()


def _context_at(user: User, space: Workspace, location: ContextLocation, base: str) -> BuildContext | None:
    """Return the build context of the upload or version that a URL of this studio names; None for any other URL."""
    if is_upload(location.url):
        return uploaded_context(location.url, location.dockerfile_path, space)
    url = ContextUrl.parse(location.url, base)
    if url is None:
        return None
    try:
        context = find_version(user, url.workspace, url.name, url.version).definition.context
    except Http404:
        context = None
    if context is None:
        raise ServiceError(
            "context-missing",
            f"There is no build context at {location.url[:300]}.",
            "Give the location that the studio returned for an environment that you can see.",
        )
    if context.text(location.dockerfile_path) is None:
        raise ServiceError(
            "dockerfile-missing",
            f"The build context has no file “{location.dockerfile_path[:200]}”.",
            "Correct dockerfile_path.",
        )
    return context.model_copy(update={"dockerfile_path": location.dockerfile_path})
