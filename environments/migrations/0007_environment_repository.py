from typing import Any

from django.db import migrations, models

from environments.definition.syntax.registry_names import repository_name


def fill(apps: Any, schema_editor: Any) -> None:
    """Give every environment its repository name."""
    environments = apps.get_model("environments", "Environment").objects.select_related("workspace")
    batch = []
    for row in environments.only("name", "workspace__curated").iterator(chunk_size=1000):
        row.repository = repository_name(row.name, curated=row.workspace.curated)
        batch.append(row)
        if len(batch) == 1000:
            environments.model.objects.bulk_update(batch, ["repository"])
            batch = []
    environments.model.objects.bulk_update(batch, ["repository"])


class Migration(migrations.Migration):
    dependencies = [
        ("environments", "0006_workspace_bytecode"),
    ]

    operations = [
        migrations.AddField(
            model_name="environment",
            name="repository",
            field=models.CharField(
                default="",
                editable=False,
                help_text="Its name in container registries, after the workspace's.",
                max_length=128,
            ),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="environment",
            constraint=models.UniqueConstraint(
                fields=("workspace", "repository"), name="environment_repository_uniq"
            ),
        ),
    ]
