"""The part of a base that an image still has: its own environment may hide or replace packages that the base brings."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from builds.models import BaseContents, BasePackage, Image, ImagePlatform
from environments.definition.packages.specs import pip_name

AT_ONCE = 500
CONDA_FOLDER = "conda-meta"
Own = set[tuple[str, str]]  # folder, name


def set_contents(images: Sequence[Image]) -> None:
    """Set what images have of their bases (`base_contents`): nearly always all of it, which is the base's digest.

    A base may have packages in the folder of environments, as images of the studio do. An environment hides them,
    or replaces those with a name of its own packages. What is left has rows under a key of its own.
    """
    inner = _inner({image.base_digest for image in images})
    for image in images:
        image.base_contents = image.base_digest
    concerned = [image for image in images if image.base_digest in inner]
    if not concerned:
        return
    hiding = set(
        BaseContents.objects.filter(base_digest__in=inner, hides=True).values_list("base_digest", flat=True)
    )
    own = _own(concerned)
    for image in concerned:
        if own[image.pk]:
            gone = {
                row.package_id
                for row in inner[image.base_digest]
                if image.base_digest in hiding or (row.folder, row.package.name) in own[image.pk]
            }
            image.base_contents = _without(image.base_digest, gone)


def _inner(digests: set[str]) -> dict[str, list[BasePackage]]:
    result: dict[str, list[BasePackage]] = defaultdict(list)
    rows = BasePackage.objects.filter(base_digest__in=digests).exclude(folder="")
    for row in rows.select_related("package").order_by("pk"):
        result[row.base_digest].append(row)
    return result


def _own(images: Sequence[Image]) -> dict[int, Own]:
    """Return folder and name of each package in the environments of images, by key."""
    result: dict[int, Own] = {image.pk: set() for image in images}
    pythons = {image.pk: image.python for image in images}
    locks = [(image.pk, image.python, image.lock) for image in images]
    rows = ImagePlatform.objects.filter(image__in=result).exclude(lock=None)
    locks += rows.values_list("image", "python", "lock")
    for pk, python, lock in locks:
        minor = ".".join((python or pythons[pk]).split(".")[:2])
        for package in (lock or {}).get("packages", []):
            names = [package["name"]]
            if package["ecosystem"] == "conda":
                result[pk].add((CONDA_FOLDER, pip_name(package["name"])))
                names = [text.partition("==")[0] for text in package.get("distributions", ())]
            result[pk] |= {(f"lib/python{minor}/site-packages", pip_name(name)) for name in names}
            result[pk].add(("", ""))  # it has an environment
    return result


def _without(digest: str, gone: set[int]) -> str:
    """Return the key of a base without some packages, and write its rows if it is new."""
    if not gone:
        return digest
    key = f"part:{hashlib.sha256(repr((digest, sorted(gone))).encode()).hexdigest()}"
    if not BasePackage.objects.filter(base_digest=key).exists():
        left = BasePackage.objects.filter(base_digest=digest).exclude(package__in=gone)
        BasePackage.objects.bulk_create(
            [
                BasePackage(base_digest=key, package_id=package)
                for package in left.values_list("package", flat=True)
            ],
            ignore_conflicts=True,
            batch_size=AT_ONCE,
        )
    return key
