from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("environments", "0020_uploaded_blobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="workspace",
            name="receives_shares",
            field=models.BooleanField(
                default=True,
                help_text="Versions that other workspaces share with this one wait for its owners.",
            ),
        ),
    ]
