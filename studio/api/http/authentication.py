"""Authenticate requests: a browser's session, or a program's access token."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request

from environments.access import user_for_token
from environments.models import AccessToken, Scope
from environments.workspaces.tokens import find_token

if TYPE_CHECKING:  # the framework loads this module while it loads its own settings
    from rest_framework.views import APIView

NOT_A_TOKEN = (
    "This access token has expired or was revoked, or is none. Make one under Your account → Access tokens."  # noqa: S105 (a sentence)
)
ONLY_PULLS = "This access token may pull images and nothing else. Make one that may read."
ONLY_READS = "This access token may only read. Make one that may write."


def bearer(request: HttpRequest | Request) -> str | None:
    """Return what a request sends as its token; None when it sends none."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


class TokenAuthentication(BaseAuthentication):
    """Sign in by `Authorization: Bearer studio_…`."""

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Return the token's owner, with no more rights than the token has."""
        secret = bearer(request)
        if secret is None:
            return None
        token = find_token(secret)
        if token is None:
            raise AuthenticationFailed(NOT_A_TOKEN)
        return user_for_token(token), token

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return 'Bearer realm="studio"'


class MaySend(IsAuthenticated):
    """Lets in people, and tokens as far as their scope goes. What they see is decided by environments.access."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return whether the request is allowed at all."""
        token = request.auth
        if isinstance(token, AccessToken):
            if token.scope < Scope.READ:
                raise PermissionDenied(ONLY_PULLS)
            reads = request.method in SAFE_METHODS or getattr(view, "only_reads", False)
            if token.scope < Scope.WRITE and not reads:
                raise PermissionDenied(ONLY_READS)
        return super().has_permission(request, view)
