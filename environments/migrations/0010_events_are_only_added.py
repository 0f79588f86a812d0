"""Events say what was before and after, in columns of their own; and the database lets nobody change or delete one."""

from django.db import migrations

WORDS = "Events are only ever added: none is changed, and none is deleted."

ON_SQLITE = {
    "events_are_not_changed": "UPDATE",
    "events_are_not_deleted": "DELETE",
}
ON_POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION environments_events_are_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{WORDS}' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER events_are_only_added BEFORE UPDATE OR DELETE ON environments_event
    FOR EACH ROW EXECUTE FUNCTION environments_events_are_only_added();
CREATE TRIGGER events_are_not_emptied BEFORE TRUNCATE ON environments_event
    FOR EACH STATEMENT EXECUTE FUNCTION environments_events_are_only_added();
"""
NOT_ON_POSTGRESQL = """
DROP TRIGGER events_are_only_added ON environments_event;
DROP TRIGGER events_are_not_emptied ON environments_event;
DROP FUNCTION environments_events_are_only_added();
"""


def tell_apart(apps, schema_editor):
    """Move what older events say of before and after to where newer ones say it."""
    Event = apps.get_model("environments", "Event")
    fields = {"workspace.registry": "registry", "workspace.pull": "anonymous_pull", "member.changed": "role"}
    for event in Event.objects.filter(details__has_key="before").iterator(1000):
        before, details = event.details.pop("before"), event.details
        after = details.pop("now", details.pop("after", details.pop("role", None)))
        field = fields.get(event.verb)
        event.before, event.after = ({field: before}, {field: after}) if field else (before, after)
        event.save(update_fields=["before", "after", "details"])


def let_nobody_change(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ON_POSTGRESQL)
        return
    for name, what in ON_SQLITE.items():
        schema_editor.execute(
            f"CREATE TRIGGER {name} BEFORE {what} ON environments_event "
            f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
        )


def let_everybody_change(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(NOT_ON_POSTGRESQL)
        return
    for name in ON_SQLITE:
        schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    dependencies = [("environments", "0009_where_events_come_from")]

    operations = [
        migrations.RunPython(tell_apart, migrations.RunPython.noop),
        migrations.RunPython(let_nobody_change, let_everybody_change),
    ]
