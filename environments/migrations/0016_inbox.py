"""Notices can be read, and are mailed by kind. Those that people have by now are no news to them: they count as read."""

from django.conf import settings
from django.db import migrations, models


def read_all(apps, schema_editor):
    notices = apps.get_model("environments", "Notice").objects.using(schema_editor.connection.alias)
    notices.filter(read_at=None).update(read_at=models.F("created_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("environments", "0015_tour"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="notice",
            name="own",
            field=models.BooleanField(default=False, help_text="About something that this person started."),
        ),
        migrations.AddField(
            model_name="notice",
            name="read_at",
            field=models.DateTimeField(help_text="The time the person opened or dismissed it.", null=True),
        ),
        migrations.AddField(
            model_name="noticepreferences", name="mailed_kinds", field=models.JSONField(default=dict)
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("read_at", None)), fields=["user", "-id"], name="notice_unread_idx"
            ),
        ),
        migrations.RunPython(read_all, migrations.RunPython.noop),
    ]
