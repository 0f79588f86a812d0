"""Badges of environments for README files, and their keys."""

from typing import Any

from rest_framework import serializers as s
from rest_framework.response import Response

from environments.access import Right, get_environment
from environments.models import BadgeKey, Environment
from environments.sharing.badge_keys import MAX_NAME_LENGTH, create_key, revoke_key
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes.bodies import NoNul
from studio.environments.badge.links import badge_link, badges_of

ENVIRONMENT = ("workspace", "name")


class Badge(s.Serializer[Any]):
    """An SVG with name, latest version, state and size."""

    url = s.CharField(help_text="Anyone with this URL sees the badge.")
    markdown = s.CharField(help_text="Shows the badge, with a link to the environment.")
    key = s.IntegerField(allow_null=True, help_text="The number of its key; null where anyone may pull.")
    name = s.CharField(allow_null=True, help_text="Of its key.")
    created_by = s.CharField(allow_null=True)
    created_at = s.DateTimeField(allow_null=True)


class Badges(s.Serializer[Any]):
    """The badges of an environment: one for each key, and an open one where anyone may pull."""

    results = Badge(many=True)


class BadgeKeyIn(s.Serializer[Any]):
    """A key to create."""

    name = NoNul(max_length=MAX_NAME_LENGTH, help_text="The page that shows the badge: `README of churn`.")


@documented("GET", Badges, path=ENVIRONMENT)
def badges(request: ApiRequest, workspace: str, name: str) -> Response:
    """List an environment's badges: first the open one, then those with a key, newest first."""
    environment = get_environment(request.user, workspace, name)
    return Response(
        {"results": [_row(environment, link.key, request) for link in badges_of(environment, request)]}
    )


@documented("POST", {201: Badge}, takes=BadgeKeyIn, path=ENVIRONMENT, may=(409,))
def create_badge(request: ApiRequest, workspace: str, name: str) -> Response:
    """Create a badge with a key of its own. Owners only."""
    environment = get_environment(request.user, workspace, name, Right.MANAGE_SETTINGS)
    sent = BadgeKeyIn(data=request.data)
    sent.is_valid(raise_exception=True)
    key = create_key(environment, sent.validated_data["name"], request.user)
    return Response(_row(environment, key, request), status=201)


@documented("DELETE", {204: None}, path=(*ENVIRONMENT, "key"))
def revoke_badge(request: ApiRequest, workspace: str, name: str, key: int) -> Response:
    """Revoke a badge's key: the badge is no longer shown anywhere. Owners only."""
    revoke_key(get_environment(request.user, workspace, name, Right.MANAGE_SETTINGS), key, request.user)
    return Response(status=204)


def _row(environment: Environment, key: BadgeKey | None, request: ApiRequest) -> dict[str, Any]:
    link = badge_link(environment, key, request)
    return {
        "url": link.url,
        "markdown": link.markdown,
        "key": key.pk if key else None,
        "name": key.name if key else None,
        "created_by": key.created_by.get_username() if key and key.created_by else None,
        "created_at": key.created_at if key else None,
    }
