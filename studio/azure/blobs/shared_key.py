"""SharedKey signatures: the first SDK signs each request to the blob store with a key, not with a signed query.

The SDK writes `https://<account>.blob.<suffix>/azureml/…`. An account `localhost:8443?lab.12` leads it here, as everything
behind the question mark is a query; it names the workspace and the access token that the key was issued to.
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from environments.access import token_used_by
from environments.models import Workspace

MAX_AGE = timedelta(minutes=15)
_SALT = "studio.azure.blobs.shared_key"
_HEADER = re.compile(
    r"SharedKey (?P<account>[^\s?]{1,300}\?(?P<workspace>[a-z0-9-]{1,63})\.(?P<token>[1-9][0-9]{0,17}))"
    r":(?P<signature>[A-Za-z0-9+/=]{44})"
)
_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def account_for(base: str, workspace: Workspace, user: Any) -> str:
    """Return the name of the storage account that leads a caller to the workspace's uploads."""
    token = token_used_by(user)
    return f"{urlsplit(base).netloc}?{workspace.name}.{token.pk if token else 0}"


def key_for(workspace: str, token: int, *, now: datetime | None = None) -> str:
    """Return the key of an access token for a workspace, in base 64; it is good until the end of the next day."""
    day = (now or datetime.now(UTC)).date()
    text = f"{workspace}/{token}/{day.isoformat()}"
    return b64encode(salted_hmac(_SALT, text, algorithm="sha256").digest()).decode()


def signer(request: HttpRequest, *, now: datetime | None = None) -> tuple[str, int] | None:
    """Return the workspace's name and the access token that a request is signed for; None without a good signature."""
    match = _HEADER.fullmatch(request.headers.get("Authorization", ""))
    scope: Mapping[str, Any] | None = getattr(request, "scope", None)
    if match is None or scope is None:
        return None
    now = now or datetime.now(UTC)
    workspace, token = match["workspace"], int(match["token"])
    text = _text(request, scope, match["account"])
    good = False
    for day in (now, now - timedelta(days=1)):
        expected = sign(text, key_for(workspace, token, now=day))
        good |= hmac.compare_digest(expected, match["signature"])
    return (workspace, token) if good & _is_recent(request, now) else None


def sign(text: str, key: str) -> str:
    """Return the signature of a text, in base 64."""
    return b64encode(hmac.digest(b64decode(key), text.encode("utf-8", "surrogatepass"), "sha256")).decode()


def _text(request: HttpRequest, scope: Mapping[str, Any], account: str) -> str:
    """Return what the client has signed: method, headers, path and query."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    if headers.get("content-length") == "0":
        del headers["content-length"]
    lines = [request.method or "", *(headers.get(name, "") for name in _SIGNED)]
    lines += [f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("x-ms-")]
    path = (scope.get("raw_path") or b"").decode("latin-1").partition("?")[0]
    query = scope.get("query_string", b"").decode("latin-1")
    pairs = sorted(
        {name: value for name, _, value in (part.partition("=") for part in query.split("&"))}.items()
    )
    resource = "".join(f"\n{name.lower()}:{unquote(value)}" for name, value in pairs) if query else ""
    return "\n".join(lines) + f"\n/{account}{path}{resource}"


def _is_recent(request: HttpRequest, now: datetime) -> bool:
    try:
        sent = parsedate_to_datetime(request.headers.get("x-ms-date", ""))
        return abs(now - sent) <= MAX_AGE
    except (TypeError, ValueError, OverflowError):
        return False
