"""What images hold, in rows: written with the image, looked through by `numpy<2`."""

import re
from collections.abc import Iterable
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from builds.models import Image, ImagePackage, Package
from environments.definition.constraints import BadConstraint, Constraint
from environments.definition.specs import pip_name
from environments.lists import search
from environments.models import Listing, Workspace

AT_ONCE = 500
M = TypeVar("M", bound=Model)
Key = tuple[str, str, str]  # name, ecosystem, version

_AROUND_SIGNS = re.compile(r"\s*(===|==|!=|<=|>=|~=|<|>)\s*(?=v?\d|[,<>=!~]|$)")
_AFTER_COMMA = re.compile(r"(?<=[\d*])\s*,\s*(?=[<>=!~])")


def keep_packages(image: Image) -> None:
    """Write the rows of an image's packages anew, in the transaction in which the image is written."""
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
    """Return size and whether it was asked for of each package in an image; its Python is one of them."""
    found: dict[Key, tuple[int, bool]] = {}
    for package in (image.lock or {}).get("packages", []):
        name = pip_name(package["name"])[:200]
        key = (name, package["ecosystem"], package["version"][:200])
        found[key] = (package.get("size", 0), package.get("requested", False))
    if image.python and not any(name == "python" for name, _, _ in found):
        found["python", "python", image.python] = (0, False)
    return found


def _packages(keys: Iterable[Key]) -> dict[Key, int]:
    """Return the row of each package; two builds that add the same ones at once get the same rows."""
    wanted = sorted(keys)
    rows = _known(wanted)
    # Always in one order: two transactions that wait for each other's rows would never end.
    new = [Package(name=key[0], ecosystem=key[1], version=key[2]) for key in wanted if key not in rows]
    if new:
        Package.objects.bulk_create(new, ignore_conflicts=True, batch_size=AT_ONCE)
        rows = _known(wanted)
    return rows


def _known(wanted: list[Key]) -> dict[Key, int]:
    names = sorted({key[0] for key in wanted})
    rows: dict[Key, int] = {}
    for first in range(0, len(names), AT_ONCE):
        found = Package.objects.filter(name__in=names[first : first + AT_ONCE])
        rows |= {(name, kind, version): pk for pk, name, kind, version in found.values_list("pk", "name", "ecosystem", "version")}  # fmt: skip
    return rows


def matching(constraint: Constraint) -> list[int]:
    """Return the packages that fit: the versions of that name are few, and compared one by one."""
    rows = Package.objects.filter(name=constraint.name).values_list("pk", "ecosystem", "version")
    return [pk for pk, ecosystem, version in rows if constraint.allows(version, ecosystem)]


def images_within(workspaces: Any) -> QuerySet[Image]:
    """Return the current images in these workspaces and in the catalogue, whose images serve all (rule 8)."""
    return Image.objects.filter(_within(workspaces))


def packages_within(workspaces: Any) -> QuerySet[ImagePackage]:
    """Return the packages of those images: from the package to its images, not from all images to the package."""
    return ImagePackage.objects.filter(_within(workspaces, "image__"))


def _within(workspaces: Any, image: str = "") -> Q:
    theirs = Q(**{f"{image}workspace__in": workspaces}) | Q(**{f"{image}workspace__curated": True})
    return theirs & Q(**{f"{image}current": True})


def find(rows: QuerySet[M], query: str, workspace: Workspace) -> QuerySet[M]:
    """Return those of a list that a query means: words, `numpy<2`, `python:3.11`, `base:ubuntu22.04`, all at once.

    Packages are those of the images, so what was never built is not found by them. Raises BadConstraint.
    """
    version, listing = ("version__", "") if rows.model is Listing else ("", "listing__")
    words: list[str] = []
    for word in split(query):
        constraint = asked_of(word)
        if constraint is not None:
            images = images_within([workspace]).filter(holds__package__in=matching(constraint))
            rows = rows.filter(**{f"{version}hash__in": images.values("hash")})
        elif word.lower().startswith("base:"):
            base = word[5:].lower()
            if not base:
                raise BadConstraint(
                    "“base:” names no base image: write a part of its name, as base:ubuntu22.04."
                )
            # The words have an index for parts of words, and the base is among them.
            rows = rows.filter(**{f"{listing}words__contains": base, f"{listing}base__icontains": base})
        else:
            words.append(word)
    return search(rows, " ".join(words))


def split(query: str) -> list[str]:
    """Return the parts of a query; `numpy >= 1.2, < 2` is one."""
    return _AFTER_COMMA.sub(",", _AROUND_SIGNS.sub(r"\1", query)).split()


def asked_of(word: str) -> Constraint | None:
    """Return what a word of a query asks of packages; None for a plain word. Raises BadConstraint."""
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
