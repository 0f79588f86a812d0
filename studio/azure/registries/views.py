"""Registries: discovery, environments and versions, uploads, and sharing from a workspace."""

import re
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.http import Http404
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from builds.review import sharing
from environments.access import Right, get_version, may, workspaces_of
from environments.errors import ConflictError
from environments.models import Version
from studio.api.shapes.bodies import NoNul
from studio.azure.addresses import LOCATION, SUBSCRIPTION, TENANT, base_url, workspace_guid
from studio.azure.blobs.containers import container_of
from studio.azure.blobs.secrets import signature_for
from studio.azure.protocol import View, body_of, route
from studio.azure.registries.scopes import RegistryScope, name_in, registry_workspace
from studio.azure.v2 import environments
from studio.azure.v2.environments import ONLY_BY_REVIEW

GROUP = "registries"
_SOURCE = re.compile(
    r"azureml://locations/[^/]+/workspaces/(?P<workspace>[0-9a-fA-F-]{36})"
    r"/environments/(?P<name>[^/]+)/versions/(?P<version>[^/]+)"
)


class ImportIn(s.Serializer[Any]):
    """A version of a workspace, and its name and version in the registry."""

    referenceType = s.ChoiceField(choices=["Id"], required=False)
    destinationName = NoNul(max_length=255)
    destinationVersion = NoNul(max_length=64)
    sourceAssetId = NoNul(max_length=2_000)


class ReceivesNothing(ConflictError):
    """The registry's owners want no versions of other workspaces."""


class Undecided(ConflictError):
    """The version was sent, and owners of the registry decide about it."""


def discovery(request: Request, registry: str) -> Response:
    """Give the URL of a registry's services."""
    registry_workspace(request.user, registry)
    base = base_url(request)
    return Response(
        {
            "registryName": registry,
            "primaryRegionResourceProviderUri": f"{base}/",
            "primaryRegion": LOCATION,
            "regions": [LOCATION],
            "resourceGroup": GROUP,
            "subscriptionId": SUBSCRIPTION,
            "tenantId": TENANT,
            "registryFqdns": {LOCATION: {"uri": base}},
        }
    )


def in_registry(view: View, right: Right = Right.SEE) -> View:
    """Return a view of a workspace for the registry that a URL names."""

    def answer(request: Request, subscription: str, group: str, registry: str, **path: str) -> Response:
        space = registry_workspace(request.user, registry, right)
        if "name" in path:
            path["name"] = name_in(space, path["name"])
        return view(request, scope=RegistryScope(subscription, group, space.name, registry), **path)

    answer.__name__, answer.__doc__ = view.__name__, view.__doc__
    return answer


def temporary_reference(
    request: Request, subscription: str, group: str, registry: str, name: str, version: str
) -> Response:
    """Give a signed URL for the upload of a version's build context; each request is an upload of its own."""
    space = registry_workspace(request.user, registry, Right.DEFINE)
    if space.curated:
        raise ConflictError(*ONLY_BY_REVIEW)
    # The SDK takes the last part of the path as a container, and everything before it as an account.
    url = f"{base_url(request)}/blobstore/{container_of(space)}/Registry/{uuid4().hex}"
    signed = f"{url}?{signature_for(request.user, space)}"
    credential = {"credentialType": "SAS", "sasUri": signed}
    return Response({"blobReferenceForConsumption": {"blobUri": url, "credential": credential}})


def share(request: Request, subscription: str, group: str, registry: str) -> Response:
    """Share a version of a workspace with the registry's. It is there at once if the caller may accept it."""
    space = registry_workspace(request.user, registry)
    sent = ImportIn(data=body_of(request).get("properties"))
    sent.is_valid(raise_exception=True)
    if not (space.receives_shares or space.curated):
        raise ReceivesNothing(
            "receives-nothing",
            f"{space} receives no shared versions.",
            "Ask an owner to switch it on under Settings → Sharing, or save the version there.",
        )
    wanted: dict[str, str] = sent.validated_data
    version = _source(request, wanted["sourceAssetId"])
    with transaction.atomic():
        row = sharing.share(version, space.name, request.user, name=wanted["destinationName"])  # type: ignore[arg-type]
        decides = may(request.user, Right.DECIDE_SHARES, space)
        if decides:
            sharing.accept(row, request.user, version=wanted["destinationVersion"])  # type: ignore[arg-type]
    if not decides:
        raise Undecided(
            "share-undecided",
            f"{version} was sent to {space}.",
            "It appears in the registry when an owner accepts it.",
        )
    return Response(status=200)


def _source(request: Request, asset: str) -> Version:
    """Return the version that an id of an asset names, if the caller may share it."""
    match = _SOURCE.fullmatch(asset)
    visible = workspaces_of(request.user) if match else ()
    guid = match["workspace"].lower() if match else ""
    workspace = next((row for row in visible if workspace_guid(row) == guid), None)
    if match is None or workspace is None:
        raise Http404(f"There is no {asset[:300]} that you can see.")
    return get_version(request.user, workspace.name, match["name"], match["version"], Right.SHARE)


DISCOVERY = route(GET=discovery)
ENVIRONMENTS = route(GET=in_registry(environments.environments))
ENVIRONMENT = route(
    GET=in_registry(environments.environment), PUT=in_registry(environments.change_environment, Right.DEFINE)
)
VERSIONS = route(GET=in_registry(environments.versions))
VERSION = route(
    GET=in_registry(environments.version), PUT=in_registry(environments.save_version, Right.DEFINE)
)
TEMPORARY_REFERENCE = route(PUT=temporary_reference)
IMPORT = route(POST=share)
