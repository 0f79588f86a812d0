"""Authenticate pulls: user name and password (or an access token for it), or the short-lived token fetched for them.

No session.
"""

from __future__ import annotations

import base64
import binascii

from django.contrib.auth import authenticate
from django.contrib.auth.models import AnonymousUser, User
from django.core import signing
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from builds.distribution.errors import sign_in_needed
from environments.access import Right, may, token_used_by, user_for_token
from environments.models import Workspace
from environments.workspaces.tokens import find_token, looks_like_token, valid_tokens

TOKEN_SECONDS = 900
_SALT = "builds.distribution.token"

Puller = User | AnonymousUser


def puller(request: HttpRequest) -> Puller:
    """Return who sent the request; nobody when it names nobody. Wrong credentials are refused."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "":
            return AnonymousUser()
        case "basic":
            return _by_password(request, value.strip())
        case "bearer":
            return _by_token(request, value.strip())
    raise sign_in_needed(request, f"This registry knows Basic and Bearer, not {scheme[:40]}.")


def make_token(person: Puller) -> str:
    """Return a token for this person, or for anonymous pulls, that is valid for a quarter of an hour."""
    if isinstance(person, AnonymousUser):
        return signing.dumps({}, salt=_SALT)
    content = {"user": person.pk, "seal": _seal(person)}
    behind = token_used_by(person)
    return signing.dumps(content | ({"token": behind.pk} if behind else {}), salt=_SALT)


def may_pull(person: Puller, workspace: Workspace) -> bool:
    """Return whether this person, or everybody, may pull the workspace's images."""
    return workspace.anonymous_pull or may(person, Right.PULL, workspace)


def may_pull_catalogue(person: Puller) -> bool:
    """Return whether this person, or everybody, may pull the catalogue's images."""
    return person.is_authenticated or Workspace.objects.filter(curated=True, anonymous_pull=True).exists()


def sign_in_matters() -> bool:
    """Return whether any image here needs a login to be pulled."""
    return Workspace.objects.filter(anonymous_pull=False).exists()


def _by_password(request: HttpRequest, value: str) -> User:
    try:
        name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise sign_in_needed(request, "The user name and password cannot be read.") from None
    if looks_like_token(password):
        token = find_token(password)
        if token is None or token.owner.get_username() != name:
            raise sign_in_needed(
                request, "The access token has expired or was revoked, or is not this user's."
            )
        return user_for_token(token)
    person = authenticate(request, username=name, password=password) if colon else None
    if not isinstance(person, User):
        raise sign_in_needed(request, "The user name or the password is wrong.")
    return person


def _by_token(request: HttpRequest, value: str) -> Puller:
    try:
        content = signing.loads(value, salt=_SALT, max_age=TOKEN_SECONDS)
    except signing.BadSignature:
        raise sign_in_needed(request, "The token is not valid, or no longer: fetch a new one.") from None
    if "user" not in content:
        return AnonymousUser()
    if "token" in content:
        behind = valid_tokens().filter(pk=content["token"]).first()
        if behind is None:
            raise sign_in_needed(request, "The access token behind this has expired or was revoked.")
        return user_for_token(behind)
    person = User.objects.filter(pk=content["user"], is_active=True).first()
    if person is None or _seal(person) != content["seal"]:
        raise sign_in_needed(request, "The account behind this token was closed or has a new password.")
    return person


def _seal(person: User) -> str:
    """Return a value that changes with the password, so that a new password invalidates earlier tokens."""
    return salted_hmac(_SALT, person.password, algorithm="sha256").hexdigest()[:32]
