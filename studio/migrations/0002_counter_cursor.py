"""The single row that records how far the counters have counted."""

from django.db import migrations
from django.db.models.functions import Now


def create_cursor(apps, schema_editor):
    apps.get_model("studio", "CounterCursor").objects.create(builds_until=Now())


class Migration(migrations.Migration):
    dependencies = [("studio", "0001_tables")]

    operations = [migrations.RunPython(create_cursor, migrations.RunPython.noop)]
