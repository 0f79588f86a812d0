"""Which images hold a package, and whose they are."""

from collections import defaultdict
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from builds.models import ImagePackage
from builds.packages import asked_of, matching, packages_within, split
from environments.access import workspaces_of
from environments.definition.constraints import BadConstraint, Constraint
from environments.definition.specs import pip_name
from environments.models import Version
from studio.api import rows, shapes
from studio.api.answers import page_of
from studio.api.describing import documented, route


@documented(
    "GET",
    "List the images that hold a package, with the versions that share each",
    shapes.paged(shapes.HeldPackage),
    query={"q": "One package: `numpy`, `numpy<2`, `scipy>=1.10,<1.12` or `python:3.11`."},
    paged=True,
)
def packages_in_images(request: Request) -> Response:
    """List the images that hold a package, with the versions that share each."""
    constraint = _asked(request.query_params.get("q", "").replace("\0", ""))
    within = packages_within(workspaces_of(request.user).values("pk"))
    found = within.filter(package__in=matching(constraint))
    found = found.select_related("package", "image__workspace").defer("image__lock", "image__layers")
    page, pages = page_of(request, found, ("-pk",))
    sharing = _sharing(request.user, {row.image.hash for row in page})
    return pages.get_paginated_response([_row(row, sharing[row.image.hash]) for row in page])


def _asked(query: str) -> Constraint:
    words = split(query)
    if len(words) != 1:
        raise ValidationError({"q": ["Write one package, such as numpy<2."]})
    try:
        return asked_of(words[0]) or Constraint(pip_name(words[0]))
    except BadConstraint as wrong:
        raise ValidationError({"q": [str(wrong)]}) from None


def _sharing(user: Any, hashes: set[str]) -> dict[str, list[str]]:
    """Return the versions of each hash that this person sees, in one query."""
    seen = Version.objects.filter(
        hash__in=hashes, environment__anonymous=False, environment__workspace__in=workspaces_of(user)
    )
    found: dict[str, list[str]] = defaultdict(list)
    seen = seen.select_related("environment__workspace").defer("data", "source")
    for version in seen.order_by("environment__name", "number"):
        found[version.hash].append(str(rows.reference(version)))
    return found


def _row(row: ImagePackage, versions: list[str]) -> dict[str, Any]:
    return {
        "name": row.package.name,
        "version": row.package.version,
        "ecosystem": row.package.ecosystem,
        "size": row.size,
        "requested": row.requested,
        "workspace": row.image.workspace.name,
        "digest": row.image.digest,
        "hash": row.image.hash,
        "versions": versions,
    }


ROUTES = {"packages": route(GET=packages_in_images)}
