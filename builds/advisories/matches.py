"""Keep the rows of matches up to date: when advisories change, and when packages are new."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import transaction

from builds.advisories.matching import Identity, hits_of, identities_of, known_for
from builds.models import AdvisorySource, AffectedPackage, Package, PackageAdvisory, PackageDistribution

AT_ONCE = 500


@contextmanager
def exclusive() -> Iterator[AdvisorySource]:
    """Hold the lock that every writer of advisories or matches takes, to the end of the transaction.

    So no match is missed: packages and advisories that are new at the same time see each other.
    """
    with transaction.atomic():
        AdvisorySource.objects.get_or_create(url="")
        yield AdvisorySource.objects.select_for_update().get(url="")


def match_packages(packages: Iterable[int]) -> None:
    """Match packages that are new, or whose distributions are."""
    pks = sorted(packages)
    for first in range(0, len(pks), AT_ONCE):
        with exclusive():
            chosen = pks[first : first + AT_ONCE]
            identities = _identities(chosen)
            known = known_for(identity for several in identities.values() for identity in several)
            _write(hits_of(identities, known), _existing(packages=chosen))


def match_advisories(advisories: Iterable[int]) -> None:
    """Match advisories again with all packages. The caller holds the lock."""
    pks = sorted(advisories)
    for first in range(0, len(pks), AT_ONCE):
        chosen = pks[first : first + AT_ONCE]
        rows = AffectedPackage.objects.filter(record__advisory__in=chosen)
        names = set(rows.values_list("name", flat=True))
        identities = _identities(_named(names))
        known = known_for((i for several in identities.values() for i in several), chosen)
        _write(hits_of(identities, known), _existing(advisories=chosen))


def _named(names: set[str]) -> set[int]:
    """Return the packages that have one of these names, or a distribution of that name."""
    result: set[int] = set()
    ordered = sorted(names)
    for first in range(0, len(ordered), AT_ONCE):
        part = ordered[first : first + AT_ONCE]
        result.update(Package.objects.filter(name__in=part).values_list("pk", flat=True))
        result.update(PackageDistribution.objects.filter(name__in=part).values_list("package", flat=True))
    return result


def _identities(packages: Iterable[int]) -> dict[int, list[Identity]]:
    pks = sorted(packages)
    result: dict[int, list[Identity]] = {}
    for first in range(0, len(pks), AT_ONCE):
        part = pks[first : first + AT_ONCE]
        distributions: dict[int, list[str]] = defaultdict(list)
        rows = PackageDistribution.objects.filter(package__in=part)
        for pk, name, version in rows.values_list("package", "name", "version"):
            distributions[pk].append(f"{name}=={version}")
        for package in Package.objects.filter(pk__in=part):
            result[package.pk] = identities_of(
                package.ecosystem,
                package.name,
                package.version,
                package.release,
                distributions[package.pk],
            )
    return result


Pair = tuple[int, int]  # package, advisory


def _existing(
    packages: Iterable[int] | None = None, advisories: Iterable[int] | None = None
) -> dict[Pair, list[str]]:
    rows = PackageAdvisory.objects.all()
    if packages is not None:
        rows = rows.filter(package__in=list(packages))
    if advisories is not None:
        rows = rows.filter(advisory__in=list(advisories))
    columns = ("package", "advisory", "fixed_in")
    return {(package, advisory): fixes for package, advisory, fixes in rows.values_list(*columns)}


def _write(hits: dict[int, dict[int, list[str]]], existing: dict[Pair, list[str]]) -> None:
    """Write the differences between what matches and what is known."""
    wanted = {(package, advisory): fixes for package, several in hits.items() for advisory, fixes in several.items()}  # fmt: skip
    gone: dict[int, list[int]] = defaultdict(list)
    for package, advisory in existing.keys() - wanted.keys():
        gone[advisory].append(package)
    for advisory, packages in gone.items():
        for first in range(0, len(packages), AT_ONCE):
            part = packages[first : first + AT_ONCE]
            PackageAdvisory.objects.filter(advisory=advisory, package__in=part).delete()
    PackageAdvisory.objects.bulk_create(
        [
            PackageAdvisory(package_id=package, advisory_id=advisory, fixed_in=fixes)
            for (package, advisory), fixes in sorted(wanted.items())
            if existing.get((package, advisory)) != fixes
        ],
        batch_size=AT_ONCE,
        update_conflicts=True,
        unique_fields=["advisory", "package"],
        update_fields=["fixed_in"],
    )
