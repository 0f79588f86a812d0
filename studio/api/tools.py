"""Functions outside workspaces: read a definition, compare versions, the caller and their tokens."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

from django.http import Http404
from django.utils import timezone
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.response import Response

from builds.images.repositories import resolving_environments
from builds.provenance.keys import public_keys
from environments.access import Right, get_workspace, token_used_by, workspaces_of
from environments.models import Scope, Workspace
from environments.versions.input import DefinitionInput
from environments.versions.views import version_named
from environments.workspaces.tokens import create_token, revoke_token, tokens_visible_to
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import bodies, responses, rows
from studio.api.shapes import images as image_fields
from studio.defining.early import Early, early_findings_within
from studio.defining.fixing import SAFE, fixable, fixed_input
from studio.environments.compare import difference_as_json

LOOK_UP_SECONDS = 3.0


@documented(
    "POST",
    responses.Reading,
    takes=bodies.CheckIn,
    may=(404,),
)
def findings(request: ApiRequest) -> Response:
    """Read a definition and give its findings with their fixes; nothing is saved."""
    sent = bodies.CheckIn(data=request.data)
    sent.is_valid(raise_exception=True)
    name = sent.validated_data["workspace"]
    workspace = get_workspace(request.user, name, Right.DEFINE) if name else None
    with resolving_environments(workspace) if workspace else nullcontext():
        return _findings(sent.given(), workspace)


def _findings(given: DefinitionInput, workspace: Workspace | None) -> Response:
    early = Early(given.reading)
    if workspace is not None:
        early = early_findings_within(LOOK_UP_SECONDS, given.reading, workspace)
    read = fixable(early.reading, given, None, early.pins)
    fixed = (
        fixed_input(given, read, None, SAFE).text
        if any(f.fix and f.fix.safe for f in read.findings)
        else None
    )
    return Response(rows.reading(read, fixed, pending=early.pending))


@documented(
    "GET",
    responses.WholeDifference,
    query={"a": "The old one: workspace/name:version.", "b": "The new one."},
    may=(404,),
)
def difference(request: ApiRequest) -> Response:
    """Say what differs between two versions, also of different environments."""
    sides = []
    for side in ("a", "b"):
        reference = request.query_params.get(side, "")
        if not reference:
            raise ValidationError({side: ["Write workspace/name:version."]})
        sides.append(version_named(request.user, reference))
    return Response(difference_as_json(*sides))


@documented("GET", responses.Person)
def me(request: ApiRequest) -> Response:
    """Say who you are."""
    names = workspaces_of(request.user).order_by("name").values_list("name", flat=True)
    return Response(
        {
            "user": request.user.get_username(),
            "admin": request.user.is_superuser,
            "workspaces": list(names),
        }
    )


@documented("GET", {200: image_fields.SigningKey(many=True)})
def signing_keys(request: ApiRequest) -> Response:
    """List the public keys that the studio has signed with, newest first. One that is revoked verifies nothing."""
    keys = public_keys(revoked=True)
    fields = ("key_id", "public_pem", "created_at", "revoked_at")
    return Response([{name: getattr(key, name) for name in fields} for key in keys])


@documented("GET", responses.paged(responses.Token), paged=True)
def tokens(request: ApiRequest) -> Response:
    """List your access tokens, newest first. A token that is limited to a workspace sees itself only."""
    visible = tokens_visible_to(request.user).select_related("workspace")
    page, pages = page_of(request, visible, ("-pk",))
    return pages.get_paginated_response([rows.token(row) for row in page])


@documented(
    "POST",
    {201: responses.NewToken},
    takes=bodies.TokenIn,
    may=(404,),
)
def make_token(request: ApiRequest) -> Response:
    """Make an access token; its secret is in this answer and in no other."""
    if token_used_by(request.user) is not None:
        raise PermissionDenied("A token cannot make tokens: sign in yourself.")
    sent = bodies.TokenIn(data=request.data)
    sent.is_valid(raise_exception=True)
    payload: dict[str, Any] = sent.validated_data
    days = payload["expires_in_days"]
    made, secret = create_token(
        request.user,
        payload["name"],
        Scope[payload["scope"].upper()],
        expires_at=timezone.now() + timedelta(days=days) if days else None,
        workspace=get_workspace(request.user, payload["workspace"]) if payload["workspace"] else None,
    )
    return Response(rows.token(made) | {"secret": secret}, status=201, headers={"Cache-Control": "no-store"})


@documented("DELETE", {204: None}, path=("token",))
def end_token(request: ApiRequest, token: int) -> Response:
    """Revoke one of your access tokens. A token that is limited to a workspace can revoke itself only."""
    row = tokens_visible_to(request.user).filter(pk=token).first() if token < 2**63 else None
    if row is None:
        raise Http404(f"You have no token {token}.")
    revoke_token(row, request.user)
    return Response(status=204)
