"""The rows of images' packages: written with the image, matched with advisories, searched by constraints."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from builds.advisories.distributions import distributions_in, save_distributions
from builds.advisories.matches import match_packages
from builds.models import Image, ImagePackage, Package
from environments.definition.packages.constraints import Constraint
from environments.definition.packages.specs import pip_name

AT_ONCE = 500
Key = tuple[str, str, str]  # name, ecosystem, version


def save_packages(image: Image) -> None:
    """Replace the rows of an image's packages, in the transaction that writes the image."""
    contents = contents_of(image)
    ImagePackage.objects.filter(image=image).delete()
    known, new = _packages(contents)
    ImagePackage.objects.bulk_create(
        [
            ImagePackage(image=image, package_id=known[key], size=size, requested=requested)
            for key, (size, requested) in contents.items()
        ],
        batch_size=AT_ONCE,
    )
    new |= save_distributions(_distributions(image, known))
    if new:
        match_packages(new)


def _distributions(image: Image, known: dict[Key, int]) -> dict[int, set[str]]:
    """Return the Python distributions in each conda package, as name==version."""
    result: dict[int, set[str]] = {}
    for lock in locks_of(image):
        for (name, version), texts in distributions_in(lock).items():
            result.setdefault(known[name, "conda", version], set()).update(texts)
    return result


def locks_of(image: Image) -> list[dict[str, Any]]:
    """Return the locks of an image's platforms, the first platform's last."""
    others = image.platform_rows.exclude(lock=None).values_list("lock", flat=True)
    return [lock for lock in (*others, image.lock) if lock]


def contents_of(image: Image) -> dict[Key, tuple[int, bool]]:
    """Return the size of each package in an image, its Python included, and whether it was requested."""
    contents: dict[Key, tuple[int, bool]] = {}
    # Versions of further platforms are there too; what all have is as on the first.
    for lock in locks_of(image):
        for package in lock.get("packages", []):
            name = pip_name(package["name"])[:200]
            key = (name, package["ecosystem"], package["version"][:200])
            contents[key] = (package.get("size", 0), package.get("requested", False))
    if image.python and not any(name == "python" for name, _, _ in contents):
        contents["python", "python", image.python] = (0, False)
    return contents


def _packages(keys: Iterable[Key]) -> tuple[dict[Key, int], set[int]]:
    """Return the row of each package, and the new rows; concurrent builds of the same packages get the same rows."""
    wanted = sorted(keys)
    rows = _known(wanted)
    # In a fixed order, so that concurrent transactions do not deadlock.
    new = [Package(name=key[0], ecosystem=key[1], version=key[2]) for key in wanted if key not in rows]
    if new:
        Package.objects.bulk_create(new, ignore_conflicts=True, batch_size=AT_ONCE)
        rows = _known(wanted)
    return rows, {rows[package.name, package.ecosystem, package.version] for package in new}


def _known(wanted: list[Key]) -> dict[Key, int]:
    names = sorted({key[0] for key in wanted})
    rows: dict[Key, int] = {}
    for first in range(0, len(names), AT_ONCE):
        packages = Package.objects.filter(release="", name__in=names[first : first + AT_ONCE])
        rows |= {(name, kind, version): pk for pk, name, kind, version in packages.values_list("pk", "name", "ecosystem", "version")}  # fmt: skip
    return rows


def matching(constraint: Constraint) -> list[int]:
    """Return the packages that a constraint allows; a name has few versions, which are compared in Python."""
    rows = Package.objects.filter(name=constraint.name).values_list("pk", "ecosystem", "version")
    return [pk for pk, ecosystem, version in rows if constraint.allows(version, ecosystem)]


def visible_images(workspaces: Any) -> QuerySet[Image]:
    """Return the current images of these workspaces and of the catalogue, whose images serve everybody (rule 8)."""
    return Image.objects.filter(_within(workspaces))


def visible_packages(workspaces: Any) -> QuerySet[ImagePackage]:
    """Return the packages of the visible images, for look-ups from a package to its images."""
    return ImagePackage.objects.filter(_within(workspaces, "image__"))


def _within(workspaces: Any, image: str = "") -> Q:
    theirs = Q(**{f"{image}workspace__in": workspaces}) | Q(**{f"{image}workspace__curated": True})
    return theirs & Q(**{f"{image}current": True})
