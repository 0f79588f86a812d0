"""Compare two versions: their definitions, the packages of their images, and their texts."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from builds.images.diff import ResolvedDifference, diff_images
from builds.queue.requests import image_of
from environments.access import get_workspace, origins_seen, workspaces_of
from environments.definition import diff
from environments.models import Environment, ListEntry, Version
from environments.models.environments import CONTENT
from environments.requests import StudioRequest, wants_partial
from environments.versions.forms import query_param
from environments.versions.labels import labels_of
from environments.versions.text_view import compare_texts, unified
from environments.versions.texts import comparable_texts
from environments.versions.views import version_named
from environments.workspaces.tour import COMPARED, note

MAX_ENVIRONMENTS = 500  # to choose from; the address takes any
MAX_VERSIONS = 200
VIEWS = ("unified", "split")


@dataclass
class Side:
    """One of the two versions: its reference as typed, what it names, and the versions to choose from."""

    name: str  # a or b
    reference: str
    version: Version | None = None
    problem: str = ""
    environment: str = ""  # workspace/name
    choices: list[tuple[Version, list[str]]] = field(default_factory=list)

    @property
    def given(self) -> str:
        """The version as it was typed, `prod` too; empty for the latest."""
        return self.reference.partition(":")[2]


@require_safe
@login_required
@vary_on_headers("HX-Request")
def compare(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show the difference between two versions, also of different environments and workspaces."""
    workspace = get_workspace(request.user, workspace)
    picked = wants_partial(request) and request.GET.get("picker", "")
    if picked in ("a", "b"):
        side = _side(request, picked, query_param(request, f"{picked}_environment"))
        return render(request, "studio/_compare_versions.html", {"side": side})
    if "a_environment" in request.GET or "b_environment" in request.GET:
        return redirect(f"{request.path}?{urlencode(_picked(request))}")
    old, new = (_side(request, name, query_param(request, name)) for name in ("a", "b"))
    # One version alone is compared with the version before it.
    if new.version is None and not new.reference and old.version is not None:
        old, new = _side(request, "a", ""), _side(request, "b", old.reference)
    if old.version is None and not old.reference and new.version is not None:
        old = _side(request, "a", _reference(_before(request, new.version)))
    context: dict[str, Any] = {
        "workspace": workspace,
        "sides": [old, new],
        "environments": _environments(request, old, new),
        "view": next((view for view in VIEWS if view == request.GET.get("view")), VIEWS[0]),
        "whole": request.GET.get("whole") == "1",
    }
    if old.version is not None and new.version is not None:
        note(request.user, COMPARED)
        if request.GET.get("format") == "json":
            references = {"a": old.reference, "b": new.reference}
            return JsonResponse(references | difference_as_json(old.version, new.version))
        context |= _differences(request, old.version, new.version, whole=context["whole"])
    problems = old.problem or new.problem
    return render(request, "studio/compare.html", context, status=404 if problems else 200)


def difference_as_json(old: Version, new: Version) -> dict[str, Any]:
    """Return all differences between two versions as a JSON object."""
    resolved = resolved_difference(old, new)
    texts = comparable_texts(old, new)
    lines, whole = unified(texts.old, texts.new)
    return diff(old.definition, new.definition).as_json() | {
        "resolved": resolved.as_json() if resolved else None,
        "text": {"converted": texts.converted, "unified": lines, "whole": whole},
    }


def _differences(request: StudioRequest, old: Version, new: Version, *, whole: bool) -> dict[str, Any]:
    resolved = resolved_difference(old, new)
    texts = comparable_texts(old, new)
    without = [version for version in (old, new) if image_of(version) is None] if resolved is None else []
    return {
        "old": old,
        "new": new,
        "difference": diff(old.definition, new.definition),
        "resolved": resolved,
        "not_built": without,
        "text": compare_texts(texts.old, texts.new, whole=whole),
        "converted": texts.converted,
        "tags": changed_tags(old.tags, new.tags),
        "shortcuts": _shortcuts(request, old, new),
    }


def resolved_difference(old: Version, new: Version) -> ResolvedDifference | None:
    """Return the difference between the resolved packages of two versions; None if either has no image."""
    old_image, new_image = image_of(old), image_of(new)
    return diff_images(old_image, new_image) if old_image is not None and new_image is not None else None


