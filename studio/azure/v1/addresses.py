"""URLs that answers to the first SDK hold: of build contexts, of requested builds, and of their logs."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, unquote

from django.contrib.auth.models import User
from django.core import signing
from django.utils import timezone

from builds.models import Build, BuildRequest
from builds.pages.build_page import get_build
from environments.access import user_for_token
from environments.models import AccessToken, Version
from environments.workspaces.tokens import valid_tokens
from studio.azure.addresses import VERSION, Scope

V1, V2 = "environment/v1.0", "environment/v2.0"
_CONTEXT = re.compile(rf"/{V1}/{VERSION}/context")
_SALT = "studio.azure.v1.log"
_LINK_DAYS = 2
_MAX_SIGNATURE = 300


@dataclass(frozen=True)
class ContextUrl:
    """The parts of a URL that means the build context of a version."""

    workspace: str
    name: str
    version: str

    @classmethod
    def parse(cls, url: str, base: str) -> ContextUrl | None:
        """Return what a URL names; None for one that this studio has not made."""
        match = _CONTEXT.fullmatch(unquote(url[len(base) :])) if url.startswith(f"{base}/") else None
        if match is None:
            return None
        return cls(match["workspace"], match["name"], match["version"])


def context_url(base: str, scope: Scope, version: Version) -> str:
    """Return the URL that means the build context of a version; it is given back to the studio, never opened."""
    name = version.environment.name
    return f"{base}/{V1}{quote(scope.version_id(name, version.version))}/context"


def request_url(base: str, scope: Scope, version: Version, request: BuildRequest) -> str:
    """Return the URL of a requested build's status."""
    name = version.environment.name
    return f"{base}/{V2}{quote(scope.version_id(name, version.version))}/image/requests/{request.pk}"


def log_url(base: str, scope: Scope, build: Build, token: AccessToken) -> str:
    """Return the URL of a build's log, for programs that send no token: signed, and valid for one to two days.

    It is the same all day, and ends with the access token that it was requested with.
    """
    day = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    expires = int((day + timedelta(days=_LINK_DAYS)).timestamp())
    signature = signing.Signer(salt=_SALT).sign_object([build.pk.hex, token.pk, expires])
    workspace = Scope(scope.subscription, scope.group, build.workspace.name)
    return f"{base}/{V2}{quote(workspace.id)}/builds/{build.pk}/log?sig={quote(signature)}"


class LinkExpired(Exception):
    """The link was valid, and has ended."""


def signed_build(workspace: str, build_id: uuid.UUID, signature: str) -> tuple[User, Build] | None:
    """Return the build that a link gives access to, and its user; None if the signature is not for it.

    Raises LinkExpired, and Http404 if the user may no longer see it.
    """
    try:
        signed = signing.Signer(salt=_SALT).unsign_object(signature[:_MAX_SIGNATURE])
    except (signing.BadSignature, ValueError):
        return None
    build_hex, token_key, expires = signed
    if build_hex != build_id.hex:
        return None
    token = valid_tokens().filter(pk=token_key).first()
    if token is None or expires < timezone.now().timestamp():
        raise LinkExpired
    user = user_for_token(token)
    return user, get_build(user, workspace, build_id)
