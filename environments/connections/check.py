"""Try a connection: does its address answer, and does the server accept its user and password?"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from http import HTTPStatus

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from environments import encryption
from environments.models import Connection
from environments.network.client import checked_client
from environments.network.credentials import Login, host_of, is_loopback, url_of
from environments.network.deadlines import Deadlines
from environments.network.policy import AddressRefused
from environments.network.urls import UnreadableUrl

SECONDS = 5  # for each request, of which there are three at most
_CHALLENGE = re.compile(r'(?<![a-zA-Z])([a-zA-Z]++)="([^"]*+)"')
_LONGEST_CHALLENGE = 4096
_LISTINGS = {"channel": "/noarch/repodata.json", "index": "/"}


@dataclass(frozen=True)
class Outcome:
    """The result of trying a connection; `works` is None if the server requests no password at this address."""

    works: bool | None
    message: str


def check_connection(connection: Connection) -> Outcome:
    """Request the address without the credentials and with them, and return how the server answered.

    The password is sent only where builds would send it too: to the address, and to the token service of a registry.
    """
    url = url_of(connection.kind, connection.address)
    login = Login(connection.kind, url, connection.user, encryption.unseal(connection.sealed))
    host = host_of(url)
    if connection.kind == Connection.Kind.REGISTRY:
        target = f"{url.partition('://')[0]}://{host}/v2/"
    else:
        target = connection.address + _LISTINGS[connection.kind]
    deadlines = Deadlines(head=SECONDS, whole=SECONDS)
    try:
        with checked_client(settings.EGRESS_POLICY, deadlines=deadlines, timeout=SECONDS) as client:
            return _outcome(client, target, login, host)
    except AddressRefused as refused:
        return Outcome(False, f"{refused.message} {refused.help}".strip())
    except UnreadableUrl as error:
        return Outcome(False, str(error))
    except socket.gaierror:
        return Outcome(False, _("Can't reach %(host)s (host name not found).") % {"host": host})
    except httpx.TimeoutException:
        names = {"host": host, "seconds": SECONDS}
        return Outcome(False, _("%(host)s did not answer within %(seconds)d seconds.") % names)
    except (httpx.HTTPError, OSError) as error:
        reason = _("host name not found") if "Name or service" in str(error) else str(error)[:200]
        return Outcome(False, _("Can't reach %(host)s (%(reason)s).") % {"host": host, "reason": reason})


def _outcome(client: httpx.Client, target: str, login: Login, host: str) -> Outcome:
    first, challenge = _send(client, target)
    if first == HTTPStatus.OK:
        return Outcome(None, _("%(host)s answers, and lets anyone in at this address.") % {"host": host})
    if first not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        names = {"host": host, "status": first}
        return Outcome(False, _("%(host)s answers with status %(status)d. Check the address.") % names)
    address = _token_service(target, challenge) if login.kind == Connection.Kind.REGISTRY else target
    if address is None:
        return Outcome(
            False, _("%(host)s names a token service that the password can't be sent to.") % {"host": host}
        )
    second, _challenge = _send(client, address, {"Authorization": login.header})
    if second == HTTPStatus.OK:
        return Outcome(True, _("%(host)s accepts the user and password.") % {"host": host})
    if second in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Outcome(
            False, _("%(host)s rejects the user or password. Replace the password.") % {"host": host}
        )
    names = {"host": host, "status": second}
    return Outcome(False, _("%(host)s answers with status %(status)d. Check the address.") % names)


def _send(client: httpx.Client, url: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Return the status of an answer and its challenge; the body is not read."""
    with client.stream("GET", url, headers=headers) as response:
        return response.status_code, response.headers.get("www-authenticate", "")[:_LONGEST_CHALLENGE]


def _token_service(target: str, challenge: str) -> str | None:
    """Return the URL that a registry's password is sent to; None if it must not be sent there."""
    scheme, _separator, rest = challenge.partition(" ")
    named = dict(_CHALLENGE.findall(rest))
    if scheme.lower() != "bearer" or "realm" not in named:
        return target
    try:
        realm, own = httpx.URL(named["realm"]), httpx.URL(target)
    except httpx.InvalidURL:
        return None
    same = (realm.scheme, realm.host, realm.port) == (own.scheme, own.host, own.port)
    # As for builds: in the clear only to the registry itself or this machine, and no plain registry names another.
    safe = own.scheme == "https" or is_loopback(own.host)
    if not same and not (safe and (realm.scheme == "https" or is_loopback(realm.host))):
        return None
    return str(realm.copy_merge_params({"service": named.get("service", "")}))
