"""Access tokens: passwords for programs, shown once, kept as a digest only."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from environments.models import AccessToken, Scope, Workspace, record

# The beginning lets people, and programs that look for leaked secrets, tell what it is.
PREFIX = "studio_"
_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_HINT = len(PREFIX) + 4
_USED_EVERY = timedelta(minutes=1)


@transaction.atomic
def create_token(
    owner: User,
    name: str,
    scope: Scope,
    *,
    expires_at: datetime | None = None,
    workspace: Workspace | None = None,
) -> tuple[AccessToken, str]:
    """Return a new token's row and its secret, which nobody can be shown again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = AccessToken.objects.create(
        owner=owner,
        name=name,
        digest=_digest(secret),
        hint=secret[:_HINT],
        scope=scope,
        workspace=workspace,
        expires_at=expires_at,
    )
    record("token.created", str(token), workspace=workspace, actor=owner, after={"scope": scope.label})
    return token, secret


def looks_like_token(text: str) -> bool:
    """Tell whether a text has a token's form: everything else need not be looked up."""
    return _FORM.fullmatch(text) is not None


def valid_tokens() -> QuerySet[AccessToken]:
    """Return the tokens that count now, with their owners."""
    tokens = AccessToken.objects.select_related("owner", "workspace")
    still = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return tokens.filter(still, revoked_at=None, owner__is_active=True)


def token_of(secret: str) -> AccessToken | None:
    """Return the token with this secret, with its owner; None when it does not count (any more)."""
    if not looks_like_token(secret):
        return None
    now = timezone.now()
    found = valid_tokens().filter(digest=_digest(secret)).first()
    if found is not None and (found.used_at is None or found.used_at < now - _USED_EVERY):
        # Often enough to tell which are in use, not so often that reading means writing.
        AccessToken.objects.filter(pk=found.pk).update(used_at=now)
    return found


@transaction.atomic
def revoke_token(token: AccessToken, by: User) -> None:
    """End a token at once. It stays listed as revoked."""
    if AccessToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record("token.revoked", str(token), workspace=token.workspace, actor=by)


def _digest(secret: str) -> str:
    # The secret is long and random: nothing slower than sha256 is needed to keep it from being guessed.
    return hashlib.sha256(secret.encode()).hexdigest()
