"""Keys of badges: created, read from an address, revoked."""

from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404
from django.utils.crypto import constant_time_compare, salted_hmac

from environments.audit.record import record
from environments.errors import ConflictError, ServiceError
from environments.models import BadgeKey, Environment

MAX_KEYS = 20  # of an environment
MAX_NAME_LENGTH = 80
_SALT = "environments.sharing.badge_keys"


@transaction.atomic
def create_key(environment: Environment, name: str, by: User) -> BadgeKey:
    """Create a key of an environment's badge. Raises ServiceError."""
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise ServiceError(
            "name-invalid",
            "Name the key.",
            f"Use up to {MAX_NAME_LENGTH} characters, such as “README of churn”.",
        )
    # Concurrent requests wait here for the count.
    Environment.objects.select_for_update().get(pk=environment.pk)
    if environment.badge_keys.count() >= MAX_KEYS:
        raise ConflictError(
            "too-many-keys", f"{environment} has {MAX_KEYS} badge keys already.", "Revoke some of them first."
        )
    key = BadgeKey.objects.create(environment=environment, name=name, created_by=by)
    _record("badge.created", key, by)
    return key


@transaction.atomic
def revoke_key(environment: Environment, number: int, by: User) -> BadgeKey:
    """Delete a key: badges with it are no longer shown. Raises Http404."""
    key = environment.badge_keys.select_for_update().filter(pk=number).first()
    if key is None:
        raise Http404(f"{environment} has no badge key {number}.")
    _record("badge.revoked", key, by)
    key.delete()
    return key


def secret_of(key: BadgeKey) -> str:
    """Return the secret in the addresses of a badge."""
    value = f"{key.pk} {key.environment_id} {key.created_at.isoformat()}"
    return f"{key.pk}-{salted_hmac(_SALT, value, algorithm='sha256').hexdigest()[:40]}"


def is_key_of(environment: Environment, secret: str) -> bool:
    """Return whether this is the secret of one of an environment's keys."""
    number = secret.partition("-")[0]
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return False
    key = environment.badge_keys.filter(pk=int(number)).first()
    return key is not None and constant_time_compare(secret_of(key), secret)


def _record(verb: str, key: BadgeKey, by: User) -> None:
    environment = key.environment
    record(
        verb,
        str(environment),
        workspace=environment.workspace,
        environment=environment,
        actor=by,
        label=key.name,
    )
