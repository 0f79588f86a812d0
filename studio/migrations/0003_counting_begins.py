from django.db import migrations
from django.db.models.functions import Now


def begin(apps, schema_editor):
    """Count from now on: what has been is not read through, however much it is."""
    last = apps.get_model("builds", "Request").objects.order_by("-pk").values_list("pk", flat=True).first()
    apps.get_model("studio", "Counted").objects.create(builds_until=Now(), request=last or 0)


class Migration(migrations.Migration):
    dependencies = [("studio", "0002_workers_and_tallies"), ("builds", "0009_when_builds_ended")]

    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
