"""Workspaces and their members."""

from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from environments.access import Right, get_workspace, workspaces_of
from environments.members import keep_member, remove_member
from environments.models import Member, Role
from environments.workspaces import create_workspace, may_create_workspaces, rename_workspace
from studio.api import bodies, rows, shapes
from studio.api.answers import page_of
from studio.api.describing import documented, route
from studio.api.repeating import HEADER, answered_once

PLACE = ("workspace",)
MEMBER = ("workspace", "user")


@documented("GET", "List the workspaces that you see", shapes.paged(shapes.Workspace), paged=True)
def workspaces(request: Request) -> Response:
    """List the workspaces that you see."""
    found, pages = page_of(request, workspaces_of(request.user), ("name",))
    return pages.get_paginated_response([rows.workspace(place, request.user) for place in found])


@documented(
    "POST",
    "Make a workspace, which you own",
    {201: shapes.Workspace},
    takes=bodies.WorkspaceIn,
    may=(409,),
    headers=(HEADER,),
)
@answered_once
def create_one_workspace(request: Request) -> Response:
    """Make a workspace, which you own."""
    if not may_create_workspaces(request.user):
        raise PermissionDenied("You may not make workspaces: ask whoever runs this studio.")
    sent = bodies.WorkspaceIn(data=request.data)
    sent.is_valid(raise_exception=True)
    made = create_workspace(**sent.validated_data, by=request.user)  # type: ignore[arg-type]
    return Response(rows.workspace(made, request.user), status=201)


@documented("PATCH", "Change a workspace's title", shapes.Workspace, takes=bodies.TitleIn, path=PLACE)
def rename_one_workspace(request: Request, workspace: str) -> Response:
    """Change a workspace's title."""
    place = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    sent = bodies.TitleIn(data=request.data)
    sent.is_valid(raise_exception=True)
    rename_workspace(place, sent.validated_data["title"], request.user)  # type: ignore[arg-type]
    return Response(rows.workspace(place, request.user))


@documented("GET", "Give a workspace", shapes.Workspace, path=PLACE)
def workspace(request: Request, workspace: str) -> Response:
    """Give a workspace."""
    return Response(rows.workspace(get_workspace(request.user, workspace), request.user))


@documented("GET", "List a workspace's members", shapes.paged(shapes.Member), path=PLACE, paged=True)
def members(request: Request, workspace: str) -> Response:
    """List a workspace's members."""
    place = get_workspace(request.user, workspace)
    everybody = Member.objects.filter(workspace=place).select_related("user")
    found, pages = page_of(request, everybody.annotate(by_name=F("user__username")), ("by_name",))
    shown = [{"user": one.user.get_username(), "role": Role(one.role).label} for one in found]
    return pages.get_paginated_response(shown)


@documented(
    "PUT",
    "Give a person a role in a workspace, as a new member or as one who is there",
    {200: shapes.Member, 201: shapes.Member},
    takes=bodies.MemberIn,
    path=MEMBER,
    may=(409,),
)
def keep_one_member(request: Request, workspace: str, user: str) -> Response:
    """Give a person a role in a workspace, as a new member or as one who is there."""
    place = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    sent = bodies.MemberIn(data=request.data)
    sent.is_valid(raise_exception=True)
    role = next(one for one in Role if one.label == sent.validated_data["role"])
    kept = keep_member(place, user.replace("\0", ""), role, request.user)  # type: ignore[arg-type]
    return Response({"user": user, "role": role.label}, status=201 if kept.added else 200)


@documented(
    "DELETE",
    "Take a person out of a workspace; everybody may leave by themselves",
    {204: None},
    path=MEMBER,
    may=(409,),
)
def remove_one_member(request: Request, workspace: str, user: str) -> Response:
    """Take a person out of a workspace; everybody may leave by themselves."""
    leaves = user == request.user.get_username()
    place = get_workspace(request.user, workspace, Right.SEE if leaves else Right.MANAGE_MEMBERS)
    try:
        remove_member(place, user.replace("\0", ""), request.user)  # type: ignore[arg-type]
    except Member.DoesNotExist as problem:
        raise Http404(f"{user} is no member of {place}.") from problem
    return Response(status=204)


ROUTES = {
    "workspaces": route(GET=workspaces, POST=create_one_workspace),
    "workspace": route(GET=workspace, PATCH=rename_one_workspace),
    "members": route(GET=members),
    "member": route(PUT=keep_one_member, DELETE=remove_one_member),
}
