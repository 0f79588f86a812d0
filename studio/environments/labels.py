"""The page that puts a label on a version, moves it there, or removes it."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from builds.images.repositories import name_of
from builds.pages.queries import NOT_BUILT, image_states
from builds.queue.registry_tags import left_behind
from environments.access import Right, get_version
from environments.definition import Difference, diff
from environments.errors import ServiceError
from environments.models import Environment, Event, Version, VersionLabel
from environments.public_url import public_host
from environments.requests import StudioRequest
from environments.versions.labels import (
    SUGGESTED,
    label_history,
    may_move,
    protected_labels,
    remove_label,
    set_label,
)

MAX_HISTORY = 20


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def label(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Ask for confirmation of a label's move to this version; POST moves, sets or removes it."""
    current = get_version(request.user, workspace, name, version, Right.DEFINE)
    if request.method != "POST":
        return _page(request, current, request.GET.get("label", "").strip())
    typed = request.POST.get("label", "").strip()
    # A label typed by hand that is elsewhere is confirmed first: the form did not show where it is.
    seen = request.POST.get("seen", "")
    try:
        if request.POST.get("action") == "remove":
            remove_label(current.environment, typed, user=request.user, seen=current.version)
            messages.success(
                request, _("“%(label)s” is removed from %(version)s.") % {"label": typed, "version": current}
            )
        else:
            set_label(current, typed, user=request.user, seen=seen)
            messages.success(
                request, _("“%(label)s” now means %(version)s.") % {"label": typed, "version": current}
            )
    except ServiceError as problem:
        status = problem.status if problem.status in (403, 409) else 422
        shown = None if problem.code == "label-moved" and "seen" not in request.POST else problem
        return _page(request, current, typed, problem=shown, status=status)
    return redirect(f"{reverse('environment', args=[workspace, name])}?tab=versions#version-{current.number}")


def _page(
    request: StudioRequest,
    version: Version,
    typed: str,
    *,
    problem: ServiceError | None = None,
    status: int = 200,
) -> HttpResponse:
    environment = version.environment
    rows = environment.labels.select_related("version", "set_by")
    labels = list(rows.defer("version__data", "version__source"))
    chosen = next((row for row in labels if row.name == typed), None)
    free = [name for name in SUGGESTED if name not in {row.name for row in labels}]
    state = image_states(environment.workspace, [version.hash]).get(version.hash, NOT_BUILT)
    context = {
        "workspace": environment.workspace,
        "environment": environment,
        "version": version,
        "labels": labels,
        "free": free,
        "typed": typed,
        "chosen": chosen,
        "here_already": chosen is not None and chosen.version_id == version.pk,
        "difference": _difference(chosen, version),
        "image_state": state.state,
        "pull_builds": bool(settings.PULL_WAIT_SECONDS),
        "pull": f"docker pull {public_host(request)}/{name_of(version).rpartition(':')[0]}:{typed}"
        if chosen
        else "",
        "problem": problem,
        "movable": may_move(environment, typed, request.user),
        "protected": protected_labels(environment),
        "left_behind": left_behind(environment).exclude(problem=""),
        "history": _history(environment, typed),
    }
    return render(request, "studio/label.html", context, status=status)


def _history(environment: Environment, name: str) -> list[tuple[Event, str, str]]:
    """Return the last changes of a label: the event, and the versions that it was on before and after."""
    rows = label_history(environment, name)[:MAX_HISTORY] if name else []
    return [
        (row, str((row.before or {}).get("version", "")), str((row.after or {}).get("version", "")))
        for row in rows
    ]


def _difference(chosen: VersionLabel | None, version: Version) -> Difference | None:
    """Return what moving the label changes for its users."""
    if chosen is None or chosen.version_id == version.pk:
        return None
    return diff(chosen.version.definition, version.definition)
