"""Heal environments of a workspace: choose what, rehearse, follow, and save what waits for a decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from builds.healing.affected import Affected, affected_versions
from builds.healing.lookup import advisories_named
from builds.healing.publishing import publish_ready
from builds.healing.runs import cancel_run, named, runs_in, start_run
from builds.models import Advisory
from builds.models.healing import HealItem, HealRun, HealState
from environments.access import Right, get_workspace, rights_in, workspaces_of
from environments.errors import ServiceError
from environments.models import Workspace
from environments.requests import StudioRequest
from studio.labels import HEAL_STATES

MOST_SHOWN = 500
MOST_RUNS = 20
GOOD = (HealState.HEALED, HealState.PROPOSED)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def heal(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show which environments advisories affect, and start a run over those that are chosen."""
    right = Right.DEFINE if request.method == "POST" else Right.SEE
    space = get_workspace(request.user, workspace, right)
    if request.method == "POST":
        return _start(request, space)
    return _page(request, space, request.GET.get("id", "").replace("\0", ""))


def _page(
    request: StudioRequest, space: Workspace, names: str, problem: ServiceError | None = None
) -> HttpResponse:
    advisories: list[Advisory] = []
    if names.strip() and problem is None:
        try:
            advisories = advisories_named(names.replace(",", " ").split())
        except ServiceError as error:
            problem = error
    pairs = _affected(advisories, space)
    context = {
        "workspace": space,
        "names": names[:2000],
        "advisories": advisories,
        "affected": pairs[:MOST_SHOWN],
        "more": max(0, len(pairs) - MOST_SHOWN),
        "runs": _recent(space),
        "problem": problem,
        "homes": _homes(request) if space.curated else [],
        "here": rights_in(space, request.user),
    }
    return render(request, "studio/heal.html", context, status=422 if problem else 200)


def _affected(advisories: list[Advisory], space: Workspace) -> list[Affected]:
    return affected_versions(advisories, [space]) if advisories else []


def _homes(request: StudioRequest) -> list[Workspace]:
    """Return the workspaces that a user may propose from."""
    return list(workspaces_of(request.user, Right.PROPOSE).filter(curated=False).order_by("name")[:200])


def _recent(space: Workspace) -> list[dict[str, Any]]:
    runs = list(runs_in(space).prefetch_related("advisories")[:MOST_RUNS])
    counts: dict[int, Counter[str]] = {run.pk: Counter() for run in runs}
    for run, state in HealItem.objects.filter(run__in=runs, environment__workspace=space).values_list(
        "run", "state"
    ):
        counts[run][state] += 1
    return [
        {
            "run": run,
            "names": [advisory.key for advisory in run.advisories.all()],
            "total": counts[run.pk].total(),
            "good": sum(counts[run.pk][state] for state in GOOD),
        }
        for run in runs
    ]


def _start(request: StudioRequest, space: Workspace) -> HttpResponse:
    names = request.POST.get("id", "").replace("\0", "")
    chosen = {
        int(key) for key in request.POST.getlist("environment")[:2000] if key.isascii() and key.isdigit()
    }
    try:
        home = _chosen_home(request, space)
        if not chosen:
            raise ServiceError("nothing-chosen", _("Choose at least one environment."), "")
        run = start_run(
            advisories_named(names.replace(",", " ").split()),
            Workspace.objects.filter(pk=space.pk),
            request.user,
            environments=chosen,
            dry_run=request.POST.get("action") != "heal",
            untested="untested" in request.POST,
            workspace=home,
        )
    except ServiceError as problem:
        return _page(request, space, names, problem)
    return redirect("heal-run", space.name, run.pk)


def _chosen_home(request: StudioRequest, space: Workspace) -> Workspace | None:
    """Return the workspace in which changes of curated environments are built. Raises ServiceError."""
    if not space.curated:
        return None
    name = request.POST.get("from", "").replace("\0", "")
    home = next((home for home in _homes(request) if home.name == name), None)
    if home is None:
        raise ServiceError("no-workspace", _("Choose the workspace to propose the changes from."), "")
    return home


@require_GET
@login_required
def run(request: StudioRequest, workspace: str, run: int) -> HttpResponse:
    """Show what became of each environment of a run."""
    space = get_workspace(request.user, workspace, Right.SEE)
    row = _run(space, run)
    items = list(
        row.items.filter(environment__workspace=space).select_related(
            "environment__workspace",
            "version__environment__workspace",
            "published__environment__workspace",
            "build__workspace",
            "after__environment",
        )[: MOST_SHOWN + 1]
    )
    counts = Counter(row.items.filter(environment__workspace=space).values_list("state", flat=True))
    visible = set(workspaces_of(request.user).values_list("pk", flat=True))
    context = {
        "workspace": space,
        "run": row,
        "more": max(0, counts.total() - MOST_SHOWN),
        "rows": [
            {"item": item, **shown_state(item.state), **_elsewhere(item, visible)}
            for item in items[:MOST_SHOWN]
        ],
        "names": named(row.advisories.all()),
        "here": rights_in(space, request.user),
        "may_save": not space.curated or row.workspace in _homes(request),
        "counts": [{"number": counts[state], **shown_state(state)} for state in HealState if counts[state]],
        "under_way": any(item.open for item in items),
        "planned": [item for item in items if item.state == HealState.PLANNED],
    }
    return render(request, "studio/heal_run.html", context)


def _elsewhere(item: HealItem, visible: Container[int]) -> dict[str, Any]:
    """Return what an item has in other workspaces, such as a curated environment in that it is proposed from.

    None for what is in no workspace that the user sees.
    """
    build, published, after = item.build, item.published, item.after
    return {
        "build": build if build and build.workspace_id in visible else None,
        "published": published if published and published.environment.workspace_id in visible else None,
        "after": after if after and after.environment.workspace_id in visible else None,
    }


@require_POST
@login_required
def cancel(request: StudioRequest, workspace: str, run: int) -> HttpResponse:
    """Stop a run in a workspace: nothing more of it is saved."""
    space = get_workspace(request.user, workspace, Right.DEFINE)
    row = _run(space, run)
    if cancel_run(row, request.user, space):
        messages.success(request, _("Stopped. Nothing more is saved."))
    return redirect("heal-run", space.name, row.pk)


@require_POST
@login_required
def publish(request: StudioRequest, workspace: str, run: int, item: int) -> HttpResponse:
    """Save what is built but was not saved."""
    space = get_workspace(request.user, workspace, Right.DEFINE)
    row = get_object_or_404(
        HealItem.objects.select_related("run__workspace", "version__environment__workspace", "candidate"),
        pk=item,
        run=_run(space, run),
        environment__workspace=space,
    )
    try:
        publish_ready(row, request.user)
    except ServiceError as problem:
        messages.error(request, f"{problem.message} {problem.help}".strip())
    else:
        row.refresh_from_db()
        if row.published is not None:
            messages.success(request, _("%(version)s is saved.") % {"version": row.published})
        else:
            messages.error(request, row.reason)
    return redirect("heal-run", space.name, row.run_id)


def shown_state(state: str) -> dict[str, Any]:
    """Return the badge of an item: the name of a state with its icon and colour, and its own label."""
    name, label = HEAL_STATES[state]
    return {"state": name, "label": label}


def _run(space: Workspace, pk: int) -> HealRun:
    row = runs_in(space).filter(pk=pk).first()
    if row is None:
        raise Http404("There is no such run.")
    return row
