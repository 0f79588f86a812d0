"""Invitations to a workspace."""

from django.http import Http404
from rest_framework.response import Response

from environments.access import Right, get_workspace
from environments.models import Invitation, Role
from environments.workspaces.invitations import create_invitation, open_invitations, revoke_invitation
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import bodies, responses

WORKSPACE = ("workspace",)


def _shown(row: Invitation) -> dict[str, object]:
    return {
        "id": row.pk,
        "role": Role(row.role).label,
        "created_by": row.created_by.get_username(),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }


@documented("GET", responses.paged(responses.Invitation), path=WORKSPACE, paged=True)
def invitations(request: ApiRequest, workspace: str) -> Response:
    """List a workspace's open invitations, newest first."""
    space = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    page, pages = page_of(request, open_invitations(space), ("-pk",))
    return pages.get_paginated_response([_shown(row) for row in page])


@documented("POST", {201: responses.NewInvitation}, takes=bodies.MemberIn, path=WORKSPACE, may=(409,))
def invite(request: ApiRequest, workspace: str) -> Response:
    """Create an invitation; its link is in this answer and in no other. It works once, within 7 days."""
    space = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    sent = bodies.MemberIn(data=request.data)
    sent.is_valid(raise_exception=True)
    role = next(choice for choice in Role if choice.label == sent.validated_data["role"])
    row, secret = create_invitation(space, role, request.user)
    link = request.build_absolute_uri(f"/invitations/{secret}/")
    return Response(_shown(row) | {"link": link}, status=201, headers={"Cache-Control": "no-store"})


@documented("DELETE", {204: None}, path=("workspace", "invitation"))
def revoke(request: ApiRequest, workspace: str, invitation: int) -> Response:
    """Revoke an invitation that nobody has used."""
    space = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    rows = open_invitations(space).filter(pk=invitation) if invitation < 2**63 else Invitation.objects.none()
    row = rows.first()
    if row is None:
        raise Http404(f"There is no open invitation {invitation} in {space}.")
    revoke_invitation(row, request.user)
    return Response(status=204)
