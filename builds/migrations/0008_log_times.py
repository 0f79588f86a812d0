"""Log chunks know when they were written."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("builds", "0007_build_background")]

    operations = [
        migrations.AddField(
            model_name="logchunk",
            name="at",
            field=models.DateTimeField(null=True, help_text="When it was written, by the database's clock."),
        ),
    ]
