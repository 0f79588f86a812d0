"""Triggers that report changed topics, in the transaction of the change, from any process and any query.

They are (re)made after every `migrate`: SQLite drops a table's triggers when a migration rewrites the table. A table
that pages show and that is not listed in WATCHED does not refresh them.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

CHANNEL = "studio_topics"  # of PostgreSQL's notifications
LEDGER = "studio_topic_revision"  # SQLite's table: key, revision
PREFIX = "live_"

# Queries for keys; {row} is the new row, or a deletion's old row.
_REVIEW = "SELECT 'w' || c.id || ' proposals' AS key FROM environments_workspace c WHERE c.curated"
# The catalogue's reviewers see the build of what is proposed, in any workspace.
_PROPOSED_BUILD = (
    f"{_REVIEW} AND EXISTS (SELECT 1 FROM environments_proposal p"  # noqa: S608 (constants)
    " JOIN environments_version v ON v.id = p.version_id"
    " WHERE p.stage IN ('waiting', 'changes') AND v.hash = {row}.hash)"
)
_TRIED_IMAGE = (
    "SELECT 'w' || i.workspace_id || ' proposals' AS key FROM builds_image i WHERE i.digest = {row}.digest"
)


def _of_workspace(topic: str) -> str:
    return f"SELECT 'w' || {{row}}.workspace_id || ' {topic}' AS key"


def _of_environment(topic: str) -> str:
    return (
        f"SELECT 'w' || e.workspace_id || ' {topic}' AS key"  # noqa: S608 (constants)
        " FROM environments_environment e WHERE e.id = {row}.environment_id"
    )


@dataclass(frozen=True)
class Watched:
    """A table, the columns whose update counts (a comma-separated list), and queries for the keys of a change."""

    table: str
    columns: str
    keys: tuple[str, ...]

    def name(self, event: str = "") -> str:
        """Return the name of its trigger, which differs when the definition does."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        return f"{PREFIX}{self.table}_{event}{digest}"

    def query(self, row: str) -> str:
        """Return the query for the keys of a change of this row."""
        return " UNION ".join(query.format(row=row) for query in self.keys)


WATCHED = (
    Watched(
        "builds_build",
        "state, attempt, image_id, reused, stopped_by_id, cancel_requested",
        (_of_workspace("builds"), _PROPOSED_BUILD),
    ),
    Watched("builds_buildrequest", "build_id, cancelled_at", (_of_workspace("builds"),)),
    Watched("builds_image", "digest, current, pushed_to", (_of_workspace("images"),)),
    Watched("builds_rebase", "state", (_of_workspace("images"),)),
    Watched("builds_basecheck", "digest, newer, checked_at, problem", (_of_workspace("images"),)),
    Watched("builds_trial", "state", (_REVIEW, _TRIED_IMAGE)),
    Watched(
        "environments_listentry",
        "version_id, archived, name, changed_at",
        (_of_workspace("environments"),),
    ),
    Watched("environments_version", "description, tags, archived_at", (_of_environment("environments"),)),
    Watched("environments_environment", "name, archived_at", (_of_workspace("environments"),)),
    Watched("environments_versionlabel", "name, version_id", (_of_environment("environments"),)),
    Watched("environments_usage", "version_id, ended_at", (_of_environment("environments"),)),
    Watched(
        "environments_deprecation",
        '"on", reason, successor_id, retired_at',
        (_of_environment("environments"), _of_environment("proposals")),
    ),
    Watched(
        "environments_proposal",
        "stage, revision, version_id, warnings",
        (_of_environment("proposals"), _REVIEW),
    ),
    Watched(
        "environments_share",
        "state",
        (_of_workspace("proposals"), "SELECT 'w' || {row}.target_id || ' proposals' AS key"),
    ),
    Watched("environments_notice", "read_at", ("SELECT 'u' || {row}.user_id || ' notices' AS key",)),
)


def drop_triggers(using: str, **_: Any) -> None:
    """Before `migrate`: SQLite rewrites no table that a trigger of another table mentions."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        _drop(connection, _sqlite_names(connection))


def create_triggers(using: str, **_: Any) -> None:
    """After `migrate`: create the triggers that are missing, and drop those of an earlier definition."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    watched = [entry for entry in WATCHED if entry.table in tables]
    if connection.vendor == "sqlite":
        _create_for_sqlite(connection, watched)
    elif connection.vendor == "postgresql":
        _create_for_postgresql(connection, watched)


def _create_for_postgresql(connection: BaseDatabaseWrapper, watched: list[Watched]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE tgname LIKE 'live\\_%%' AND NOT tgisinternal AND relnamespace = current_schema()::regnamespace"
        )
        existing = {name for (name,) in cursor.fetchall()}
        # 63 bytes are all that PostgreSQL keeps of a name.
        names = {entry.name()[:63]: entry for entry in watched}
        for name in existing:
            if name not in names:
                cursor.execute(f'DROP FUNCTION IF EXISTS "{name}" CASCADE')
        for name, entry in names.items():
            if name not in existing:
                cursor.execute(_POSTGRESQL.format(name=name, query=entry.query("r"), **vars(entry)))


_POSTGRESQL = """
CREATE OR REPLACE FUNCTION "{name}"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    IF TG_OP = 'DELETE' THEN r := OLD; ELSE r := NEW; END IF;
    PERFORM pg_notify('studio_topics', changed.key) FROM ({query}) AS changed (key) WHERE changed.key IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER "{name}" AFTER INSERT OR DELETE OR UPDATE OF {columns} ON {table}
    FOR EACH ROW EXECUTE FUNCTION "{name}"();
"""

_SQLITE_LEDGER = (
    f"CREATE TABLE IF NOT EXISTS {LEDGER} (key TEXT PRIMARY KEY, revision INTEGER NOT NULL)",
    f"CREATE INDEX IF NOT EXISTS {LEDGER}_idx ON {LEDGER} (revision)",
)
_SQLITE = """
CREATE TRIGGER "{name}" AFTER {event} ON {table} BEGIN
    INSERT INTO {ledger} (key, revision)
        SELECT key, (SELECT COALESCE(MAX(revision), 0) + 1 FROM {ledger}) FROM ({query}) WHERE key IS NOT NULL
        ON CONFLICT (key) DO UPDATE SET revision = excluded.revision;
END
"""


def _create_for_sqlite(connection: BaseDatabaseWrapper, watched: list[Watched]) -> None:
    existing = _sqlite_names(connection)
    names = {}
    for entry in watched:
        for event, clause, row in (
            ("i", "INSERT", "NEW"),
            ("u", f"UPDATE OF {entry.columns}", "NEW"),
            ("d", "DELETE", "OLD"),
        ):
            names[entry.name(event)] = _SQLITE.format(
                name=entry.name(event), event=clause, table=entry.table, ledger=LEDGER, query=entry.query(row)
            )
    _drop(connection, existing - names.keys())
    with connection.cursor() as cursor:
        for statement in _SQLITE_LEDGER:
            cursor.execute(statement)
        for name in names.keys() - existing:
            cursor.execute(names[name])


def _sqlite_names(connection: BaseDatabaseWrapper) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, 5) = %s", [PREFIX]
        )
        return {name for (name,) in cursor.fetchall()}


def _drop(connection: BaseDatabaseWrapper, names: set[str]) -> None:
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f'DROP TRIGGER "{name}"')
