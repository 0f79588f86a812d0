"""Write what images hold, of images that are there already."""

from django.db import migrations

from environments.definition.specs import pip_name

AT_ONCE = 200


def fill(apps, schema_editor):
    Image = apps.get_model("builds", "Image")
    Package = apps.get_model("builds", "Package")
    ImagePackage = apps.get_model("builds", "ImagePackage")
    known = {}
    batch = []
    for image in Image.objects.only("pk", "lock", "python").iterator(AT_ONCE):
        batch.append((image.pk, contents(image)))
        if len(batch) == AT_ONCE:
            write(Package, ImagePackage, known, batch)
            batch.clear()
    write(Package, ImagePackage, known, batch)


def contents(image):
    found = {}
    for package in (image.lock or {}).get("packages", []):
        key = (pip_name(package["name"])[:200], package["ecosystem"], package["version"][:200])
        found[key] = (package.get("size", 0), package.get("requested", False))
    if image.python and not any(name == "python" for name, _, _ in found):
        found["python", "python", image.python] = (0, False)
    return found


def write(Package, ImagePackage, known, batch):
    new = sorted({key for _, found in batch for key in found} - known.keys())
    for name, ecosystem, version in new:
        row = Package.objects.create(name=name, ecosystem=ecosystem, version=version)
        known[name, ecosystem, version] = row.pk
    rows = [
        ImagePackage(image_id=image, package_id=known[key], size=size, requested=requested)
        for image, found in batch
        for key, (size, requested) in found.items()
    ]
    ImagePackage.objects.bulk_create(rows, batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [("builds", "0010_packages_of_images")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
