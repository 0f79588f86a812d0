"""Whether this process can do its work now."""

import os

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from studio.migration_history import other_version


def missing() -> dict[str, str]:
    """Return what a web process needs and has not: {part: one sentence}. Empty when it is ready."""
    lacks = {}
    try:
        other = other_version()
        behind = pending_migrations()
    except DatabaseError as error:
        connection.close()
        lacks["database"] = f"The database does not answer: {first_line(error)}"
    else:
        if other is not None:
            lacks["migrations"] = " ".join(other)
        elif behind:
            lacks["migrations"] = f"{len(behind)} migrations are missing: run  manage.py prepare"
    store = store_problem()
    if store:
        lacks["store"] = store
    return lacks


def pending_migrations() -> list[str]:
    """Return the migrations that the database has not had."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def store_problem() -> str:
    """Return why images cannot be kept or read, or nothing. Before the first build there is only its place."""
    folder = settings.STORE if settings.STORE.exists() else settings.VAR
    if not folder.is_dir():
        return f"{folder} is not there."
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK) or os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"{folder} cannot be written by user {os.geteuid()}."
    return ""


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
