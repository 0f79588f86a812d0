"""Deprecate and retire environments of the catalogue, and undo it."""

import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from environments.access import Right, get_catalogue
from environments.catalogue import deprecations
from environments.errors import ServiceError
from environments.models import Environment, Version, Workspace
from environments.models.catalogue import Deprecation
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from studio.catalogue.proposals import comment_in

DEFAULT_DAYS = 90
FIELDS = {
    "date-past": "on",
    "date-missing": "on",
    "reason-missing": "words",
    "reason-too-long": "words",
    "no-such-version": "version",
}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def deprecate(request: StudioRequest, workspace: str, name: str) -> HttpResponse:
    """Deprecate a curated environment or a version: its last day, the reason and the successor."""
    workspace = get_catalogue(request.user, workspace, Right.REVIEW)
    environment = get_object_or_404(Environment, workspace=workspace, name=name)
    if request.method != "POST":
        return _page(request, environment, _initial_values(environment, query_param(request, "version")))
    typed = {field: request.POST.get(field, "").strip() for field in ("version", "on", "successor")} | {
        "words": comment_in(request)
    }
    try:
        deprecations.deprecate(
            environment,
            request.user,
            on=_day(typed["on"]),
            reason=typed["words"],
            successor=_successor(workspace, typed["successor"]),
            version=_version(environment, typed["version"]),
        )
    except ServiceError as problem:
        return _page(request, environment, typed, problem=problem)
    messages.success(request, _("Deprecated. Its users will be notified."))
    return redirect("environment", workspace.name, name)


@require_POST
@login_required
def retire(request: StudioRequest, workspace: str, deprecation: int) -> HttpResponse:
    """Archive a deprecated environment or version whose last day has come."""
    current = _get_deprecation(request, workspace, deprecation)
    try:
        deprecations.retire(current, request.user)
    except ServiceError as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        messages.success(request, _("%(name)s is retired: nothing new starts from it.") % {"name": current})
    return redirect("environment", workspace, current.environment.name)


@require_POST
@login_required
def keep(request: StudioRequest, workspace: str, deprecation: int) -> HttpResponse:
    """End a deprecation."""
    current = _get_deprecation(request, workspace, deprecation)
    try:
        deprecations.cancel_deprecation(current, request.user)
    except ServiceError as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        messages.success(request, _("%(name)s is no longer deprecated.") % {"name": current})
    return redirect("environment", workspace, current.environment.name)


def _get_deprecation(request: StudioRequest, workspace: str, number: int) -> Deprecation:
    workspace = get_catalogue(request.user, workspace, Right.REVIEW)
    rows = deprecations.catalogue_deprecations(workspace)
    current = rows.filter(pk=number).first() if number < 2**63 else None
    if current is None:
        raise Http404(f"There is no deprecation {number}.")
    return current


def _initial_values(environment: Environment, version: str) -> dict[str, str]:
    matching = Deprecation.objects.filter(environment=environment, version__version=version or None)
    current = matching.select_related("successor").first()
    day = current.on if current else timezone.localdate() + datetime.timedelta(days=DEFAULT_DAYS)
    return {
        "version": version,
        "on": day.isoformat(),
        "words": current.reason if current else "",
        "successor": current.successor.name if current and current.successor else "",
    }


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise ServiceError("date-missing", _("Write the day as 2027-01-31.")) from None


def _version(environment: Environment, text: str) -> Version | None:
    if not text:
        return None
    version = environment.versions.filter(version=text).first()
    if version is None:
        raise ServiceError("no-such-version", f"{environment} has no version {text}.")
    return version


def _successor(workspace: Workspace, name: str) -> Environment | None:
    if not name:
        return None
    successor = Environment.objects.filter(workspace=workspace, name=name).first()
    if successor is None:
        raise ServiceError("no-such-environment", f"The catalogue has no {name}.")
    return successor


def _page(
    request: StudioRequest,
    environment: Environment,
    typed: dict[str, str],
    problem: ServiceError | None = None,
) -> HttpResponse:
    workspace = environment.workspace
    others = Environment.objects.filter(workspace=workspace).listed().exclude(pk=environment.pk)
    context = {
        "workspace": workspace,
        "environment": environment,
        "versions": environment.versions.filter(archived_at=None).only("version", "environment_id"),
        "others": others.order_by("name").select_related("workspace"),
        "typed": typed,
        "problem": problem,
        "field": FIELDS.get(problem.code, "successor") if problem else "",
    }
    return render(request, "studio/deprecate.html", context, status=422 if problem else 200)
