"""The Python distributions in conda packages, by the metadata in their files: what advisories of PyPI affect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from builds.models import PackageDistribution
from environments.definition.packages.specs import pip_name

AT_ONCE = 500
MOST = 500  # in a package
Row = tuple[int, str, str]  # package, name, version


def save_distributions(distributions: Mapping[int, Iterable[str]]) -> set[int]:
    """Add the distributions of packages, as name==version; return the packages that have new ones.

    A version of a conda package has many builds: it counts as holding what any of them holds.
    """
    wanted = {row for package, texts in distributions.items() for row in _rows(package, texts)}
    known: set[Row] = set()
    packages = sorted(distributions)
    for first in range(0, len(packages), AT_ONCE):
        rows = PackageDistribution.objects.filter(package__in=packages[first : first + AT_ONCE])
        known.update(rows.values_list("package", "name", "version"))
    new = sorted(wanted - known)
    PackageDistribution.objects.bulk_create(
        [
            PackageDistribution(package_id=package, name=name, version=version)
            for package, name, version in new
        ],
        ignore_conflicts=True,
        batch_size=AT_ONCE,
    )
    return {package for package, _, _ in new}


def _rows(package: int, texts: Iterable[str]) -> Iterable[Row]:
    for text in sorted(set(texts))[:MOST]:
        name, _, version = text.partition("==")
        if name and version:
            yield package, pip_name(name)[:200], version[:200]


def distributions_in(lock: Mapping[str, Any]) -> dict[tuple[str, str], set[str]]:
    """Return the distributions of a lock's conda packages, by normalised name and version."""
    result: dict[tuple[str, str], set[str]] = {}
    for package in lock.get("packages", []):
        if package["ecosystem"] == "conda" and package.get("distributions"):
            key = (pip_name(package["name"])[:200], package["version"][:200])
            result.setdefault(key, set()).update(package["distributions"])
    return result
