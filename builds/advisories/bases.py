"""The packages of bases: one set of rows for all images on a base."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.db import transaction

from builds.advisories.base_parts import set_contents
from builds.advisories.matches import match_packages
from builds.imaging.bases.distributions import Installed
from builds.imaging.bases.probing import Distribution
from builds.imaging.packing.wheel import PREFIX
from builds.models import BaseContents, BasePackage, Image, Package
from environments.definition.packages.specs import pip_name

AT_ONCE = 500
FORMAT = 2  # 1 had the distribution's packages alone
ENVIRONMENT = f"/{PREFIX}/"
Key = tuple[str, str, str, str]  # ecosystem, name, version, release


def missing_contents(digests: Iterable[str]) -> set[str]:
    """Return those of these bases whose packages are not known yet."""
    wanted = set(digests)
    rows = BaseContents.objects.filter(base_digest__in=wanted, format=FORMAT)
    return wanted - set(rows.values_list("base_digest", flat=True))


@transaction.atomic
def save_contents(digest: str, distributions: Iterable[Distribution], *, hides: bool = False) -> None:
    """Write what a base holds, on all its platforms; the content of a digest never changes, so once is enough.

    `hides`: environments that are put on it hide what it has in their folder.
    """
    each = list(distributions)
    release = next((distribution.release for distribution in each if distribution.release), "")
    packages = _folders(each, release)
    facts = {"release": release, "packages": len(packages), "hides": hides, "format": FORMAT}
    row, made = BaseContents.objects.get_or_create(base_digest=digest, defaults=facts)
    if not made:
        if not BaseContents.objects.filter(pk=row.pk).exclude(format=FORMAT).update(**facts):
            return
        BasePackage.objects.filter(base_digest=digest).delete()
    rows, new = _rows(packages)
    BasePackage.objects.bulk_create(
        [
            BasePackage(base_digest=digest, package_id=rows[key], folder=folder)
            for key, folder in packages.items()
        ],
        ignore_conflicts=True,
        batch_size=AT_ONCE,
    )
    if new:
        match_packages(new)
    if any(packages.values()):
        _refresh_images(digest)


def _folders(distributions: Iterable[Distribution], release: str) -> Mapping[Key, str]:
    """Return the packages, each with its folder if that is in the folder of environments, and nowhere else."""
    result: dict[Key, str] = {}
    for distribution in distributions:
        result |= {("debian", name, version, release): "" for name, version in distribution.packages}
        for installed in distribution.installed:
            key = (installed.ecosystem, pip_name(installed.name), installed.version, "")
            folder = _own_folder(installed)
            result[key] = folder if result.get(key, folder) else ""
    return dict(sorted(result.items()))


def _own_folder(installed: Installed) -> str:
    if not installed.folder.startswith(ENVIRONMENT):
        return ""
    return installed.folder.removeprefix(ENVIRONMENT)[: BasePackage.FOLDER_CHARACTERS]


def _rows(packages: Mapping[Key, str]) -> tuple[dict[Key, int], set[int]]:
    """Return the row of each package, and the new rows."""
    before = _known(packages)
    new = [key for key in packages if key not in before]
    Package.objects.bulk_create(
        [
            Package(ecosystem=ecosystem, name=name, version=version, release=release)
            for ecosystem, name, version, release in new
        ],
        ignore_conflicts=True,
        batch_size=AT_ONCE,
    )
    rows = _known(packages) if new else before
    return rows, {rows[key] for key in new}


def _known(packages: Iterable[Key]) -> dict[Key, int]:
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    for ecosystem, name, _, release in packages:
        names[ecosystem, release].add(name)
    result: dict[Key, int] = {}
    for (ecosystem, release), several in names.items():
        ordered = sorted(several)
        for first in range(0, len(ordered), AT_ONCE):
            rows = Package.objects.filter(
                ecosystem=ecosystem, release=release, name__in=ordered[first : first + AT_ONCE]
            )
            result |= {
                (ecosystem, name, version, release): pk
                for pk, name, version in rows.values_list("pk", "name", "version")
            }
    return result


def _refresh_images(digest: str) -> None:
    """Write what the images on a base see of it, which was not known when they were built."""
    keys = list(Image.objects.filter(base_digest=digest).order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(keys), AT_ONCE):
        images = list(Image.objects.filter(pk__in=keys[first : first + AT_ONCE]).defer("layers"))
        set_contents(images)
        Image.objects.bulk_update(images, ["base_contents"])
