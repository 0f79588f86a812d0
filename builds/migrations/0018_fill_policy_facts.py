"""Fill what policies check of existing images, from their locks."""

from typing import Any
from urllib.parse import urlsplit

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def fill(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Write the facts of images that have a lock."""
    image = apps.get_model("builds", "Image")
    rows = image.objects.filter(policy_facts=None).exclude(lock=None).values_list("pk", "lock")
    for pk, lock in rows.iterator(chunk_size=200):
        image.objects.filter(pk=pk).update(policy_facts=_facts(lock))


def _facts(lock: dict[str, Any]) -> dict[str, Any]:
    origins: dict[str, set[str]] = {}
    packages = lock.get("packages", [])
    for package in packages:
        origin = str(package.get("channel") or "").rstrip("/") or _server(package.get("url", ""))
        if origin:
            origins.setdefault(origin, set()).add(package["name"])
    cutoff = lock.get("cutoff") or {}
    return {
        "origins": {origin: sorted(names)[:20] for origin, names in origins.items()},
        "built": sorted({package["name"] for package in packages if package.get("kind") == "sdist"}),
        "as_of": cutoff.get("as_of", ""),
        "exceptions": cutoff.get("exceptions", {}),
    }


def _server(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""


class Migration(migrations.Migration):
    dependencies = [("builds", "0017_policies")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
