"""On PostgreSQL a build that moves is told of: web processes that listen wake its viewers."""

from django.db import migrations

# In the transaction that moves the revision, whoever writes; equal ones of a transaction arrive as one.
TELL = """
CREATE OR REPLACE FUNCTION builds_tell_of_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('studio_builds', NEW.id::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER builds_tell_of_revision AFTER UPDATE OF revision ON builds_build
    FOR EACH ROW WHEN (OLD.revision IS DISTINCT FROM NEW.revision) EXECUTE FUNCTION builds_tell_of_revision();
"""
TELL_NO_MORE = """
DROP TRIGGER builds_tell_of_revision ON builds_build;
DROP FUNCTION builds_tell_of_revision();
"""


def tell(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(TELL)


def tell_no_more(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(TELL_NO_MORE)


class Migration(migrations.Migration):
    dependencies = [("builds", "0003_where_images_were_pushed")]

    operations = [migrations.RunPython(tell, tell_no_more)]
