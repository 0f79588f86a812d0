"""Short-lived tokens in the form of a JWT, for clients that sign in with a client secret.

An access token is behind each: the JWT has its rights, and ends when it is revoked.
"""

from datetime import timedelta

import jwt
from django.utils import timezone
from django.utils.crypto import salted_hmac

from environments.models import AccessToken
from environments.workspaces.tokens import valid_tokens
from studio.azure.addresses import TENANT

LIFETIME = timedelta(hours=1)
ALGORITHM = "HS256"
_AUDIENCE = "environment-studio"
_TOKEN = "studio_token"  # noqa: S105 (the name of a claim)
_MAX_LENGTH = 2_000
_REQUIRED = ["exp", "iat", "aud", _TOKEN]


def issue(token: AccessToken) -> tuple[str, int]:
    """Return a JWT for a valid access token, and the seconds until it expires."""
    now = timezone.now()
    expires_at = min(now + LIFETIME, token.expires_at or now + LIFETIME)
    claims = {
        "aud": _AUDIENCE,
        "iss": f"studio/{TENANT}",
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "tid": TENANT,
        "sub": token.owner.get_username(),
        _TOKEN: token.pk,
    }
    return jwt.encode(claims, _key(), ALGORITHM), max(int((expires_at - now).total_seconds()), 0)


def token_behind(text: str) -> AccessToken | None:
    """Return the access token behind a JWT, if both are valid now."""
    if len(text) > _MAX_LENGTH or text.count(".") != 2:
        return None
    try:
        claims = jwt.decode(
            text, _key(), algorithms=[ALGORITHM], audience=_AUDIENCE, options={"require": _REQUIRED}
        )
    except jwt.InvalidTokenError:
        return None
    key = claims[_TOKEN]
    return valid_tokens().filter(pk=key).first() if isinstance(key, int) else None


def _key() -> bytes:
    return salted_hmac("studio.azure.tokens", "", algorithm="sha256").digest()
