"""Share a version with another workspace, and decide about those that others share."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from builds.queue.requests import image_of
from builds.review import sharing
from environments.access import Right, get_share, get_version
from environments.definition.findings.secrets import masked_script
from environments.errors import ServiceError
from environments.models import Version
from environments.models.shares import Share
from environments.requests import StudioRequest
from environments.sharing.service import decline, environment_named, withdraw
from environments.versions.service import next_version
from environments.versions.texts import text_to_edit
from environments.workspaces.settings_views import tab_url

MAX_SHOWN = 20_000  # characters of a definition
FIELDS = {
    "workspace-invalid": "to",
    "same-workspace": "to",
    "catalogue": "to",
    "shared-already": "to",
    "name-invalid": "name",
    "name-reserved": "name",
    "name-taken": "name",
    "environment-archived": "name",
    "message-too-long": "message",
}


def _typed(request: StudioRequest, name: str, most: int) -> str:
    return request.POST.get(name, "").replace("\0", "").replace("\r\n", "\n").strip()[:most]


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def share(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Send a version with its image to another workspace."""
    current = get_version(request.user, workspace, name, version, Right.SHARE)
    if request.method != "POST":
        return _share_page(request, current, {"name": current.environment.name})
    typed = {
        "to": _typed(request, "to", 100),
        "name": _typed(request, "name", 400),
        "message": _typed(request, "message", 10_000),
    }
    try:
        sharing.share(current, typed["to"], request.user, name=typed["name"], message=typed["message"])
    except ServiceError as problem:
        return _share_page(request, current, typed, problem)
    messages.success(
        request,
        _("%(version)s is sent to %(workspace)s. You'll be notified when its owners decide.")
        % {"version": current, "workspace": typed["to"]},
    )
    return redirect(tab_url(current.environment.workspace, "sharing"))


def _share_page(
    request: StudioRequest, version: Version, typed: dict[str, str], problem: ServiceError | None = None
) -> HttpResponse:
    environment = version.environment
    context = {
        "workspace": environment.workspace,
        "environment": environment,
        "version": version,
        "image": image_of(version),
        "typed": typed,
        **_refusal(problem),
    }
    return render(request, "studio/share.html", context, status=422 if problem else 200)


def _refusal(problem: ServiceError | None) -> dict[str, Any]:
    """Return a refusal as the forms show it: its sentences, and the field that it is about."""
    if problem is None:
        return {}
    message = f"{problem.message} {problem.help}".strip()
    return {"problem": message, "field": FIELDS.get(problem.code, "")}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def received(request: StudioRequest, workspace: str, share: int) -> HttpResponse:
    """Show a version that was shared with the workspace; POST accepts or declines it."""
    row = get_share(request.user, workspace, share, Right.DECIDE_SHARES)
    if request.method != "POST":
        return _received_page(request, row, row.name)
    name = _typed(request, "name", 400)
    try:
        if request.POST.get("decision") == "accept":
            saved = sharing.accept(row, request.user, name=name)
            messages.success(request, _("%(version)s is saved, with its image.") % {"version": saved})
            return redirect("version", workspace, saved.environment.name, saved.version)
        decline(row, request.user)
    except ServiceError as problem:
        row = get_share(request.user, workspace, share, Right.DECIDE_SHARES)
        return _received_page(request, row, name or row.name, problem)
    messages.success(request, _("%(version)s is declined.") % {"version": row.origin})
    assert row.target is not None  # noqa: S101 (for the type checker: what is received has a target)
    return redirect(tab_url(row.target, "sharing"))


def _received_page(
    request: StudioRequest, row: Share, name: str, problem: ServiceError | None = None
) -> HttpResponse:
    version = row.version
    assert row.target is not None  # noqa: S101
    existing = environment_named(row.target, name)
    text = masked_script(text_to_edit(version))
    context = {
        "workspace": row.target,
        "share": row,
        "version": version,
        "image": sharing.shared_image(row),
        "text": text[:MAX_SHOWN],
        "more_text": len(text) > MAX_SHOWN,
        "name": name,
        "existing": existing,
        "next_version": next_version(existing) if existing else "1",
        **_refusal(problem),
    }
    status = 200 if problem is None else 409 if problem.status == 409 else 422
    return render(request, "studio/shared.html", context, status=status)


@require_POST
@login_required
def take_back(request: StudioRequest, workspace: str, share: int) -> HttpResponse:
    """Withdraw an undecided share of the workspace."""
    row = get_share(request.user, workspace, share, Right.SHARE)
    try:
        withdraw(row, request.user)
    except ServiceError as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        messages.success(request, _("The share of %(version)s is withdrawn.") % {"version": row.version})
    return redirect(tab_url(row.workspace, "sharing"))
