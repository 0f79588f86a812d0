"""The tab with an image's packages: why each is installed, and its size."""

from typing import Any

from django.utils.translation import ngettext

from builds.images.dependency_paths import in_order, reasons, sizes_by_root
from builds.images.exports import formats_for, without_md5
from builds.imaging.lock import Lock, LockedPackage
from builds.models import Image
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from studio.packages.treemap import Item, treemap

SORTS = ("name", "-name", "size", "-size")
MAX_MAP_ITEMS = 40
FEWEST_ON_MAP = 3  # a map of two packages says nothing
MAP_SIZES = (("wide", 1000, 120), ("narrow", 340, 120))  # pixels


def packages(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return the tab's context."""
    image: Image = page["image"]
    lock = Lock.model_validate(image.lock or {})
    query = query_param(request, "q")
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else ""
    paths = reasons(lock)
    shown = [package for package in lock.packages if query.lower() in package.name.lower()]
    weights = sizes_by_root(lock, paths)
    heaviest = sorted(weights.items(), key=lambda weight: (-weight[1], weight[0]))[:1]
    return {
        "rows": [(package, path_to(package, paths)) for package in in_order(shown, sort)],
        "total": len(lock.packages),
        "requested": sum(1 for package in lock.packages if package.requested),
        "weight": sum(package.size for package in lock.packages),
        "heaviest": [weight for weight in heaviest if weight[1]],
        "maps": size_maps(lock),
        "exports": formats_for(lock),
        "without_md5": without_md5(lock),
        "several_platforms": image.platforms.split(",") if "," in image.platforms else [],
        "filter": query,
        "sort": sort,
    }


def path_to(package: LockedPackage, paths: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the chain of packages that required a package, from the requested package on, without itself."""
    return paths.get(package.name, ())[:-1]


def size_maps(lock: Lock) -> list[dict[str, Any]]:
    """Return treemaps of package sizes for wide and narrow screens; the smallest packages share an area."""
    heavy = sorted(lock.packages, key=lambda package: (-package.size, package.name))
    items: list[Item] = [
        (package.name, package.size, "requested" if package.requested else "dependency")
        for package in heavy[:MAX_MAP_ITEMS]
    ]
    others = heavy[MAX_MAP_ITEMS:]
    if others:
        items.append(
            (
                ngettext("%(count)s smaller package", "%(count)s smaller packages", len(others))
                % {"count": len(others)},
                sum(package.size for package in others),
                "rest",
            )
        )
    return [
        {"shape": name, "width": width, "height": height, "areas": areas}
        for name, width, height in MAP_SIZES
        if len(areas := treemap(items, width, height)) >= FEWEST_ON_MAP
    ]
