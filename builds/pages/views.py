"""Builds and images, as pages."""

import uuid
from collections.abc import AsyncIterator
from operator import itemgetter

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from builds.causes import CATALOGUE
from builds.imaging.reporting import plain
from builds.logs import read_log
from builds.models import ACTIVE, BuildState
from builds.models.steps import StepName
from builds.pages import queries
from builds.pages.build_page import build_context, get_build
from builds.pages.finished import mark_seen
from builds.pages.log_groups import log_groups
from builds.pages.sharing import sharing_of
from builds.pages.steps import step_label
from builds.queue import previews, requests
from builds.queue.requests import StateConflict
from builds.statistics.charts import make_charts
from builds.statistics.figures import DEFAULT_PERIOD, PERIODS, figures_of
from builds.statistics.history import HistoryFilter, find_builds
from builds.statistics.waiting import expected_times
from environments.access import Right, get_version, get_workspace
from environments.models import Workspace
from environments.paging import KeysetPaginator
from environments.public_url import public_host
from environments.requests import StudioRequest, wants_partial

ROWS = 25
ENDED = set(BuildState) - set(ACTIVE)
COUNTED_AT_ONCE = 5_000  # builds


@require_safe
@login_required
def builds(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show the history of a workspace's builds."""
    workspace = get_workspace(request.user, workspace)
    criteria = HistoryFilter.read(request.GET, request.user.get_username())
    matches = find_builds(queries.builds_for_list(workspace), workspace, criteria)
    counts = queries.state_counts(workspace)
    active, ended = [], matches.rows
    if criteria.state not in ENDED:
        # Active builds come first, on the first page; the pages are of builds that have ended.
        active, ended = queries.active_builds(matches.rows), matches.rows.exclude(state__in=ACTIVE)
    page = KeysetPaginator(ended, ROWS, most=matches.most, as_many=matches.as_many).get_page(
        request.GET.get("page")
    )
    if page.number > 1:
        active = []
    context = {
        "workspace": workspace,
        "page": page,
        "listed": [*active, *page],
        "expected": expected_times(workspace, active),
        "counts": counts,
        "states": BuildState.choices,
        "criteria": criteria,
        "people": queries.people_of(workspace),
        "causes": sorted(((entry.code, entry.title) for entry in CATALOGUE.values()), key=itemgetter(1)),
        "period": period_of(request),
    }
    # The figures of very many builds come after the page: the list is there at once.
    if counts["all"].number <= COUNTED_AT_ONCE:
        context |= figures_context(request, workspace, criteria)
    return render(request, "builds/builds.html", context)


@require_safe
@login_required
@vary_on_headers("HX-Request")
def figures(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show how the builds of a period went."""
    workspace = get_workspace(request.user, workspace)
    criteria = HistoryFilter.read(request.GET, request.user.get_username())
    context = {"workspace": workspace, "criteria": criteria} | figures_context(request, workspace, criteria)
    return render(request, f"builds/{'_' if wants_partial(request) else ''}figures.html", context)


def period_of(request: StudioRequest) -> str:
    """Return the period of the query string."""
    period = request.GET.get("period", "")
    return period if period in PERIODS else DEFAULT_PERIOD


def figures_context(
    request: StudioRequest, workspace: Workspace, criteria: HistoryFilter
) -> dict[str, object]:
    """Return the context of the charts and their table."""
    period = period_of(request)
    report = figures_of(workspace, criteria, period)
    periods = [("month", _("30 days")), ("quarter", _("13 weeks")), ("year", _("A year"))]
    return {
        "period": period,
        "periods": periods,
        "period_words": dict(periods)[period],
        "figures_open": "period" in request.GET,
        # A chart of a single day or week shows nothing that its numbers don't.
        "charted": sum(not part.empty for part in report.parts) > 1,
        "report": report,
        "rows": report.parts[::-1],
        "charts": make_charts(report),
    }


@require_safe
@login_required
def build(request: StudioRequest, workspace: str, build: uuid.UUID) -> HttpResponse:
    """Show one build: its state, its steps, and its log as far as it is."""
    row = get_build(request.user, workspace, build)
    if not row.active:
        mark_seen(request.user, row.workspace.name, row.pk)
    groups, cursor = log_groups(row, everything="all" in request.GET)
    context = build_context(row, request.user, public_host(request)) | {
        "workspace": row.workspace,
        "log_groups": groups,
        "step_labels": {name.value: step_label(name.value, row) for name in StepName},
        "cursor": cursor,
    }
    return render(request, "builds/build.html", context)


@require_safe
@login_required
def log(request: StudioRequest, workspace: str, build: uuid.UUID) -> StreamingHttpResponse:
    """Send the whole log as plain text: it may be shown in a terminal."""
    row = get_build(request.user, workspace, build)
    response = StreamingHttpResponse(log_text(row.pk), content_type="text/plain; charset=utf-8")
    name = f"{row.version.environment.name}-{row.version.version}-{str(row.pk)[:8]}.log"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


async def log_text(build: uuid.UUID) -> AsyncIterator[str]:
    """Yield a log from its first line, as it is read: what is not async would be collected whole first."""
    cursor = 0
    while (page := await sync_to_async(read_log)(build, cursor)).chunks:
        yield plain(page.text)
        cursor = page.cursor


@require_POST
@login_required
def cancel(request: StudioRequest, workspace: str, build: uuid.UUID) -> HttpResponse:
    """Cancel this user's requests of a build; the last cancellation stops the build."""
    row = get_build(request.user, workspace, build, Right.BUILD)
    try:
        requests.cancel_requests_of(row, request.user)
    except StateConflict as problem:
        messages.error(request, str(problem))
    return redirect("builds:build", workspace, row.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def stop(request: StudioRequest, workspace: str, build: uuid.UUID) -> HttpResponse:
    """Ask before a build is stopped for everybody who waits for it, and stop it."""
    row = get_build(request.user, workspace, build, Right.CANCEL_OTHERS)
    if request.method == "POST":
        try:
            requests.stop_build(row, request.user)
        except StateConflict as problem:
            messages.error(request, str(problem))
        return redirect("builds:build", workspace, row.pk)
    context = {"workspace": row.workspace, "build": row, "waiting": queries.waiting_for(row)}
    return render(request, "builds/stop.html", context)


@require_POST
@login_required
def retry(request: StudioRequest, workspace: str, build: uuid.UUID) -> HttpResponse:
    """Ask again for what a failed or cancelled build did not make."""
    row = get_build(request.user, workspace, build, Right.BUILD)
    try:
        build_request = requests.retry(row, request.user)
    except StateConflict as problem:
        messages.error(request, str(problem))
        return redirect("builds:build", workspace, row.pk)
    if build_request.build is None:
        messages.success(
            request,
            _("%(version)s is ready. Its definition has an image now.") % {"version": build_request.version},
        )
        return redirect(
            "version", workspace, build_request.version.environment.name, build_request.version.version
        )
    return redirect("builds:build", workspace, build_request.build.pk)


@require_POST
@login_required
def start(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Ask for a version's image: there at once, a build to join, or a new build."""
    wanted = get_version(request.user, workspace, name, version, Right.BUILD)
    rebuild = request.POST.get("rebuild") == "yes"
    try:
        build_request = requests.request_build(wanted, request.user, rebuild=rebuild)
    except StateConflict as problem:
        messages.error(request, str(problem))
        return redirect("version", workspace, name, wanted.version)
    if build_request.build is None:
        messages.success(
            request,
            _("%(version)s is ready. An image for this definition already exists.") % {"version": wanted},
        )
        return redirect("version", workspace, name, wanted.version)
    if build_request.joined:
        messages.info(request, _("This definition is already building. You joined that build."))
    return redirect("builds:build", workspace, build_request.build.pk)


@require_safe
@login_required
def rebuild(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Ask before a rebuild, and name every version that shares the image (rule 16)."""
    wanted = get_version(request.user, workspace, name, version, Right.BUILD)
    workspace = wanted.environment.workspace
    context = {
        "workspace": workspace,
        "environment": wanted.environment,
        "version": wanted,
        "image": requests.image_of(wanted),
        "sharing": sharing_of(workspace, [wanted.hash], request.user)[wanted.hash],
    }
    return render(request, "builds/rebuild.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def moves(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Show what a rebuild would move: a POST has a worker look, a GET asks how far it is (rule 16)."""
    wanted = get_version(request.user, workspace, name, version, Right.BUILD)
    image = requests.image_of(wanted)
    if image is not None and request.method == "POST":
        previews.request_preview(wanted, image)
    preview = previews.recent_preview(wanted, image)
    context = {"workspace": wanted.environment.workspace, "version": wanted, "preview": preview}
    return render(request, "builds/_moves.html", context)
