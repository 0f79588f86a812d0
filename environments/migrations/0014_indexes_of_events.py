"""Events are found by each filter of the activity page, in the order of time, along an index."""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Case, Q, Value, When

only_added = import_module("environments.migrations.0010_events_are_only_added")

GROUPS = {
    "builds": ("build.",),
    "environments": ("version.", "environment.", "use."),
    "catalogue": ("proposal.", "deprecation.", "catalogue."),
}


def say_what_about(apps, schema_editor):
    """Write the group of each event there is."""
    cases = []
    for group, beginnings in GROUPS.items():
        begins = Q()
        for beginning in beginnings:
            begins |= Q(verb__startswith=beginning)
        cases.append(When(begins, then=Value(group)))
    apps.get_model("environments", "Event").objects.update(about=Case(*cases, default=Value("settings")))


class Migration(migrations.Migration):
    dependencies = [
        ("environments", "0013_proposals_and_deprecations"),
    ]

    operations = [
        migrations.RunPython(only_added.let_everybody_change, only_added.let_nobody_change),
        migrations.AlterModelOptions(
            name="event",
            options={"ordering": ["-at", "-pk"]},
        ),
        migrations.RemoveIndex(
            model_name="event",
            name="events_newest",
        ),
        migrations.RemoveIndex(
            model_name="event",
            name="events_of_a_person",
        ),
        migrations.RemoveIndex(
            model_name="event",
            name="events_of_a_kind",
        ),
        migrations.AddField(
            model_name="event",
            name="about",
            field=models.CharField(default="", max_length=20),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="event",
            name="environment",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="events",
                to="environments.environment",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["workspace", "-at", "-id"], name="events_by_time"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["workspace", "actor", "-at", "-id"], name="events_by_person"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["workspace", "about", "-at", "-id"], name="events_by_group"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["workspace", "verb", "-at", "-id"], name="events_by_verb"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["environment", "-at", "-id"], name="events_by_environment"),
        ),
        migrations.RunPython(say_what_about, migrations.RunPython.noop),
        migrations.RunPython(only_added.let_nobody_change, only_added.let_everybody_change),
    ]
