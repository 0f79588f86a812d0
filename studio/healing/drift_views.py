"""The page about the drift of an environment: what would change today, and a version of it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from builds.healing.drift import check_soon, drift_of, make_version, unwatch, watch
from environments.access import Right, get_environment, rights_in
from environments.errors import ConflictError, ServiceError
from environments.models import Environment
from environments.requests import StudioRequest


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def drift(request: StudioRequest, workspace: str, name: str) -> HttpResponse:
    """Show what would change if the environment were built today; watch it, check it, or save it as a version."""
    right = Right.DEFINE if request.method == "POST" else Right.SEE
    environment = get_environment(request.user, workspace, name, right)
    if request.method == "POST":
        return _changed(request, environment)
    row = drift_of(environment)
    context = {
        "workspace": environment.workspace,
        "environment": environment,
        "drift": row,
        "here": rights_in(environment.workspace, request.user),
        "newest": row is not None and row.version_id == getattr(environment.latest(), "pk", None),
        "waits": row is not None and row.checked_at is None,
    }
    return render(request, "studio/drift.html", context)


def _changed(request: StudioRequest, environment: Environment) -> HttpResponse:
    action, here = request.POST.get("action", ""), ("drift", environment.workspace.name, environment.name)
    if action == "version":
        row = drift_of(environment)
        try:
            if row is None:
                raise ConflictError("not-watched", _("This environment isn't watched."), "")
            version = make_version(row, request.user)
        except ServiceError as problem:
            messages.error(request, f"{problem.message} {problem.help}".strip())
            return redirect(*here)
        messages.success(request, _("%(version)s is saved and being built.") % {"version": version})
        return redirect("version", environment.workspace.name, environment.name, version.version)
    if action == "unwatch":
        unwatch(environment, request.user)
        messages.success(request, _("It is no longer checked."))
    else:
        watch(environment, request.user)
        check_soon(environment)
        messages.success(request, _("It is checked as soon as no build is waiting."))
    return redirect(*here)
