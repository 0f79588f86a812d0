"""The packages of an image as its page shows them: why each is there, how much it weighs."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import ngettext

from builds.exports import formats_for
from builds.images.lock import Lock, LockedPackage
from builds.reasons import brought_by, in_order, reasons
from environments.forms import asked_for
from studio.treemap import Item, treemap

SORTS = ("name", "-name", "size", "-size")
ON_THE_MAP = 60
SHAPES = (("wide", 1000, 330), ("narrow", 340, 420))


def packages(request: HttpRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return what the tab of packages shows."""
    lock = Lock.model_validate(page["image"].lock or {})
    words = asked_for(request, "q")
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else ""
    ways = reasons(lock)
    shown = [one for one in lock.packages if words.lower() in one.name.lower()]
    weights = brought_by(lock, ways)
    heaviest = sorted(weights.items(), key=lambda one: (-one[1], one[0]))[:3]
    return {
        "rows": [(one, way_to(one, ways)) for one in in_order(shown, sort)],
        "total": len(lock.packages),
        "requested": sum(1 for one in lock.packages if one.requested),
        "weight": sum(one.size for one in lock.packages),
        "heaviest": [one for one in heaviest if one[1]],
        "maps": maps(lock),
        "exports": formats_for(lock),
        "filter": words,
        "sort": sort,
    }


def way_to(package: LockedPackage, ways: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the packages by which this one came, the one that was asked for first; it is not among them."""
    return ways.get(package.name, ())[:-1]


def maps(lock: Lock) -> list[dict[str, Any]]:
    """Return the map of sizes in a shape for wide and one for narrow screens; the smallest are put together."""
    heavy = sorted(lock.packages, key=lambda one: (-one.size, one.name))
    items: list[Item] = [
        (one.name, one.size, "asked" if one.requested else "needed") for one in heavy[:ON_THE_MAP]
    ]
    rest = heavy[ON_THE_MAP:]
    if rest:
        items.append(
            (
                ngettext("%(count)s smaller one", "%(count)s smaller ones", len(rest)) % {"count": len(rest)},
                sum(one.size for one in rest),
                "rest",
            )
        )
    return [
        {"shape": name, "width": width, "height": height, "areas": areas}
        for name, width, height in SHAPES
        if len(areas := treemap(items, width, height)) > 1
    ]
