from django.db import migrations, models
from packaging.utils import canonicalize_name

AT_ONCE = 500


def fill(apps, schema_editor):  # type: ignore[no-untyped-def]
    """Read the distributions in conda packages from the locks of images: one image for each package is enough."""
    alias = schema_editor.connection.alias
    held = apps.get_model("builds", "ImagePackage").objects.using(alias).filter(package__ecosystem="conda")
    images = set(
        held.order_by()
        .values("package")
        .annotate(image_pk=models.Max("image"))
        .values_list("image_pk", flat=True)
    )
    packages = apps.get_model("builds", "Package").objects.using(alias).filter(ecosystem="conda")
    known = {
        (name, version): pk for pk, name, version in packages.values_list("pk", "name", "version").iterator()
    }
    distribution = apps.get_model("builds", "PackageDistribution")
    chosen = sorted(images)
    for first in range(0, len(chosen), AT_ONCE):
        rows = (
            apps.get_model("builds", "Image")
            .objects.using(alias)
            .filter(pk__in=chosen[first : first + AT_ONCE])
        )
        for lock in rows.values_list("lock", flat=True).iterator():
            new = []
            for package in (lock or {}).get("packages", []):
                key = canonicalize_name(package["name"])[:200], package["version"][:200]
                for text in package.get("distributions") or []:
                    name, _, version = text.partition("==")
                    if key in known and name and version:
                        new.append(
                            distribution(
                                package_id=known[key],
                                name=canonicalize_name(name)[:200],
                                version=version[:200],
                            )
                        )
            distribution.objects.using(alias).bulk_create(new, ignore_conflicts=True, batch_size=AT_ONCE)


class Migration(migrations.Migration):
    dependencies = [
        ("builds", "0011_image_made_at"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
