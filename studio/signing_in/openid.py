"""Signing in through an OpenID Connect provider: `mozilla-django-oidc`, told by one address where everything is.

A person is known by the provider's issuer and subject, which never change; names and e-mail addresses may.
"""

import re
from typing import Any

import jwt
import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import SuspiciousOperation
from django.db import IntegrityError, transaction
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.utils import import_from_settings

from environments.models import Identity, record

KEPT_SECONDS = 3600
ENDPOINTS = {
    "OIDC_OP_AUTHORIZATION_ENDPOINT": "authorization_endpoint",
    "OIDC_OP_TOKEN_ENDPOINT": "token_endpoint",
    "OIDC_OP_USER_ENDPOINT": "userinfo_endpoint",
    "OIDC_OP_JWKS_ENDPOINT": "jwks_uri",
}


def configured() -> bool:
    """Tell whether this studio has a provider."""
    return bool(settings.OIDC_ISSUER)


def discovered() -> dict[str, Any]:
    """Return what the provider says of itself (OpenID Connect Discovery), asked once an hour."""
    address = f"{settings.OIDC_ISSUER.rstrip('/')}/.well-known/openid-configuration"
    known: dict[str, Any] | None = cache.get(address)
    if known is None:
        answer = requests.get(address, timeout=settings.OIDC_TIMEOUT)
        answer.raise_for_status()
        known = answer.json()
        if known["issuer"] != settings.OIDC_ISSUER:
            raise SuspiciousOperation(f"{address} is of the issuer {known['issuer']}.")
        cache.set(address, known, KEPT_SECONDS)
    return known


def provider_setting(name: str, *default: Any) -> Any:
    """Return a setting of the library's: addresses from the provider, the rest from our settings."""
    if name in ENDPOINTS:
        return discovered()[ENDPOINTS[name]]
    return import_from_settings(name, *default)


class ProviderBackend(OIDCAuthenticationBackend):  # type: ignore[misc]
    """Turns a provider's answer into a person."""

    def __init__(self) -> None:
        # Every sign-in passes here, also those by password: the provider is asked only for its own.
        self.UserModel = User

    def authenticate(self, request: Any, **told: Any) -> User | None:
        """Return the person of an answer with a code; None for any other way to sign in."""
        if not configured() or "nonce" not in told:
            return None
        super().__init__()
        found: User | None = super().authenticate(request, **told)
        return found

    @staticmethod
    def get_settings(attr: str, *args: Any) -> Any:
        """Return a setting of the library's."""
        return provider_setting(attr, *args)

    def verify_token(self, token: str, **told: Any) -> dict[str, Any]:
        """Return what an identity token says, checked: signature, time, nonce, and that it is ours."""
        payload: dict[str, Any] = super().verify_token(token, **told)
        audience = payload.get("aud")
        if payload.get("iss") != settings.OIDC_ISSUER:
            raise SuspiciousOperation(f"The identity token is of the issuer {payload.get('iss')}.")
        if settings.OIDC_RP_CLIENT_ID not in (audience if isinstance(audience, list) else [audience]):
            raise SuspiciousOperation("The identity token was made for another application.")
        return payload

    def get_or_create_user(self, access_token: str, id_token: str, payload: dict[str, Any]) -> User | None:
        """Return the person with this subject, made at the first sign-in."""
        claims = payload | self.get_userinfo(access_token, id_token, payload)
        if claims["sub"] != payload["sub"]:
            raise SuspiciousOperation("The provider told of two persons in one answer.")
        issuer = settings.OIDC_ISSUER
        known = Identity.objects.select_related("user").filter(issuer=issuer, subject=claims["sub"]).first()
        return known.user if known is not None else _newcomer(issuer, claims)


class SignInFailed(Exception):
    """Somebody could not be signed in through the provider, for a reason that they are told."""


EXPECTED = (SuspiciousOperation, jwt.PyJWTError, requests.RequestException, ValueError, KeyError)
"""What a provider that is away, broken or not what it says comes out as."""


def _newcomer(issuer: str, claims: dict[str, Any]) -> User | None:
    """Make a person, under a name that nobody has: an account of that name may be somebody else's."""
    email = str(claims.get("email") or "")
    wished = str(claims.get("preferred_username") or email.partition("@")[0] or "person")
    plain = re.sub(r"[^\w.+-]", "-", wished)[:140] or "person"
    for number in range(1, 1000):
        name = plain if number == 1 else f"{plain}-{number}"
        try:
            with transaction.atomic():
                user = User.objects.create_user(
                    name, email=email, first_name=str(claims.get("name") or "")[:150]
                )
                Identity.objects.create(issuer=issuer, subject=claims["sub"], user=user)
                record("person.joined", name, workspace=None, actor=user, issuer=issuer)
        except IntegrityError:
            there = Identity.objects.filter(issuer=issuer, subject=claims["sub"]).first()
            if there is not None:  # two windows at the same moment
                return there.user
            continue
        return user
    raise SignInFailed(f"There are too many accounts called {plain}.")
