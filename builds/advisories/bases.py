"""The packages of bases: one set of rows for all images on a base."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from builds.advisories.matches import match_packages
from builds.imaging.bases.probing import Distribution
from builds.models import BaseContents, BasePackage, Package

AT_ONCE = 500


def missing_contents(digests: Iterable[str]) -> set[str]:
    """Return those of these bases whose packages are not known yet."""
    wanted = set(digests)
    rows = BaseContents.objects.filter(base_digest__in=wanted)
    return wanted - set(rows.values_list("base_digest", flat=True))


@transaction.atomic
def save_contents(digest: str, distributions: Iterable[Distribution]) -> None:
    """Write what a base holds, on all its platforms; the content of a digest never changes, so once is enough."""
    each = list(distributions)
    release = next((distribution.release for distribution in each if distribution.release), "")
    sources = sorted({package for distribution in each for package in distribution.packages})
    if not BaseContents.objects.get_or_create(
        base_digest=digest, defaults={"release": release, "packages": len(sources)}
    )[1]:
        return
    names = sorted({name for name, _ in sources})
    before = _rows(names, release)
    new = [key for key in sources if key not in before]
    Package.objects.bulk_create(
        [Package(ecosystem="debian", name=name, version=version, release=release) for name, version in new],
        ignore_conflicts=True,
        batch_size=AT_ONCE,
    )
    rows = _rows(names, release)
    BasePackage.objects.bulk_create(
        [BasePackage(base_digest=digest, package_id=rows[key]) for key in sources],
        ignore_conflicts=True,
        batch_size=AT_ONCE,
    )
    if new:
        match_packages(rows[key] for key in new)


def _rows(names: list[str], release: str) -> dict[tuple[str, str], int]:
    result: dict[tuple[str, str], int] = {}
    for first in range(0, len(names), AT_ONCE):
        packages = Package.objects.filter(
            ecosystem="debian", release=release, name__in=names[first : first + AT_ONCE]
        )
        result |= {(name, version): pk for pk, name, version in packages.values_list("pk", "name", "version")}
    return result
