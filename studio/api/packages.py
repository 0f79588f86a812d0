"""Which images hold a package, and whose they are."""

from collections import defaultdict
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from builds.images.packages import matching, visible_packages
from builds.models import ImagePackage
from builds.search.query import constraint_of, split
from environments.access import workspaces_of
from environments.definition.packages.constraints import BadConstraint, Constraint
from environments.definition.packages.specs import pip_name
from environments.models import Version
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import responses, rows


@documented(
    "GET",
    responses.paged(responses.HeldPackage),
    query={"q": "One package: `numpy`, `numpy<2`, `scipy>=1.10,<1.12` or `python:3.11`."},
    paged=True,
)
def packages_in_images(request: ApiRequest) -> Response:
    """List the images that hold a package, with the versions that share each."""
    constraint = _constraint(request.query_params.get("q", ""))
    within = visible_packages(workspaces_of(request.user).values("pk"))
    held = within.filter(package__in=matching(constraint))
    held = held.select_related("package", "image__workspace").defer("image__lock", "image__layers")
    page, pages = page_of(request, held, ("-pk",))
    sharing = _sharing(request.user, {row.image.hash for row in page})
    return pages.get_paginated_response([_row(row, sharing[row.image.hash]) for row in page])


def _constraint(query: str) -> Constraint:
    terms = split(query)
    if len(terms) != 1:
        raise ValidationError({"q": ["Write one package, such as numpy<2."]})
    try:
        return constraint_of(terms[0]) or Constraint(pip_name(terms[0]))
    except BadConstraint as wrong:
        raise ValidationError({"q": [str(wrong)]}) from None


def _sharing(user: Any, hashes: set[str]) -> dict[str, list[str]]:
    """Return the versions of each hash that this person sees, in one query."""
    seen = Version.objects.named().filter(hash__in=hashes, environment__workspace__in=workspaces_of(user))
    sharing: dict[str, list[str]] = defaultdict(list)
    seen = seen.select_related("environment__workspace").defer("data", "source")
    for version in seen.order_by("environment__name", "number"):
        sharing[version.hash].append(str(rows.reference(version)))
    return sharing


def _row(row: ImagePackage, versions: list[str]) -> dict[str, Any]:
    return {
        "name": row.package.name,
        "version": row.package.version,
        "ecosystem": row.package.ecosystem,
        "size": row.size,
        "requested": row.requested,
        "license": row.package.license,
        "workspace": row.image.workspace.name,
        "digest": row.image.digest,
        "hash": row.image.hash,
        "versions": versions,
    }
