"""Workspaces and their datastore, as both SDKs read them."""

from typing import Any
from urllib.parse import urlsplit

from django.http import Http404
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from environments.access import Right, get_workspace, workspaces_of
from environments.models import Workspace
from studio.azure.addresses import LOCATION, PROVIDER, TENANT, Scope, base_url, workspace_guid
from studio.azure.blobs.containers import container_of
from studio.azure.blobs.secrets import signature_for
from studio.azure.clouds import STORAGE_SUFFIX
from studio.azure.protocol import body_of, route
from studio.azure.times import timestamp

DATASTORE = "workspaceblobstore"
MAX_LISTED = 1_000
MAX_HOURS = 24


class SecretsIn(s.Serializer[Any]):
    """The time that a signature is needed for."""

    expirableSecret = s.BooleanField(required=False, allow_null=True)
    expireAfterHours = s.IntegerField(required=False, allow_null=True, min_value=1, max_value=MAX_HOURS)


def workspace(request: Request, scope: Scope) -> Response:
    """Give a workspace."""
    row = get_workspace(request.user, scope.workspace)
    return Response(_resource(row, scope, base_url(request)))


def workspaces(request: Request, subscription: str, group: str = "studio") -> Response:
    """List the workspaces that the caller sees."""
    rows = workspaces_of(request.user)[:MAX_LISTED]
    base = base_url(request)
    return Response({"value": [_resource(row, Scope(subscription, group, row.name), base) for row in rows]})


def datastores(request: Request, scope: Scope) -> Response:
    """List the datastores of a workspace: it has one."""
    row = get_workspace(request.user, scope.workspace)
    return Response({"value": [datastore_resource(row, scope, base_url(request))]})


def datastore(request: Request, scope: Scope, datastore: str) -> Response:
    """Give the datastore, without secrets."""
    row = get_workspace(request.user, scope.workspace)
    _check_datastore(row, datastore)
    return Response(datastore_resource(row, scope, base_url(request)))


def datastore_secrets(request: Request, scope: Scope, datastore: str) -> Response:
    """Give a signature that lets its bearer upload build contexts to the workspace."""
    row = get_workspace(request.user, scope.workspace, Right.DEFINE)
    _check_datastore(row, datastore)
    sent = SecretsIn(data=body_of(request))
    sent.is_valid(raise_exception=True)
    hours = sent.validated_data.get("expireAfterHours") or 1
    return Response({"secretsType": "Sas", "sasToken": signature_for(request.user, row, hours)})


def _check_datastore(workspace: Workspace, datastore: str) -> None:
    if datastore != DATASTORE:
        message = f"There is no datastore {datastore} in {workspace}. Each workspace has one: {DATASTORE}."
        raise Http404(message)


def datastore_resource(workspace: Workspace, scope: Scope, base: str) -> dict[str, Any]:
    """Return a workspace's datastore.

    The SDK writes `https://{accountName}.blob.{endpoint}/{container}`: a path in the account's name leads it here.
    """
    return {
        "id": f"{scope.id}/datastores/{DATASTORE}",
        "name": DATASTORE,
        "type": f"{PROVIDER}/workspaces/datastores",
        "properties": {
            "datastoreType": "AzureBlob",
            "accountName": f"{urlsplit(base).netloc}/blobstore/{workspace.name}",
            "containerName": container_of(workspace),
            "endpoint": STORAGE_SUFFIX,
            "protocol": "https",
            "isDefault": True,
            "credentials": {"credentialsType": "Sas"},
            "description": None,
            "tags": {},
            "properties": {},
        },
    }


def _resource(workspace: Workspace, scope: Scope, base: str) -> dict[str, Any]:
    created = timestamp(workspace.created_at)
    return {
        "id": scope.id,
        "name": workspace.name,
        "type": f"{PROVIDER}/workspaces",
        "location": LOCATION,
        "kind": "Default",
        "tags": {},
        "sku": {"name": "Basic", "tier": "Basic"},
        "identity": {"type": "None"},
        "properties": {
            "workspaceId": workspace_guid(workspace),
            "friendlyName": workspace.title,
            "description": "",
            "discoveryUrl": f"{base}/discovery",
            "mlFlowTrackingUri": "",
            "storageAccount": _account(scope, "Microsoft.Storage/storageAccounts"),
            "keyVault": _account(scope, "Microsoft.KeyVault/vaults"),
            "provisioningState": "Succeeded",
            "publicNetworkAccess": "Enabled",
            "hbiWorkspace": False,
            "tenantId": TENANT,
            "creationTime": created,
        },
        "systemData": {"createdAt": created, "lastModifiedAt": created},
    }


def _account(scope: Scope, kind: str) -> str:
    groups = f"/subscriptions/{scope.subscription}/resourceGroups/{scope.group}"
    return f"{groups}/providers/{kind}/{scope.workspace}"


WORKSPACE = route(GET=workspace)
WORKSPACES = route(GET=workspaces)
DATASTORES = route(GET=datastores)
DATASTORE_VIEW = route(GET=datastore)
SECRETS = route(POST=datastore_secrets)
