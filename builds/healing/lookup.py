"""Advisories by the names that people know them by."""

from collections.abc import Sequence

from builds.models import Advisory
from environments.errors import ServiceError

MOST = 100


def advisories_named(names: Sequence[str]) -> list[Advisory]:
    """Return the advisories with these names: CVE, GHSA, PYSEC or other. Raises ServiceError for an unknown name."""
    wanted = list(dict.fromkeys(name.strip().upper() for name in names if name.strip()))
    if not wanted:
        raise ServiceError("no-advisory", "Name at least one advisory.", "Such as CVE-2024-22195.")
    if len(wanted) > MOST:
        raise ServiceError("too-many", f"{len(wanted)} advisories are named.", f"Name at most {MOST}.")
    known = Advisory.objects.filter(names__name__in=wanted).distinct()
    named = set(known.values_list("names__name", flat=True))
    unknown = [name for name in wanted if name not in named]
    if unknown:
        raise ServiceError(
            "advisory-unknown",
            f"The studio knows no advisory {unknown[0][:100]}.",
            "Import advisories first: python manage.py advisories import.",
        )
    return list(known.order_by("key"))
