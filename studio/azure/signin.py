"""Sign-in of `ClientSecretCredential`: the client secret is an access token of the studio."""

from django.http import QueryDict
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle

from environments.workspaces.tokens import find_token
from studio.azure import tokens
from studio.azure.addresses import base_url
from studio.azure.protocol import route

MAX_FORM = 16 << 10
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def configuration(request: Request, tenant: str) -> Response:
    """Give the OpenID configuration of a tenant; each tenant is the studio."""
    issuer = f"{base_url(request)}/{tenant}"
    return Response(
        {
            "issuer": f"{issuer}/v2.0",
            "authorization_endpoint": f"{issuer}/oauth2/v2.0/authorize",
            "token_endpoint": f"{issuer}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{issuer}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{issuer}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["token"],
            "response_modes_supported": ["query"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [tokens.ALGORITHM],
            "scopes_supported": [],
            "cloud_instance_name": "",
            "tenant_region_scope": "",
        }
    )


def keys(request: Request, tenant: str) -> Response:
    """Give no public keys: the studio alone reads its tokens."""
    return Response({"keys": []})


def token(request: Request, tenant: str) -> Response:
    """Exchange an access token, sent as the client secret, for a JWT."""
    if not AnonRateThrottle().allow_request(request, None):  # type: ignore[arg-type]
        return _refused(429, "temporarily_unavailable", "Too many sign-ins from this address. Wait a minute.")
    body = request._request.read(MAX_FORM + 1)
    if len(body) > MAX_FORM:
        return _refused(413, "invalid_request", "The form is too large.")
    form = QueryDict(body)
    if form.get("grant_type") != "client_credentials":
        return _refused(
            400, "unsupported_grant_type", "Sign in with a client secret: an access token of the studio."
        )
    access_token = find_token(form.get("client_secret", ""))
    if access_token is None:
        return _refused(
            401,
            "invalid_client",
            "The client secret isn't a valid access token. Create one under Your account → Access tokens.",
        )
    text, seconds = tokens.issue(access_token)
    answer = {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": text}
    return Response(answer, headers=NO_STORE)


def _refused(status: int, error: str, description: str) -> Response:
    return Response({"error": error, "error_description": description}, status=status, headers=NO_STORE)


CONFIGURATION = route(GET=configuration, public=True)
KEYS = route(GET=keys, public=True)
TOKEN = route(POST=token, public=True)
