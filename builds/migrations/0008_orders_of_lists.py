from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("builds", "0007_what_a_rebuild_moves")]

    operations = [
        migrations.AddIndex(
            model_name="image",
            index=models.Index(fields=["workspace", "built_at", "id"], name="images_by_age"),
        ),
        migrations.AddIndex(
            model_name="build", index=models.Index(fields=["workspace", "queued_at"], name="builds_by_age")
        ),
        migrations.AddIndex(
            model_name="build",
            index=models.Index(fields=["workspace", "state", "queued_at"], name="builds_of_a_state"),
        ),
        migrations.AddIndex(
            model_name="build",
            index=models.Index(fields=["workspace", "hash", "queued_at"], name="builds_of_a_hash"),
        ),
    ]
