"""An OpenID Connect provider of our own (django-oauth-toolkit): `python -m tests.studio.signing_in.provider PORT FOLDER`.

A whole provider with discovery, PKCE, nonces and signed identity tokens. Every visitor is signed in as
the person named in FOLDER/person.
"""

from __future__ import annotations

import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

CLIENT_ID = "studio"
CLIENT_SECRET = "the studio's secret at its provider"


def configure(port: int, folder: Path, key: str) -> None:
    """Make this process a Django project that is a provider."""
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="of the provider",
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["127.0.0.1"],
        USE_TZ=True,
        LOGIN_URL="/accounts/login/",
        SESSION_COOKIE_NAME="provider_session",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "provider.sqlite3"}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": key,
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}/o",
            "PKCE_REQUIRED": True,
            "ALLOWED_REDIRECT_URI_SCHEMES": ["http"],
            "OAUTH2_VALIDATOR_CLASS": f"{__name__}.validator",
            "SCOPES": {"openid": "who you are", "email": "your address", "profile": "your name"},
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    )
    django.setup()


def serve(port: int, folder: Path, back: str) -> None:
    """Answer until the process is ended."""
    from jwcrypto.jwk import JWK

    key = JWK.generate(kty="RSA", size=2048).export_to_pem(private_key=True, password=None).decode()
    configure(port, folder, key)

    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    Application.objects.get_or_create(
        client_id=CLIENT_ID,
        defaults={
            "client_secret": CLIENT_SECRET,
            "client_type": Application.CLIENT_CONFIDENTIAL,
            "authorization_grant_type": Application.GRANT_AUTHORIZATION_CODE,
            "redirect_uris": back,
            "algorithm": Application.RS256_ALGORITHM,
            "skip_authorization": True,
        },
    )
    urls(folder)
    make_server("127.0.0.1", port, get_wsgi_application(), _Threads, _Quiet).serve_forever()


urlpatterns: list[Any] = []


def urls(folder: Path) -> None:
    """Set the addresses, once Django is there to import them with."""
    from django.contrib.auth import login
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse
    from django.shortcuts import redirect
    from django.urls import include, path

    def sign_in(request: HttpRequest) -> HttpResponse:
        name = (folder / "person").read_text()
        person, _ = User.objects.get_or_create(username=name, defaults={"email": f"{name}@example.com"})
        login(request, person)
        return redirect(request.GET["next"])

    urlpatterns.extend(
        [
            path("accounts/login/", sign_in),
            path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        ]
    )


def validator(*args: Any, **kwargs: Any) -> Any:
    """Return what decides about requests: the toolkit's own, which tells names and addresses as well."""
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Validator(OAuth2Validator):  # type: ignore[misc]
        oidc_claim_scope = None

        def get_additional_claims(self, request: Any) -> dict[str, Any]:
            return {"preferred_username": request.user.username, "email": request.user.email}

    return Validator(*args, **kwargs)


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing about each request."""


if __name__ == "__main__":
    # `urlpatterns` and `validator` are looked up by this module's name.
    import tests.studio.signing_in.provider as provider

    provider.serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
