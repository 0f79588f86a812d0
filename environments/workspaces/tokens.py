"""Access tokens: passwords for programs, shown once and stored as a digest."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from environments.access import token_used_by
from environments.audit.record import record
from environments.models import AccessToken, Scope, Workspace

# The prefix makes tokens recognizable, also to scanners for leaked secrets.
PREFIX = "studio_"
_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_HINT_LENGTH = len(PREFIX) + 4
_USED_AT_INTERVAL = timedelta(minutes=1)


@transaction.atomic
def create_token(
    owner: User,
    name: str,
    scope: Scope,
    *,
    expires_at: datetime | None = None,
    workspace: Workspace | None = None,
) -> tuple[AccessToken, str]:
    """Create a token; return its row and its secret, which cannot be shown again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = AccessToken.objects.create(
        owner=owner,
        name=name,
        digest=_digest(secret),
        hint=secret[:_HINT_LENGTH],
        scope=scope,
        workspace=workspace,
        expires_at=expires_at,
    )
    record("token.created", str(token), workspace=workspace, actor=owner, after={"scope": scope.label})
    return token, secret


def looks_like_token(text: str) -> bool:
    """Return whether a text has the form of a token; others need no query."""
    return _TOKEN.fullmatch(text) is not None


def valid_tokens() -> QuerySet[AccessToken]:
    """Return the tokens that are valid now, with their owners."""
    tokens = AccessToken.objects.select_related("owner", "workspace")
    unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return tokens.filter(unexpired, revoked_at=None, owner__is_active=True)


def tokens_visible_to(user: User) -> QuerySet[AccessToken]:
    """Return the tokens that a user may list and revoke: their own.

    With a token that is limited to a workspace, it is that token alone: the others open what it does not.
    """
    own = AccessToken.objects.filter(owner=user.pk)
    used = token_used_by(user)
    return own if used is None or used.workspace_id is None else own.filter(pk=used.pk)


def find_token(secret: str) -> AccessToken | None:
    """Return the valid token with this secret and its owner; None if there is none."""
    if not looks_like_token(secret):
        return None
    now = timezone.now()
    # Every request with a token asks this: at most one row, so nothing to sort, and few look at its workspace.
    tokens = valid_tokens().select_related(None).select_related("owner").order_by()
    token = next(iter(tokens.filter(digest=_digest(secret))), None)
    if token is not None and (token.used_at is None or token.used_at < now - _USED_AT_INTERVAL):
        # Often enough to show use, rarely enough that reads do not become writes.
        AccessToken.objects.filter(pk=token.pk).update(used_at=now)
    return token


@transaction.atomic
def revoke_token(token: AccessToken, by: User) -> None:
    """Revoke a token at once. It stays listed as revoked."""
    if AccessToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record("token.revoked", str(token), workspace=token.workspace, actor=by)


def _digest(secret: str) -> str:
    # The secret is long and random: it cannot be guessed, so a fast hash is enough.
    return hashlib.sha256(secret.encode()).hexdigest()
