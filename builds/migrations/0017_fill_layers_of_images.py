"""Write the layers of images that are there already."""

from django.db import migrations

AT_ONCE = 200


def fill(apps, schema_editor):
    Image = apps.get_model("builds", "Image")
    ImageLayer = apps.get_model("builds", "ImageLayer")
    rows = []
    for pk, layers in Image.objects.values_list("pk", "layers").iterator(AT_ONCE):
        sizes = {layer["digest"]: layer["size"] for layer in layers if "digest" in layer}
        rows += [ImageLayer(image_id=pk, digest=digest, size=size) for digest, size in sizes.items()]
        if len(rows) >= AT_ONCE:
            ImageLayer.objects.bulk_create(rows, batch_size=1000)
            rows.clear()
    ImageLayer.objects.bulk_create(rows, batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [("builds", "0016_layers_of_images")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
