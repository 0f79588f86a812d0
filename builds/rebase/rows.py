"""The rows of rebased images: each the current image of its definition from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from builds.advisories.base_parts import set_contents
from builds.images.layers import sizes
from builds.images.platforms import save_platforms
from builds.imaging.bases.model import Bases
from builds.imaging.rebasing.rebase import Rebased, RebasedPart
from builds.models import BaseImage, Image, ImageLayer, ImagePackage, Package
from builds.models.many import insert_each, update_each
from builds.worker.platforms.index import PYTHON

_KEPT = (
    *("workspace_id", "hash", "repository", "packages", "bytecode", "conflicts", "platforms", "floating"),
    "policy_facts",
)


@dataclass(frozen=True)
class Successor:
    """An image, and what it becomes."""

    image: Image
    new: Rebased
    bases: Bases
    target: str
    interpreter_path: str

    def fields(self) -> dict[str, Any]:
        """Return the fields of its row, as a build has them."""
        first = min(self.new.parts, key=lambda part: part.platform)
        return {
            **{name: getattr(self.image, name) for name in _KEPT},
            "digest": self.new.image.digest,
            "size": self.new.image.size,
            "layers": self.new.image.layers_of_all,
            "pushed_to": "",  # until its name has moved there
            "lock": first.lock.model_dump(mode="json"),
            "base": self.target,
            "base_digest": self.bases.digest,
            "base_contents": self.bases.digest,
            "base_created_at": first.base.created_at,
            "python": first.lock.python or first.base.probe.version,
            "interpreter": PYTHON if first.lock.python else self.interpreter_path or first.base.probe.python,
            "current": True,
        }


def save_successors(successors: Sequence[Successor], at: datetime) -> dict[int, Image]:
    """Make successors the current images, in the caller's transaction; return their rows by the keys of the images before.

    An image that another replaced in the meantime is left out. The old images count as used now, so that those who
    pulled them keep them for a whole retention; the new images as used when the old images were: nobody has used them.
    """
    keys = [each.image.pk for each in successors]
    # The lock holds builds back that are about to replace one of them.
    current = set(
        Image.objects.select_for_update().filter(pk__in=keys, current=True).values_list("pk", flat=True)
    )
    going = [each for each in successors if each.image.pk in current]
    Image.objects.filter(pk__in=current).update(current=False, used_at=at)
    known = _known(going)
    fresh: list[Image] = []
    rows: dict[int, Image] = {}
    for each in going:
        fields = each.fields()
        row = known.get((fields["workspace_id"], fields["hash"], fields["digest"]))
        if row is None:
            row = Image(**fields)
            fresh.append(row)
        else:  # it was this image once before
            Image.objects.filter(pk=row.pk).update(**fields)
        row.workspace = each.image.workspace
        rows[each.image.pk] = row
    Image.objects.bulk_create(fresh)
    # `auto_now_add` has set the time of the last use.
    used = {rows[each.image.pk].pk: each.image.used_at for each in going}
    for row in fresh:
        row.used_at = used[row.pk]
    update_each(fresh, ["used_at"])
    _save_contents(going, rows, fresh)
    set_contents(list(rows.values()))
    Image.objects.bulk_update(
        [row for row in rows.values() if row.base_contents != row.base_digest], ["base_contents"]
    )
    _update_floating(rows.values(), at)
    return rows


def _known(successors: Sequence[Successor]) -> dict[tuple[int, str, str], Image]:
    digests = [each.new.image.digest for each in successors]
    rows = Image.objects.filter(digest__in=digests).defer("lock", "layers")
    return {(row.workspace_id, row.hash, row.digest): row for row in rows}


def _save_contents(
    successors: Sequence[Successor], rows: Mapping[int, Image], fresh: Sequence[Image]
) -> None:
    """Write the rows of layers, packages and platforms."""
    layers = [
        ImageLayer(image_id=row.pk, digest=digest, size=size)
        for row in fresh
        for digest, size in sizes(row.layers).items()
    ]
    insert_each(layers, ["image", "digest", "size"])
    new = {row.pk for row in fresh}
    pairs = [(key, row.pk) for key, row in rows.items() if row.pk in new]
    if pairs:
        _copy_packages(pairs)
    _save_pythons([each for each in successors if rows[each.image.pk].pk in new], rows)
    for each in successors:
        if len(each.new.parts) > 1:
            save_platforms(rows[each.image.pk], [_part(part) for part in each.new.parts])


def _copy_packages(pairs: Sequence[tuple[int, int]]) -> None:
    """Give images the package rows of others, in one statement: there may be hundreds for each.

    The Python of a base is left out: it may have another patch release.
    """
    quote = connection.ops.quote_name
    held, package = quote(ImagePackage._meta.db_table), quote(Package._meta.db_table)
    which = " ".join("WHEN %s THEN %s" for _ in pairs)
    before = ", ".join("%s" for _ in pairs)
    # The parameters are keys of rows, the names are the models' own.
    sql = (
        f"INSERT INTO {held} (image_id, package_id, size, requested)"  # noqa: S608
        f" SELECT CASE held.image_id {which} END, held.package_id, held.size, held.requested"
        f" FROM {held} held JOIN {package} package ON package.id = held.package_id"
        f" WHERE held.image_id IN ({before}) AND package.ecosystem <> 'python'"
    )
    parameters = [*(key for pair in pairs for key in pair), *(old for old, _ in pairs)]
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def _save_pythons(successors: Sequence[Successor], rows: Mapping[int, Image]) -> None:
    known: dict[str, Package] = {}
    made = []
    for each in successors:
        row = rows[each.image.pk]
        names = {package.name for part in each.new.parts for package in part.lock.packages}
        if not row.python or "python" in names:
            continue
        if row.python not in known:
            known[row.python], _ = Package.objects.get_or_create(
                name="python", ecosystem="python", version=row.python
            )
        made.append(ImagePackage(image=row, package=known[row.python]))
    ImagePackage.objects.bulk_create(made)


def _update_floating(rows: Any, at: datetime) -> None:
    """Record what floating bases mean now, so that requests for their images find the rebased ones (rule 18)."""
    bases = {(row.base, row.platforms, row.base_digest) for row in rows if row.floating}
    for reference, platforms, digest in sorted(bases):
        BaseImage.objects.update_or_create(
            reference=BaseImage.key_of(reference, platforms),
            defaults={"digest": digest, "checked_at": at},
        )


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
