from django.db import migrations, models
from django.utils import timezone


def fill(apps, schema_editor):  # type: ignore[no-untyped-def]
    """Take the time of the last build: that of the first was not kept."""
    images = apps.get_model("builds", "Image").objects.using(schema_editor.connection.alias)
    images.update(made_at=models.F("built_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("builds", "0010_advisories"),
    ]

    operations = [
        migrations.AddField(
            model_name="image",
            name="made_at",
            field=models.DateTimeField(
                auto_now_add=True,
                default=timezone.now,
                help_text="Of its first build; `built_at` is that of the last with the same bytes.",
            ),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="image",
            index=models.Index(
                condition=models.Q(("current", False)), fields=["made_at"], name="image_replaced_idx"
            ),
        ),
    ]
