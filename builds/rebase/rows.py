"""The row of a rebased image: the current image of its definition from then on."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from builds.images.layers import save_layers
from builds.images.platforms import save_platforms
from builds.imaging.bases.model import Bases
from builds.imaging.rebasing.rebase import Rebased, RebasedPart
from builds.models import BaseImage, Image, ImagePackage, Package
from builds.worker.platforms.index import PYTHON

_KEPT = ("repository", "packages", "bytecode", "conflicts", "platforms", "floating")


def save_rebased(
    image: Image,
    new: Rebased,
    bases: Bases,
    target: str,
    at: datetime,
    *,
    pushed_to: str,
    interpreter_path: str,
) -> Image | None:
    """Make a rebased image the current one, in the caller's transaction; None if the old one is so no more.

    The old image counts as used now, so that those who pulled it keep it for a whole retention; the new one as used
    when the old one was, as nobody has used it.
    """
    old = Image.objects.filter(pk=image.pk, current=True)
    if not old.update(current=False, used_at=at):
        return None
    first = min(new.parts, key=lambda part: part.platform)
    python = first.lock.python or first.base.probe.version
    fields = {name: getattr(image, name) for name in _KEPT} | {
        "size": new.image.size,
        "layers": new.image.layers_of_all,
        "pushed_to": pushed_to,
        "lock": first.lock.model_dump(mode="json"),
        "base": target,
        "base_digest": bases.digest,
        "base_created_at": first.base.created_at,
        "python": python,
        "interpreter": PYTHON if first.lock.python else interpreter_path or first.base.probe.python,
        "current": True,
        "used_at": image.used_at,
    }
    row, made = Image.objects.update_or_create(
        workspace=image.workspace, hash=image.hash, digest=new.image.digest, defaults=fields
    )
    if made:
        Image.objects.filter(pk=row.pk).update(used_at=image.used_at)
        _copy_packages(image, row)
        save_layers(row)
    if len(new.parts) > 1:
        save_platforms(row, [_part(part) for part in new.parts])
    return row


def update_floating(reference: str, platforms: str, digest: str, at: datetime) -> None:
    """Record what a floating base means now, so that requests for its images find the rebased ones (rule 18)."""
    key = BaseImage.key_of(reference, platforms)
    BaseImage.objects.update_or_create(reference=key, defaults={"digest": digest, "checked_at": at})


def _part(part: RebasedPart) -> dict[str, object]:
    return {
        "platform": part.platform,
        "digest": part.image.digest,
        "size": part.image.size,
        "base_digest": part.base.digest,
        "python": part.lock.python or part.base.probe.version,
        "packages": len(part.lock.packages),
        "lock": part.lock.model_dump(mode="json"),
    }


def _copy_packages(image: Image, row: Image) -> None:
    """Give an image the package rows of another: one statement, as there may be hundreds.

    The Python of a base may have another patch release.
    """
    python = Package.objects.filter(name="python", ecosystem="python")
    rows = ImagePackage.objects.filter(image=image)
    if row.python != image.python:
        rows = rows.exclude(package__in=python)
    columns = ("package_id", "size", "requested")
    sql, params = rows.values_list(*columns).query.sql_with_params()
    table = connection.ops.quote_name(ImagePackage._meta.db_table)
    names = ", ".join(connection.ops.quote_name(name) for name in ("image_id", *columns))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT %s, copied.* FROM ({sql}) AS copied",  # noqa: S608 (own names)
            [row.pk, *params],
        )
    if row.python != image.python and rows.model.objects.filter(image=image, package__in=python).exists():
        package, _ = python.get_or_create(name="python", ecosystem="python", version=row.python)
        ImagePackage.objects.create(image=row, package=package)
