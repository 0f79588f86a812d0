"""Connections: a workspace's credentials for registries, indexes and channels. Nobody can read them again."""

import hashlib
import re

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from environments import encryption
from environments.audit.record import record
from environments.errors import ServiceError
from environments.models import Connection, Workspace
from environments.models.notifications import Webhook
from environments.network.credentials import InvalidAddress, Login, Logins, normalize_address, url_of
from environments.network.policy import AddressRefused
from environments.network.urls import UnreadableUrl

TOKEN_USER = "__token__"  # noqa: S105 (package indexes use this user name with a token)
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 4, 8192
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


class ConnectionRefused(ServiceError):
    """A connection that cannot be saved: the field, and the reason."""

    def __init__(self, field: str, message: str, help: str = "") -> None:
        super().__init__("connection-refused", message, help)
        self.field = field


@transaction.atomic
def add_connection(
    workspace: Workspace, kind: str, address: str, user: str, password: str, by: User
) -> Connection:
    """Save new credentials. Raises ConnectionRefused."""
    if kind not in Connection.Kind.values:
        raise ConnectionRefused("kind", "Choose what is behind the address.")
    try:
        address = normalize_address(kind, address)
    except InvalidAddress as error:
        raise ConnectionRefused("address", str(error)) from error
    try:
        settings.EGRESS_POLICY.check_literal(url_of(kind, address))
    except AddressRefused as refused:
        raise ConnectionRefused("address", refused.message, refused.help) from refused
    except UnreadableUrl as error:
        raise ConnectionRefused("address", str(error)) from error
    if len(address) > 400:
        raise ConnectionRefused("address", "An address has up to 400 characters.")
    user = _checked_user(kind, user, password)
    try:
        with transaction.atomic():
            connection = Connection.objects.create(
                workspace=workspace,
                kind=kind,
                address=address,
                user=user,
                sealed=encryption.seal(password),
                changed_at=timezone.now(),
                changed_by=by,
            )
    except IntegrityError as error:
        raise ConnectionRefused(
            "address", f"There is a connection to {address} already. Replace its password instead."
        ) from error
    record("connection.created", address, workspace=workspace, actor=by, kind=kind)
    return connection


@transaction.atomic
def replace_connection(connection: Connection, user: str, password: str, by: User) -> None:
    """Replace user and password. Raises ConnectionRefused."""
    connection.user = _checked_user(connection.kind, user, password)
    connection.sealed = encryption.seal(password)
    connection.changed_at, connection.changed_by = timezone.now(), by
    connection.save(update_fields=["user", "sealed", "changed_at", "changed_by"])
    workspace = connection.workspace
    record("connection.replaced", str(connection), workspace=workspace, actor=by, kind=connection.kind)


@transaction.atomic
def delete_connection(connection: Connection, by: User) -> None:
    """Delete a connection. Builds that have started keep its credentials until they end."""
    connection.delete()
    workspace = connection.workspace
    record("connection.deleted", str(connection), workspace=workspace, actor=by, kind=connection.kind)


def workspace_logins(workspace: Workspace) -> Logins:
    """Return the credentials of a workspace for a build. Raises DecryptionError."""
    rows = list(Connection.objects.filter(workspace=workspace))
    logins = [
        Login(row.kind, url_of(row.kind, row.address), row.user, encryption.unseal(row.sealed))
        for row in rows
    ]
    # Caches are keyed by the state of the credentials: after a change nothing is reused.
    state = ",".join(f"{row.pk}={row.changed_at.isoformat()}" for row in rows)
    mark = hashlib.sha256(f"{workspace.pk}:{state}".encode()).hexdigest()[:24]
    return Logins(logins, mark)


@transaction.atomic
def rotate_keys() -> int:
    """Encrypt all passwords and webhook secrets with the first key, and return how many.

    Raises DecryptionError, without any change.
    """
    rows: list[Connection | Webhook] = [
        *Connection.objects.select_for_update(),
        *Webhook.objects.select_for_update(),
    ]
    for row in rows:
        row.sealed = encryption.reseal(row.sealed)
        row.save(update_fields=["sealed"])
    return len(rows)


def _checked_user(kind: str, user: str, password: str) -> str:
    """Return the user name to send. Raises ConnectionRefused for credentials that HTTP cannot carry."""
    user = user.strip()
    if kind == Connection.Kind.REGISTRY and not user:
        raise ConnectionRefused("user", "A registry takes a user and a password, both.")
    if ":" in user or _CONTROL_CHARACTER.search(user) or len(user) > 255:
        raise ConnectionRefused("user", "A user's name has up to 255 characters, and no “:” among them.")
    if not password:
        raise ConnectionRefused("password", "Give the password or token.")
    if _CONTROL_CHARACTER.search(password) or len(password) > MAX_PASSWORD_LENGTH:
        raise ConnectionRefused("password", "A password is one line. Was something else pasted with it?")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ConnectionRefused(
            "password",
            f"A password of fewer than {MIN_PASSWORD_LENGTH} characters cannot be kept out of logs.",
        )
    return user or (TOKEN_USER if kind == Connection.Kind.INDEX else "")