def changed_tags(old: dict[str, str], new: dict[str, str]) -> list[tuple[str, str | None, str | None]]:
    """Return (tag, old value, new value) of each tag that differs; None where a side has no such tag."""
    names = sorted(old.keys() | new.keys())
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _side(request: StudioRequest, name: str, reference: str) -> Side:
    side = Side(name, reference)
    if not reference:
        return side
    try:
        side.version = version_named(request.user, reference)
    except Http404:
        side.problem = _("There is no version “%(reference)s” that you can see.") % {"reference": reference}
        return side
    environment = side.version.environment
    side.environment = f"{environment.workspace.name}/{environment.name}"
    rows = list(environment.versions.defer(*CONTENT).order_by("-number")[:MAX_VERSIONS])
    if side.version not in rows:
        rows.append(side.version)
    labels = labels_of(rows)
    latest = environment.latest(without_content=True)
    side.choices = [(row, [*(["latest"] if row == latest else []), *labels[row.pk]]) for row in rows]
    return side


def _picked(request: StudioRequest) -> dict[str, str]:
    """Return the two references that the form's fields make; a version of another environment is left out."""
    query = {}
    for name in ("a", "b"):
        environment, version = (query_param(request, f"{name}_{part}") for part in ("environment", "version"))
        if environment:
            # The list of versions is that of the environment chosen before, if no script has replaced it.
            shown = query_param(request, f"{name}_shown")
            kept = version if version and shown in ("", environment) else "latest"
            query[name] = f"{environment}:{kept}"
    return query | {name: request.GET[name] for name in ("view", "whole") if name in request.GET}


def _before(request: StudioRequest, version: Version) -> Version | None:
    """Return what a version is compared with: the version before it, else what it started from, else the latest."""
    earlier = version.environment.versions.filter(number__lt=version.number).order_by("-number")
    return earlier.defer(*CONTENT).first() or _parent(request, version) or _latest(version)


def _latest(version: Version) -> Version | None:
    latest = version.environment.latest(without_content=True)
    return latest if latest is not None and latest.pk != version.pk else None


def _parent(request: StudioRequest, version: Version) -> Version | None:
    """Return what a version started from, if the user sees it."""
    return origins_seen([version], request.user).get(version.pk)


def _shortcuts(request: StudioRequest, old: Version, new: Version) -> list[tuple[str, str]]:
    """Return other comparisons of the new version: label and query."""
    earlier = new.environment.versions.filter(number__lt=new.number).order_by("-number")
    parent, latest = _parent(request, new), _latest(new)
    offers = [
        (_("With the version before"), earlier.defer(*CONTENT).first(), new),
        (_("With its parent %(parent)s") % {"parent": parent}, parent, new),
        (_("With the latest"), new, latest),
    ]
    return [
        (label, urlencode({"a": _reference(a), "b": _reference(b)}))
        for label, a, b in offers
        if a is not None and b is not None and (a.pk, b.pk) != (old.pk, new.pk)
    ]


def _reference(version: Version | None) -> str:
    if version is None:
        return ""
    environment = version.environment
    return f"{environment.workspace.name}/{environment.name}:{version.version}"


def _environments(request: StudioRequest, *sides: Side) -> list[tuple[str, list[str]]]:
    """Return the environments to choose from, by the title of their workspace: those that changed last."""
    rows = ListEntry.objects.filter(workspace__in=workspaces_of(request.user), archived=False)
    names = rows.order_by("-changed_at").values_list(
        "environment__workspace__title", "environment__workspace__name", "environment__name"
    )
    by_title: dict[str, list[str]] = {}
    for title, workspace, name in names[:MAX_ENVIRONMENTS]:
        by_title.setdefault(title, []).append(f"{workspace}/{name}")
    offered = {name for group in by_title.values() for name in group}
    for side in sides:
        if side.version is not None and side.environment not in offered:
            environment: Environment = side.version.environment
            by_title.setdefault(environment.workspace.title, []).append(side.environment)
            offered.add(side.environment)
    return [(title, sorted(by_title[title])) for title in sorted(by_title)]
