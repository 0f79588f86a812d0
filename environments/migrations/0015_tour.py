"""The tour after a first build; people who have changed an environment before don't get it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone


def dismiss_for_experienced(apps, schema_editor):
    Version = apps.get_model("environments", "Version")
    Tour = apps.get_model("environments", "Tour")
    users = Version.objects.filter(number__gt=1, created_by__isnull=False).values_list(
        "created_by", flat=True
    )
    now = timezone.now()
    Tour.objects.bulk_create(
        [Tour(user_id=user, dismissed_at=now) for user in set(users.order_by().distinct())], batch_size=500
    )


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("environments", "0014_version_labels"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tour",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "pulled_at",
                    models.DateTimeField(help_text="The first pull through the registry.", null=True),
                ),
                (
                    "compared_at",
                    models.DateTimeField(help_text="The first comparison of two versions.", null=True),
                ),
                ("dismissed_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tour",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.RunPython(dismiss_for_experienced, migrations.RunPython.noop),
    ]
