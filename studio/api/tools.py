"""What needs no workspace: reading a definition, comparing two versions, oneself and one's tokens."""

from datetime import timedelta
from typing import Any

from django.http import Http404
from django.utils import timezone
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from environments.access import get_workspace, token_behind, workspaces_of
from environments.definition import diff
from environments.given import read_given
from environments.models import AccessToken, Scope
from environments.tokens import create_token, revoke_token
from environments.views import version_named
from studio.api import bodies, rows, shapes
from studio.api.answers import page_of
from studio.api.describing import documented, route
from studio.views.compare import resolved_difference


@documented(
    "POST",
    "Read a definition and say what there is to say about it; nothing is saved",
    shapes.Reading,
    takes=bodies.TextIn,
)
def findings(request: Request) -> Response:
    """Read a definition and say what there is to say about it; nothing is saved."""
    sent = bodies.TextIn(data=request.data)
    sent.is_valid(raise_exception=True)
    given = read_given(sent.validated_data["text"], sent.validated_data["filename"], None)
    return Response(rows.reading(given.reading))


@documented(
    "GET",
    "Say what differs between two versions, also of different environments",
    shapes.WholeDifference,
    query={"a": "The old one: workspace/name:version.", "b": "The new one."},
    may=(404,),
)
def difference(request: Request) -> Response:
    """Say what differs between two versions, also of different environments."""
    sides = []
    for side in ("a", "b"):
        reference = request.query_params.get(side, "")
        if not reference:
            raise ValidationError({side: ["Write workspace/name:version."]})
        sides.append(version_named(request, reference.replace("\0", "")))
    resolved = resolved_difference(*sides)
    exact = {"resolved": resolved.as_json() if resolved else None}
    return Response(diff(sides[0].definition, sides[1].definition).as_json() | exact)


@documented("GET", "Say who you are", shapes.Person)
def me(request: Request) -> Response:
    """Say who you are."""
    names = workspaces_of(request.user).order_by("name").values_list("name", flat=True)
    return Response(
        {
            "user": request.user.get_username(),
            "admin": request.user.is_superuser,
            "workspaces": list(names),
        }
    )


@documented("GET", "List your access tokens, newest first", shapes.paged(shapes.Token), paged=True)
def tokens(request: Request) -> Response:
    """List your access tokens, newest first."""
    mine = AccessToken.objects.filter(owner=request.user.pk).select_related("workspace")
    page, pages = page_of(request, mine, ("-pk",))
    return pages.get_paginated_response([rows.token(row) for row in page])


@documented(
    "POST",
    "Make an access token; its secret is in this answer and in no other",
    {201: shapes.NewToken},
    takes=bodies.TokenIn,
    may=(404,),
)
def make_token(request: Request) -> Response:
    """Make an access token; its secret is in this answer and in no other."""
    if token_behind(request.user) is not None:
        raise PermissionDenied("A token cannot make tokens: sign in yourself.")
    sent = bodies.TokenIn(data=request.data)
    sent.is_valid(raise_exception=True)
    told: dict[str, Any] = sent.validated_data
    days = told["expires_in_days"]
    made, secret = create_token(
        request.user,  # type: ignore[arg-type]
        told["name"],
        Scope[told["scope"].upper()],
        expires_at=timezone.now() + timedelta(days=days) if days else None,
        workspace=get_workspace(request.user, told["workspace"]) if told["workspace"] else None,
    )
    return Response(rows.token(made) | {"secret": secret}, status=201, headers={"Cache-Control": "no-store"})


@documented("DELETE", "Revoke one of your access tokens", {204: None}, path=("token",))
def end_token(request: Request, token: int) -> Response:
    """Revoke one of your access tokens."""
    found = AccessToken.objects.filter(pk=token, owner=request.user.pk).first() if token < 2**63 else None
    if found is None:
        raise Http404(f"You have no token {token}.")
    revoke_token(found, request.user)  # type: ignore[arg-type]
    return Response(status=204)


ROUTES = {
    "findings": route(POST=findings, only_reads=True),
    "diff": route(GET=difference),
    "me": route(GET=me),
    "tokens": route(GET=tokens, POST=make_token),
    "token": route(DELETE=end_token),
}
