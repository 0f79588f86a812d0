"""Settings of a workspace: whether it is open as a registry, whether it receives shares, and its protected labels."""

from typing import Any

from rest_framework import serializers as s
from rest_framework.response import Response

from environments.access import Right, get_workspace
from environments.models import Workspace
from environments.workspaces.sharing import set_opened, set_protected_labels, set_receives_shares
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes.bodies import NoNul

WORKSPACE = ("workspace",)


class Sharing(s.Serializer[Any]):
    """A workspace's settings of sharing and labels."""

    opened = s.BooleanField(
        required=False, help_text="Azure's clients use the workspace as the registry of its name."
    )
    receives_shares = s.BooleanField(
        required=False, help_text="Versions that other workspaces share with this one wait for its owners."
    )
    protected_labels = s.ListField(
        child=NoNul(max_length=64),
        max_length=200,
        required=False,
        help_text="The labels that only owners set, move and remove.",
    )


@documented("GET", Sharing, path=WORKSPACE)
def sharing_settings(request: ApiRequest, workspace: str) -> Response:
    """Give a workspace's settings of sharing and labels."""
    return Response(_row(get_workspace(request.user, workspace, Right.SEE_SETTINGS)))


@documented("PATCH", Sharing, takes=Sharing, path=WORKSPACE)
def change_sharing_settings(request: ApiRequest, workspace: str) -> Response:
    """Change a workspace's settings of sharing and labels; what is left out stays."""
    space = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    sent = Sharing(data=request.data)
    sent.is_valid(raise_exception=True)
    if "protected_labels" in sent.validated_data:
        set_protected_labels(space, sent.validated_data["protected_labels"], request.user)
    if "opened" in sent.validated_data:
        set_opened(space, sent.validated_data["opened"], request.user)
    if "receives_shares" in sent.validated_data:
        set_receives_shares(space, sent.validated_data["receives_shares"], request.user)
    return Response(_row(space))


def _row(space: Workspace) -> dict[str, Any]:
    return {
        "opened": space.opened,
        "receives_shares": space.receives_shares,
        "protected_labels": space.protected_labels,
    }
