"""Triggers that keep events append-only, and on PostgreSQL a trigram index for the search."""

import logging

from django.db import Error, migrations, transaction

log = logging.getLogger(__name__)

# Users see it when something tries to change the audit log.
REFUSAL = "Events are only ever added: none is changed, and none is deleted."

SEARCHED = [("listentry", "name"), ("versionentry", "search_text")]

SQLITE_TRIGGERS = {"event_no_update": "UPDATE", "event_no_delete": "DELETE"}

CREATE_TRIGGERS = f"""
CREATE FUNCTION environments_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON environments_event
    FOR EACH ROW EXECUTE FUNCTION environments_event_append_only();
CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON environments_event
    FOR EACH STATEMENT EXECUTE FUNCTION environments_event_append_only();
"""
DROP_TRIGGERS = """
DROP TRIGGER event_append_only ON environments_event;
DROP TRIGGER event_no_truncate ON environments_event;
DROP FUNCTION environments_event_append_only();
"""


def create_triggers(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE_TRIGGERS)
        return
    for name, statement in SQLITE_TRIGGERS.items():
        schema_editor.execute(
            f"CREATE TRIGGER {name} BEFORE {statement} ON environments_event "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )


def drop_triggers(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP_TRIGGERS)
        return
    for name in SQLITE_TRIGGERS:
        schema_editor.execute(f"DROP TRIGGER {name}")


def create_trigram_indexes(apps, schema_editor):
    """Index parts of words where the server offers pg_trgm; without it the search reads every row."""
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            for table, column in SEARCHED:
                schema_editor.execute(
                    f"CREATE INDEX {table}_{column}_trgm_idx ON environments_{table} "
                    f"USING gin ({column} gin_trgm_ops)"
                )
    except Error as error:
        log.warning("The search has no index: PostgreSQL has no pg_trgm: %s", str(error).strip())


def drop_trigram_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table, column in SEARCHED:
            schema_editor.execute(f"DROP INDEX IF EXISTS {table}_{column}_trgm_idx")


class Migration(migrations.Migration):
    dependencies = [("environments", "0001_tables")]

    operations = [
        migrations.RunPython(create_triggers, drop_triggers),
        migrations.RunPython(create_trigram_indexes, drop_trigram_indexes),
    ]
