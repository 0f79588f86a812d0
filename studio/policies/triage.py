"""The page of decisions about advisories: record, withdraw, import and export them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from builds.exposure import vex
from builds.exposure.triage import Scope, TriageRefused, decide, may_decide, rows_seen_by, withdraw
from builds.models import Advisory, AdvisoryName, Triage, TriageState
from environments.access import Right, get_environment, get_version, get_workspace, may
from environments.errors import ServiceError
from environments.models import Workspace
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from studio.policies.texts import DECISIONS, JUSTIFICATIONS

ROWS = 25
FIELDS = ("advisory", "scope", "environment", "version", "state", "justification", "reason", "until")
SCOPES = ("environment", "version", "studio")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def decisions(request: StudioRequest, workspace: str) -> HttpResponse:
    """List the decisions that hold in a workspace, and record one."""
    space = get_workspace(request.user, workspace, Right.TRIAGE if request.method == "POST" else Right.SEE)
    if request.method != "POST":
        given = {
            name: query_param(request, name)[:255] for name in ("advisory", "scope", "environment", "version")
        }
        return _page(request, space, given)
    typed = {name: _text(request, name) for name in FIELDS}
    try:
        advisory = advisory_named(typed["advisory"])
        scope = scope_in(request, space, typed["scope"], typed["environment"], typed["version"])
        decide(
            advisory,
            scope,
            typed["state"],
            typed["reason"],
            request.user,
            until=day(typed["until"]),
            justification=typed["justification"],
        )
    except ServiceError as problem:
        return _page(request, space, typed, problem)
    messages.success(request, _("Decision about %(advisory)s recorded.") % {"advisory": advisory.key})
    return redirect("decisions", space.name)


@require_POST
@login_required
def withdraw_decision(request: StudioRequest, workspace: str, decision: int) -> HttpResponse:
    """Withdraw a decision."""
    space = get_workspace(request.user, workspace, Right.TRIAGE)
    row = decision_in(request, space, decision)
    try:
        withdraw(row, request.user)
    except ServiceError as problem:
        messages.error(request, f"{problem.message} {problem.help}".strip())
    else:
        messages.success(
            request, _("Decision about %(advisory)s withdrawn.") % {"advisory": row.advisory.key}
        )
    return redirect("decisions", space.name)


@never_cache
@require_safe
@login_required
def export_vex(request: StudioRequest, workspace: str) -> HttpResponse:
    """Return the decisions that hold in a workspace as CycloneDX VEX."""
    space = get_workspace(request.user, workspace)
    version = "1.5" if query_param(request, "spec") == "1.5" else "1.6"
    answer = HttpResponse(vex.export(space, version), content_type="application/vnd.cyclonedx+json")
    answer["Content-Disposition"] = f'attachment; filename="{vex.file_name(space)}"'
    return answer


@never_cache
@require_POST
@login_required
def import_vex(request: StudioRequest, workspace: str) -> HttpResponse:
    """Record the decisions of a CycloneDX VEX file."""
    space = get_workspace(request.user, workspace, Right.TRIAGE)
    typed = {name: _text(request, name) for name in ("scope", "environment", "version")}
    file = request.FILES.get("file")
    try:
        if file is None:
            raise TriageRefused("file", _("Choose a file."))
        scope = scope_in(request, space, typed["scope"], typed["environment"], typed["version"])
        outcome = vex.import_vex(file.read(vex.MOST_BYTES + 1), scope, request.user)
    except ServiceError as problem:
        return _page(request, space, typed, import_problem=problem)
    count = len(outcome.recorded)
    if count:
        text = ngettext("%(count)s decision recorded.", "%(count)s decisions recorded.", count)
        messages.success(request, text % {"count": count})
    if not outcome.skipped:
        return redirect("decisions", space.name)
    return _page(request, space, {}, skipped=outcome.skipped)


def advisory_named(name: str) -> Advisory:
    """Return the advisory of this name or alias. Raises TriageRefused."""
    row = AdvisoryName.objects.filter(name=name.upper()[:100]).select_related("advisory").first()
    advisory = row.advisory if row else Advisory.objects.filter(key=name[:100]).first()
    if advisory is None:
        raise TriageRefused(
            "advisory", f"There is no advisory “{name[:80]}”.", "Write its id, such as CVE-2024-1234."
        )
    return advisory


def scope_in(request: Any, workspace: Workspace, scope: str, environment: str, version: str) -> Scope:
    """Return the scope that was chosen, within a workspace. Raises TriageRefused."""
    if scope == "studio":
        return Scope()
    if scope not in SCOPES:
        raise TriageRefused("scope", "This scope can't be chosen.", f"Choose {', '.join(SCOPES)}.")
    try:
        if scope == "environment":
            return Scope(environment=get_environment(request.user, workspace.name, environment))
        return Scope(version=get_version(request.user, workspace.name, environment, version))
    except Http404 as missing:
        raise TriageRefused("environment", str(missing)) from None


def decision_in(request: Any, workspace: Workspace, number: int) -> Triage:
    """Return a decision of a workspace, or one for the studio. Raises Http404."""
    rows = rows_seen_by(request.user, [workspace.pk])
    row = rows.filter(pk=number).first() if number < 2**63 else None
    if row is None:
        raise Http404(f"There is no decision {number} in {workspace}.")
    return row


def day(text: str) -> dt.date | None:
    """Return the day that was typed; None for none. Raises TriageRefused."""
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise TriageRefused("until", "This is no day.", "Write it as 2027-01-31.") from None


def _text(request: StudioRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\0", "").strip()[:3_000]


def _page(
    request: StudioRequest,
    workspace: Workspace,
    typed: dict[str, str],
    problem: ServiceError | None = None,
    **more: Any,
) -> HttpResponse:
    rows = rows_seen_by(request.user, [workspace.pk])
    page = Paginator(rows, ROWS).get_page(query_param(request, "page"))
    today = timezone.now().date()
    entries = [
        {
            "row": row,
            "label": DECISIONS[TriageState(row.state)],
            "justification": JUSTIFICATIONS.get(row.justification, ""),  # type: ignore[call-overload]
            "over": row.until is not None and row.until < today,
            "may_withdraw": may_decide(request.user, Scope(row.environment, row.version), row.state),
        }
        for row in page
    ]
    accepts = may(request.user, Right.ACCEPT_RISKS, workspace)
    context = {
        "workspace": workspace,
        "page": page,
        "entries": entries,
        "may_decide": may(request.user, Right.TRIAGE, workspace),
        "accepts": accepts,
        "states": [
            (name, label) for name, (label, *_rest) in DECISIONS.items() if accepts or name == "pending"
        ],
        "justifications": JUSTIFICATIONS.items(),
        "admin": request.user.is_superuser,
        "typed": {
            "scope": "environment",
            "state": "pending",
            **{name: value for name, value in typed.items() if value},
        },
        "problem": problem,
        "field": getattr(problem, "field", ""),
        **more,
    }
    failed = problem is not None or "import_problem" in more
    return render(request, "studio/decisions.html", context, status=422 if failed else 200)
