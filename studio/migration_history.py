"""Refusal of databases that another version of the studio created."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.loader import MigrationLoader

OWN_APPS = {"builds", "environments", "studio"}


def unknown_migrations(using: str = "default") -> list[str]:
    """Return the applied migrations of the studio that this version does not have, as `app.name`."""
    loader = MigrationLoader(connections[using])
    unknown = set(loader.applied_migrations) - set(loader.disk_migrations)
    return sorted(f"{app}.{name}" for app, name in unknown if app in OWN_APPS)


def other_version(using: str = "default") -> tuple[str, str] | None:
    """Return what is wrong with a database that another version created, and what to do; None for a database of this version."""
    unknown = unknown_migrations(using)
    if not unknown:
        return None
    if connections[using].vendor == "sqlite":
        remedy = f"To start with an empty studio, move {settings.VAR} away."
    else:
        remedy = f"To start with an empty studio, let DATABASE_URL name an empty database and move {settings.VAR} away."
    return (
        f"Another version of the studio created this database: it has the migration {unknown[0]}, which this "
        "version does not. Versions before 0.1.0 cannot be upgraded, and a newer version cannot be downgraded.",
        f"{remedy} To keep the data, run the version that created it.",
    )


def refuse_unknown_migrations(using: str, **_: Any) -> None:
    """Stop `migrate` before it changes a database with unknown migrations: a receiver of `pre_migrate`."""
    refusal = other_version(using)
    if refusal is not None:
        problem, remedy = refusal
        raise CommandError(f"{problem} Nothing was changed. {remedy}")
