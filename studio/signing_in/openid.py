"""Sign-in through an OpenID Connect provider: `mozilla-django-oidc`, configured by discovery.

Users are identified by issuer and subject, which never change, unlike names and e-mail addresses.
"""

import re
from typing import Any

import httpx
import jwt
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import SuspiciousOperation
from django.db import IntegrityError, transaction
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.utils import import_from_settings

from environments.audit.record import record
from environments.models import Identity
from studio.signing_in.provider_answers import document_at

CACHE_SECONDS = 3600
ENDPOINTS = {
    "OIDC_OP_AUTHORIZATION_ENDPOINT": "authorization_endpoint",
    "OIDC_OP_TOKEN_ENDPOINT": "token_endpoint",
    "OIDC_OP_USER_ENDPOINT": "userinfo_endpoint",
    "OIDC_OP_JWKS_ENDPOINT": "jwks_uri",
}


def configured() -> bool:
    """Return whether this studio has a provider."""
    return bool(settings.OIDC_ISSUER)


def discovery_document() -> dict[str, Any]:
    """Return the provider's metadata (OpenID Connect Discovery), cached for an hour."""
    address = f"{settings.OIDC_ISSUER.rstrip('/')}/.well-known/openid-configuration"
    document: dict[str, Any] | None = cache.get(address)
    if document is None:
        document = document_at(address)
        if document["issuer"] != settings.OIDC_ISSUER:
            raise SuspiciousOperation(f"{address} is of the issuer {document['issuer']}.")
        cache.set(address, document, CACHE_SECONDS)
    return document


def provider_setting(name: str, *default: Any) -> Any:
    """Return a setting of the library: URLs from the provider's metadata, the rest from Django's settings."""
    if name in ENDPOINTS:
        return discovery_document()[ENDPOINTS[name]]
    return import_from_settings(name, *default)


class ProviderBackend(OIDCAuthenticationBackend):  # type: ignore[misc]
    """Authenticates users by a provider's response."""

    def __init__(self) -> None:
        # Password logins pass here too: query the provider for its own only.
        self.UserModel = User

    def authenticate(self, request: Any, **credentials: Any) -> User | None:
        """Return the user of a provider's response; None for any other kind of login."""
        if not configured() or "nonce" not in credentials:
            return None
        super().__init__()
        user: User | None = super().authenticate(request, **credentials)
        return user

    @staticmethod
    def get_settings(attr: str, *args: Any) -> Any:
        """Return a setting of the library."""
        return provider_setting(attr, *args)

    def verify_token(self, token: str, **options: Any) -> dict[str, Any]:
        """Return the claims of an identity token after checking signature, time, nonce, issuer and audience."""
        payload: dict[str, Any] = super().verify_token(token, **options)
        audience = payload.get("aud")
        if payload.get("iss") != settings.OIDC_ISSUER:
            raise SuspiciousOperation(f"The identity token is of the issuer {payload.get('iss')}.")
        if settings.OIDC_RP_CLIENT_ID not in (audience if isinstance(audience, list) else [audience]):
            raise SuspiciousOperation("The identity token was made for another application.")
        return payload

    def retrieve_matching_jwk(self, token: str) -> jwt.PyJWK:
        """Return the provider's key that a token names, for the algorithm that it names."""
        header = jwt.get_unverified_header(token)
        keys = document_at(self.OIDC_OP_JWKS_ENDPOINT).get("keys")
        for key in keys if isinstance(keys, list) else ():
            if not isinstance(key, dict) or key.get("kid") != header.get("kid"):
                continue
            if key.get("alg", header["alg"]) == header["alg"]:
                return jwt.PyJWK(key)
        raise SuspiciousOperation("The provider has no key for its identity token.")

    def get_token(self, payload: dict[str, str]) -> dict[str, Any]:
        """Return the tokens that the provider gives for a code."""
        return document_at(self.OIDC_OP_TOKEN_ENDPOINT, form=payload)

    def get_userinfo(self, access_token: str, id_token: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the claims of the provider's user info."""
        return document_at(self.OIDC_OP_USER_ENDPOINT, token=access_token)

    def get_or_create_user(self, access_token: str, id_token: str, payload: dict[str, Any]) -> User | None:
        """Return the user with this subject, created at the first login."""
        claims = payload | self.get_userinfo(access_token, id_token, payload)
        if claims["sub"] != payload["sub"]:
            raise SuspiciousOperation(
                "The provider's user info belongs to another subject than its identity token."
            )
        issuer = settings.OIDC_ISSUER
        identity = (
            Identity.objects.select_related("user").filter(issuer=issuer, subject=claims["sub"]).first()
        )
        return identity.user if identity is not None else _create_user(issuer, claims)


class SignInFailed(Exception):
    """A login through the provider failed, for a reason to log."""


PROVIDER_ERRORS = (
    SuspiciousOperation, jwt.PyJWTError, httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError
)  # fmt: skip
"""Errors of a provider that is unreachable, broken or not trustworthy."""


def _create_user(issuer: str, claims: dict[str, Any]) -> User | None:
    """Create a user with an unused name: an existing account of that name may belong to another person."""
    email = str(claims.get("email") or "")
    requested = str(claims.get("preferred_username") or email.partition("@")[0] or "person")
    base_name = re.sub(r"[^\w.+-]", "-", requested)[:140] or "person"
    for number in range(1, 1000):
        name = base_name if number == 1 else f"{base_name}-{number}"
        try:
            with transaction.atomic():
                user = User.objects.create_user(
                    name, email=email, first_name=str(claims.get("name") or "")[:150]
                )
                Identity.objects.create(issuer=issuer, subject=claims["sub"], user=user)
                record("person.joined", name, workspace=None, actor=user, issuer=issuer)
        except IntegrityError:
            identity = Identity.objects.filter(issuer=issuer, subject=claims["sub"]).first()
            if identity is not None:  # two windows at once
                return identity.user
            continue
        return user
    raise SignInFailed(f"There are too many accounts called {base_name}.")
