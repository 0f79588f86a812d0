"""Connections: a workspace's credentials for the outside. They go in and are used; nobody gets them out again."""

import hashlib
import re

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from environments import vault
from environments.logins import BadAddress, Login, Logins, read_address, url_of
from environments.models import Connection, Workspace, record
from environments.outbox import Webhook
from environments.reach import AddressRefused
from environments.services import Refused

TOKEN_USER = "__token__"  # noqa: S105 (the name that package indexes know for “no user, a token”)
SHORTEST, LONGEST = 4, 8192
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f]")


class ConnectionRefused(Refused):
    """A connection that cannot be kept: which of its fields, and why."""

    def __init__(self, field: str, message: str, help: str = "") -> None:
        super().__init__("connection-refused", message, help)
        self.field = field


@transaction.atomic
def add_connection(
    workspace: Workspace, kind: str, address: str, user: str, password: str, by: User
) -> Connection:
    """Keep new credentials. Raises ConnectionRefused."""
    if kind not in Connection.Kind.values:
        raise ConnectionRefused("kind", "Choose what is behind the address.")
    try:
        told = read_address(kind, address)
    except BadAddress as error:
        raise ConnectionRefused("address", str(error)) from error
    try:
        settings.REACH.check_written(url_of(kind, told))
    except AddressRefused as refused:
        raise ConnectionRefused("address", refused.message, refused.help) from refused
    if len(told) > 400:
        raise ConnectionRefused("address", "An address has up to 400 characters.")
    user = _checked(kind, user, password)
    try:
        with transaction.atomic():
            made = Connection.objects.create(
                workspace=workspace,
                kind=kind,
                address=told,
                user=user,
                sealed=vault.seal(password),
                changed_at=timezone.now(),
                changed_by=by,
            )
    except IntegrityError as error:
        raise ConnectionRefused(
            "address", f"There is a connection to {told} already. Replace its password instead."
        ) from error
    record("connection.created", told, workspace=workspace, actor=by, kind=kind)
    return made


@transaction.atomic
def replace_connection(connection: Connection, user: str, password: str, by: User) -> None:
    """Put another user and password in the place of those that are kept. Raises ConnectionRefused."""
    connection.user = _checked(connection.kind, user, password)
    connection.sealed = vault.seal(password)
    connection.changed_at, connection.changed_by = timezone.now(), by
    connection.save(update_fields=["user", "sealed", "changed_at", "changed_by"])
    workspace = connection.workspace
    record("connection.replaced", str(connection), workspace=workspace, actor=by, kind=connection.kind)


@transaction.atomic
def delete_connection(connection: Connection, by: User) -> None:
    """Forget credentials. Builds that began with them keep them to their end."""
    connection.delete()
    workspace = connection.workspace
    record("connection.deleted", str(connection), workspace=workspace, actor=by, kind=connection.kind)


def logins_of(workspace: Workspace) -> Logins:
    """Return the credentials of a workspace, for one build. Raises vault.Unreadable."""
    rows = list(Connection.objects.filter(workspace=workspace))
    known = [
        Login(row.kind, url_of(row.kind, row.address), row.user, vault.unseal(row.sealed)) for row in rows
    ]
    # With other credentials, nothing is known of what these were shown.
    state = ",".join(f"{row.pk}={row.changed_at.isoformat()}" for row in rows)
    mark = hashlib.sha256(f"{workspace.pk}:{state}".encode()).hexdigest()[:24]
    return Logins(known, mark)


@transaction.atomic
def rotate_keys() -> int:
    """Encrypt what is kept with the first key: passwords of connections, secrets of webhooks; return how many.

    Raises vault.Unreadable, and changes nothing.
    """
    rows: list[Connection | Webhook] = [
        *Connection.objects.select_for_update(),
        *Webhook.objects.select_for_update(),
    ]
    for row in rows:
        row.sealed = vault.reseal(row.sealed)
        row.save(update_fields=["sealed"])
    return len(rows)


def _checked(kind: str, user: str, password: str) -> str:
    """Return the user as it is sent; refuse what no server could be told."""
    user = user.strip()
    if kind == Connection.Kind.REGISTRY and not user:
        raise ConnectionRefused("user", "A registry takes a user and a password, both.")
    if ":" in user or _UNSENDABLE.search(user) or len(user) > 255:
        raise ConnectionRefused("user", "A user's name has up to 255 characters, and no “:” among them.")
    if not password:
        raise ConnectionRefused("password", "Give the password or token.")
    if _UNSENDABLE.search(password) or len(password) > LONGEST:
        raise ConnectionRefused("password", "A password is one line. Was something else pasted with it?")
    if len(password) < SHORTEST:
        raise ConnectionRefused(
            "password", f"A password of fewer than {SHORTEST} characters cannot be kept out of logs."
        )
    return user or (TOKEN_USER if kind == Connection.Kind.INDEX else "")
