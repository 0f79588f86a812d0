"""Workspaces and their members."""

from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404
from rest_framework.response import Response

from environments.access import Right, get_workspace, workspaces_of
from environments.models import Invitation, Member, Role
from environments.public_url import absolute_url
from environments.workspaces import members as membership
from environments.workspaces import registry, service, uploads
from environments.workspaces.invitations import create_invitation, open_invitations, revoke_invitation
from studio.api.http.answers import page_of
from studio.api.http.idempotency import HEADER, answered_once
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import bodies, image_choices, responses, rows

WORKSPACE = ("workspace",)
MEMBER = ("workspace", "user")


@documented("GET", responses.paged(responses.Workspace), paged=True)
def workspaces(request: ApiRequest) -> Response:
    """List the workspaces that you see."""
    page, pages = page_of(request, workspaces_of(request.user), ("name",))
    return pages.get_paginated_response([rows.workspace(space, request.user) for space in page])


@documented(
    "POST",
    {201: responses.Workspace},
    takes=bodies.WorkspaceIn,
    may=(409,),
    headers=(HEADER,),
)
@answered_once
def create_workspace(request: ApiRequest) -> Response:
    """Make a workspace, which you own."""
    if not service.may_create_workspaces(request.user):
        raise PermissionDenied("You can't create workspaces. Ask an admin of this studio.")
    sent = bodies.WorkspaceIn(data=request.data)
    sent.is_valid(raise_exception=True)
    made = service.create_workspace(**sent.validated_data, by=request.user)
    return Response(rows.workspace(made, request.user), status=201)


@documented("PATCH", responses.Workspace, takes=bodies.TitleIn, path=WORKSPACE)
def rename_workspace(request: ApiRequest, workspace: str) -> Response:
    """Change a workspace's title."""
    space = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    sent = bodies.TitleIn(data=request.data)
    sent.is_valid(raise_exception=True)
    service.rename_workspace(space, sent.validated_data["title"], request.user)
    return Response(rows.workspace(space, request.user))


@documented("GET", responses.Workspace, path=WORKSPACE)
def workspace(request: ApiRequest, workspace: str) -> Response:
    """Give a workspace."""
    return Response(rows.workspace(get_workspace(request.user, workspace), request.user))


@documented("GET", responses.UploadPolicy, path=WORKSPACE)
def upload_policy(request: ApiRequest, workspace: str) -> Response:
    """Give how old packages must be in a workspace."""
    return Response(rows.upload_policy(get_workspace(request.user, workspace, Right.SEE_SETTINGS)))


@documented("PUT", responses.UploadPolicy, takes=bodies.UploadPolicyIn, path=WORKSPACE)
def change_upload_policy(request: ApiRequest, workspace: str) -> Response:
    """Change how old packages must be in a workspace."""
    space = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    sent = bodies.UploadPolicyIn(data=request.data)
    sent.is_valid(raise_exception=True)
    uploads.set_upload_policy(space, **sent.validated_data, by=request.user)
    return Response(rows.upload_policy(space))


@documented("GET", image_choices.BytecodeOut, path=WORKSPACE)
def bytecode(request: ApiRequest, workspace: str) -> Response:
    """Give which modules are compiled for a workspace's new images."""
    return Response(image_choices.bytecode(get_workspace(request.user, workspace, Right.SEE_SETTINGS)))


@documented("PUT", image_choices.BytecodeOut, takes=image_choices.BytecodeIn, path=WORKSPACE)
def change_bytecode(request: ApiRequest, workspace: str) -> Response:
    """Change which modules are compiled for a workspace's new images."""
    space = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    sent = image_choices.BytecodeIn(data=request.data)
    sent.is_valid(raise_exception=True)
    registry.set_bytecode(space, sent.validated_data["bytecode"], request.user)
    return Response(image_choices.bytecode(space))


@documented("GET", image_choices.ImportTestOut, path=WORKSPACE)
def import_test(request: ApiRequest, workspace: str) -> Response:
    """Give whether a workspace's builds import the packages of their images."""
    return Response(image_choices.import_test(get_workspace(request.user, workspace, Right.SEE_SETTINGS)))


