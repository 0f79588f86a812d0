"""On PostgreSQL, notify the web processes of each new revision of a build: they wake its viewers."""

from django.db import migrations

# The trigger runs in the transaction that writes the revision. PostgreSQL drops duplicates within it.
CREATE_TRIGGER = """
CREATE FUNCTION builds_notify_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('studio_builds', NEW.id::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER build_notify_revision AFTER UPDATE OF revision ON builds_build
    FOR EACH ROW WHEN (OLD.revision IS DISTINCT FROM NEW.revision) EXECUTE FUNCTION builds_notify_revision();
"""
DROP_TRIGGER = """
DROP TRIGGER build_notify_revision ON builds_build;
DROP FUNCTION builds_notify_revision();
"""


def create_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE_TRIGGER)


def drop_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP_TRIGGER)


class Migration(migrations.Migration):
    dependencies = [("builds", "0001_tables")]

    operations = [migrations.RunPython(create_trigger, drop_trigger)]
