"""Compare two versions: their definitions and the packages of their images."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from builds.images.diff import ResolvedDifference, diff_images
from builds.queue.requests import image_of
from environments.access import get_workspace, workspaces_of
from environments.definition import diff
from environments.models import Version
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from environments.versions.texts import canonical_text, side_by_side
from environments.versions.views import version_named
from environments.workspaces.tour import COMPARED, note

MAX_CHOICES = 300


@require_safe
@login_required
def compare(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show the difference between two versions, also of different environments and workspaces."""
    workspace = get_workspace(request.user, workspace)
    references = {side: query_param(request, side) for side in ("a", "b")}
    sides: dict[str, Version | None] = {"a": None, "b": None}
    problems = {}
    for side, reference in references.items():
        try:
            sides[side] = version_named(request.user, reference) if reference else None
        except Http404:
            problems[side] = _(
                "There is no version “%(reference)s” that you can see. Write workspace/name:version."
            ) % {"reference": reference}
    choices = Version.objects.filter(
        environment__workspace__in=workspaces_of(request.user), environment__anonymous=False
    )
    context = {
        "workspace": workspace,
        "asked": references,
        "problems": problems,
        "choices": choices.select_related("environment__workspace").order_by("-created_at")[:MAX_CHOICES],
    }
    old, new = sides["a"], sides["b"]
    if old is not None and new is not None:
        note(request.user, COMPARED)
        difference = diff(old.definition, new.definition)
        resolved = resolved_difference(old, new)
        if request.GET.get("format") == "json":
            exact = {"resolved": resolved.as_json() if resolved else None}
            return JsonResponse({"a": references["a"], "b": references["b"]} | difference.as_json() | exact)
        context |= {
            "old": old,
            "new": new,
            "difference": difference,
            "resolved": resolved,
            "not_built": [version for version in (old, new) if image_of(version) is None]
            if resolved is None
            else [],
            "rows": side_by_side(canonical_text(old), canonical_text(new)),
            "tags": changed_tags(old.tags, new.tags),
        }
    return render(request, "studio/compare.html", context, status=404 if problems else 200)


def resolved_difference(old: Version, new: Version) -> ResolvedDifference | None:
    """Return the difference between the resolved packages of two versions; None if either has no image."""
    old_image, new_image = image_of(old), image_of(new)
    return diff_images(old_image, new_image) if old_image is not None and new_image is not None else None


def changed_tags(old: dict[str, str], new: dict[str, str]) -> list[tuple[str, str | None, str | None]]:
    """Return (tag, old value, new value) of each tag that differs; None where a side has no such tag."""
    names = sorted(old.keys() | new.keys())
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]