@documented("PUT", image_choices.ImportTestOut, takes=image_choices.ImportTestIn, path=WORKSPACE)
def change_import_test(request: ApiRequest, workspace: str) -> Response:
    """Change whether a workspace's builds import the packages of their images."""
    space = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    sent = image_choices.ImportTestIn(data=request.data)
    sent.is_valid(raise_exception=True)
    registry.set_import_test(space, sent.validated_data["import_test"], request.user)
    return Response(image_choices.import_test(space))


@documented("GET", image_choices.CompressionOut, path=WORKSPACE)
def compression(request: ApiRequest, workspace: str) -> Response:
    """Give the compression of a workspace's new images."""
    return Response(image_choices.compression(get_workspace(request.user, workspace, Right.SEE_SETTINGS)))


@documented("PUT", image_choices.CompressionOut, takes=image_choices.CompressionIn, path=WORKSPACE)
def change_compression(request: ApiRequest, workspace: str) -> Response:
    """Change the compression of a workspace's new images."""
    space = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    sent = image_choices.CompressionIn(data=request.data)
    sent.is_valid(raise_exception=True)
    registry.set_compression(space, sent.validated_data["compression"], request.user)
    return Response(image_choices.compression(space))


@documented("GET", responses.paged(responses.Member), path=WORKSPACE, paged=True)
def members(request: ApiRequest, workspace: str) -> Response:
    """List a workspace's members."""
    space = get_workspace(request.user, workspace)
    everybody = Member.objects.filter(workspace=space).select_related("user")
    page, pages = page_of(request, everybody.annotate(by_name=F("user__username")), ("by_name",))
    shown = [{"user": member.user.get_username(), "role": Role(member.role).label} for member in page]
    return pages.get_paginated_response(shown)


@documented(
    "PUT",
    {200: responses.Member, 201: responses.Member},
    takes=bodies.MemberIn,
    path=MEMBER,
    may=(409,),
)
def keep_member(request: ApiRequest, workspace: str, user: str) -> Response:
    """Give a person a role in a workspace, as a new member or as one who is there."""
    space = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    sent = bodies.MemberIn(data=request.data)
    sent.is_valid(raise_exception=True)
    role = next(choice for choice in Role if choice.label == sent.validated_data["role"])
    kept = membership.set_member_role(space, user, role, request.user)
    return Response({"user": user, "role": role.label}, status=201 if kept.added else 200)


@documented(
    "DELETE",
    {204: None},
    path=MEMBER,
    may=(409,),
)
def remove_member(request: ApiRequest, workspace: str, user: str) -> Response:
    """Take a person out of a workspace; everybody may leave by themselves."""
    leaves = user == request.user.get_username()
    space = get_workspace(request.user, workspace, Right.SEE if leaves else Right.MANAGE_MEMBERS)
    try:
        membership.remove_member(space, user, request.user)
    except Member.DoesNotExist as problem:
        raise Http404(f"{user} is no member of {space}.") from problem
    return Response(status=204)


def _invitation_row(row: Invitation) -> dict[str, object]:
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
    return pages.get_paginated_response([_invitation_row(row) for row in page])


@documented("POST", {201: responses.NewInvitation}, takes=bodies.MemberIn, path=WORKSPACE, may=(409,))
def invite(request: ApiRequest, workspace: str) -> Response:
    """Create an invitation; its link is in this answer and in no other. It works once, within 7 days."""
    space = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    sent = bodies.MemberIn(data=request.data)
    sent.is_valid(raise_exception=True)
    role = next(choice for choice in Role if choice.label == sent.validated_data["role"])
    row, secret = create_invitation(space, role, request.user)
    link = absolute_url(f"/invitations/{secret}/", request)
    return Response(_invitation_row(row) | {"link": link}, status=201, headers={"Cache-Control": "no-store"})


@documented("DELETE", {204: None}, path=("workspace", "invitation"))
def revoke_invitation_by_number(request: ApiRequest, workspace: str, invitation: int) -> Response:
    """Revoke an invitation that nobody has used."""
    space = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    rows = open_invitations(space).filter(pk=invitation) if invitation < 2**63 else Invitation.objects.none()
    row = rows.first()
    if row is None:
        raise Http404(f"There is no open invitation {invitation} in {space}.")
    revoke_invitation(row, request.user)
    return Response(status=204)
