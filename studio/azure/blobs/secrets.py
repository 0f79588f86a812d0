"""Hand out signatures for a workspace's container, to those who may define its environments."""

from datetime import timedelta
from typing import Any

from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from environments.access import Right, get_workspace, token_used_by
from environments.models import Workspace
from studio.azure.addresses import Scope
from studio.azure.blobs import signatures
from studio.azure.blobs.containers import container_of
from studio.azure.protocol import body_of

MAX_HOURS = 24


class SecretsIn(s.Serializer[Any]):
    """How long the signature is needed."""

    expirableSecret = s.BooleanField(required=False, allow_null=True)
    expireAfterHours = s.IntegerField(required=False, allow_null=True, min_value=1, max_value=MAX_HOURS)


def list_secrets(request: Request, scope: Scope, datastore: str) -> Response:
    """Give a signature that lets its bearer upload build contexts to the workspace."""
    workspace = get_workspace(request.user, scope.workspace, Right.DEFINE)
    sent = SecretsIn(data=body_of(request))
    sent.is_valid(raise_exception=True)
    hours = sent.validated_data.get("expireAfterHours") or 1
    return Response({"secretsType": "Sas", "sasToken": signature_for(request.user, workspace, hours)})


def signature_for(user: Any, workspace: Workspace, hours: int = 1) -> str:
    """Return a signature for a workspace's container; its rights are looked up again with each request."""
    token = token_used_by(user)
    assert token is not None  # noqa: S101 (these addresses accept nothing else)
    holder = signatures.Holder(token.pk, workspace.pk)
    rights = signatures.READ + signatures.CREATE + signatures.WRITE
    return signatures.sign(container_of(workspace), rights, holder, lasting=timedelta(hours=hours))
