"""The rows of images' packages: written with the image, matched with advisories, searched by constraints."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.db.models import Q, QuerySet

from builds.advisories.base_parts import set_contents
from builds.advisories.distributions import distributions_in, save_distributions
from builds.advisories.matches import match_packages
from builds.imaging.licences import LONGEST
from builds.models import Image, ImagePackage, Package
from environments.definition.packages.constraints import Constraint
from environments.definition.packages.specs import pip_name

AT_ONCE = 500
MOST_NAMES = 20  # of the packages of an origin
Key = tuple[str, str, str]  # name, ecosystem, version


def save_packages(image: Image) -> None:
    """Replace the rows of an image's packages, in the transaction that writes the image."""
    contents = contents_of(image)
    ImagePackage.objects.filter(image=image).delete()
    known, new = _packages(contents)
    _save_licences(image, known)
    image.policy_facts = policy_facts(locks_of(image))
    set_contents([image])
    image.save(update_fields=["policy_facts", "base_contents"])
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


def _save_licences(image: Image, known: dict[Key, int]) -> None:
    """Write the licences that are known by this image's locks to the packages' rows.

    A row is shared by workspaces: only a file of the public index or channel replaces what another wrote.
    """
    declared = {
        known[key]: (package["license"][:LONGEST], _public(package.get("url", "")))
        for lock in locks_of(image)
        for package in lock.get("packages", [])
        if package.get("license") and (key := _key(package)) in known
    }
    rows = Package.objects.filter(pk__in=declared).only("license").order_by("pk")
    changed = []
    for row in rows:
        licence, public = declared[row.pk]
        if licence != row.license and (public or not row.license):
            row.license = licence
            changed.append(row)
    Package.objects.bulk_update(changed, ["license"], batch_size=AT_ONCE)


def policy_facts(locks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return what policies check of locks and no row holds: origins, packages built from source, limits on uploads."""
    origins: dict[str, list[str]] = {}
    built: set[str] = set()
    as_of: list[str] = []
    exceptions: dict[str, str] = {}
    for lock in locks:
        for package in lock.get("packages", []):
            origins.setdefault(origin_of(package), []).append(package["name"])
            if package.get("kind") == "sdist":
                built.add(package["name"])
        cutoff = lock.get("cutoff") or {}
        if lock.get("packages"):
            as_of.append(cutoff.get("as_of", ""))
            exceptions |= cutoff.get("exceptions", {})
    origins.pop("", None)
    return {
        "origins": {origin: sorted(set(names))[:MOST_NAMES] for origin, names in origins.items()},
        "built": sorted(built),
        # The latest, and none where one lock has none.
        "as_of": max(as_of) if all(as_of) and as_of else "",
        "exceptions": exceptions,
    }


def origin_of(package: dict[str, Any]) -> str:
    """Return where a locked package is from: its channel, or scheme and host of its file's URL."""
    if package.get("channel"):
        return str(package["channel"]).rstrip("/")
    try:
        parts = urlsplit(package.get("url", ""))
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""


def _public(url: str) -> bool:
    return url.startswith(("https://files.pythonhosted.org/", "https://conda.anaconda.org/"))


def _key(package: dict[str, Any]) -> Key:
    return pip_name(package["name"])[:200], package["ecosystem"], package["version"][:200]


def contents_of(image: Image) -> dict[Key, tuple[int, bool]]:
    """Return the size of each package in an image, its Python included, and whether it was requested."""
    contents: dict[Key, tuple[int, bool]] = {}
    # Versions of further platforms are there too; what all have is as on the first.
    for lock in locks_of(image):
        for package in lock.get("packages", []):
            contents[_key(package)] = (package.get("size", 0), package.get("requested", False))
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
