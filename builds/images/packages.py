"""The rows of images' packages: written with the image, and searched by constraints such as `numpy<2`."""

import re
from collections.abc import Iterable
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from builds.models import Image, ImagePackage, Package
from environments.definition.packages.constraints import BadConstraint, Constraint
from environments.definition.packages.specs import pip_name
from environments.models import ListEntry, Workspace
from environments.versions.listing import search

AT_ONCE = 500
M = TypeVar("M", bound=Model)
Key = tuple[str, str, str]  # name, ecosystem, version

_AROUND_SIGNS = re.compile(r"(?:(?<!\s)\s++)?+(===|==|!=|<=|>=|~=|<|>)\s*+(?=v?\d|[,<>=!~]|$)")
_AFTER_COMMA = re.compile(r"(?<=[\d*])\s*,\s*(?=[<>=!~])")


def save_packages(image: Image) -> None:
    """Replace the rows of an image's packages, in the transaction that writes the image."""
    contents = contents_of(image)
    ImagePackage.objects.filter(image=image).delete()
    known = _packages(contents)
    ImagePackage.objects.bulk_create(
        [
            ImagePackage(image=image, package_id=known[key], size=size, requested=requested)
            for key, (size, requested) in contents.items()
        ],
        batch_size=AT_ONCE,
    )


def contents_of(image: Image) -> dict[Key, tuple[int, bool]]:
    """Return the size of each package in an image, its Python included, and whether it was requested."""
    contents: dict[Key, tuple[int, bool]] = {}
    # Versions of further platforms are there too; what all have is as on the first.
    others = image.platform_rows.exclude(lock=None).values_list("lock", flat=True)
    for lock in (*others, image.lock):
        for package in (lock or {}).get("packages", []):
            name = pip_name(package["name"])[:200]
            key = (name, package["ecosystem"], package["version"][:200])
            contents[key] = (package.get("size", 0), package.get("requested", False))
    if image.python and not any(name == "python" for name, _, _ in contents):
        contents["python", "python", image.python] = (0, False)
    return contents


def _packages(keys: Iterable[Key]) -> dict[Key, int]:
    """Return the row of each package; concurrent builds that add the same packages get the same rows."""
    wanted = sorted(keys)
    rows = _known(wanted)
    # In a fixed order, so that concurrent transactions do not deadlock.
    new = [Package(name=key[0], ecosystem=key[1], version=key[2]) for key in wanted if key not in rows]
    if new:
        Package.objects.bulk_create(new, ignore_conflicts=True, batch_size=AT_ONCE)
        rows = _known(wanted)
    return rows


def _known(wanted: list[Key]) -> dict[Key, int]:
    names = sorted({key[0] for key in wanted})
    rows: dict[Key, int] = {}
    for first in range(0, len(names), AT_ONCE):
        packages = Package.objects.filter(name__in=names[first : first + AT_ONCE])
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


def find(rows: QuerySet[M], query: str, workspace: Workspace) -> QuerySet[M]:
    """Return the rows that match a query: text, `numpy<2`, `python:3.11`, `base:ubuntu22.04`, all combined.

    Packages are those of images, so a constraint never matches a version without an image. Raises BadConstraint.
    """
    version, listing = ("version__", "") if rows.model is ListEntry else ("", "list_entry__")
    terms: list[str] = []
    for word in split(query):
        constraint = constraint_of(word)
        if constraint is not None:
            images = visible_images([workspace]).filter(package_rows__package__in=matching(constraint))
            rows = rows.filter(**{f"{version}hash__in": images.values("hash")})
        elif word.lower().startswith("base:"):
            base = word[5:].lower()
            if not base:
                raise BadConstraint(
                    "“base:” names no base image: write a part of its name, as base:ubuntu22.04."
                )
            # The search text includes the base, and has a trigram index.
            rows = rows.filter(**{f"{listing}search_text__contains": base, f"{listing}base__icontains": base})
        else:
            terms.append(word)
    return search(rows, " ".join(terms))


def split(query: str) -> list[str]:
    """Return the terms of a query; `numpy >= 1.2, < 2` is a single term."""
    return _AFTER_COMMA.sub(",", _AROUND_SIGNS.sub(r"\1", query)).split()


def constraint_of(word: str) -> Constraint | None:
    """Return the constraint of a query's term; None for plain text. Raises BadConstraint."""
    kind, colon, rest = word.partition(":")
    if colon and kind.lower() == "python":
        if not re.fullmatch(r"\d+(\.\d+){0,3}", rest):
            raise BadConstraint(f"“{word}” names no version of Python: write python:3.11, or python>=3.11.")
        return Constraint("python", (("==", f"{rest}.*"),))
    if colon and kind.lower() == "package":
        if not rest:
            raise BadConstraint("“package:” names no package: write package:numpy, or numpy<2.")
        return Constraint.parse(rest) or Constraint(pip_name(rest))
    return Constraint.parse(word)
