"""Builds and images, as pages."""

import uuid
from collections.abc import AsyncIterator
from operator import itemgetter

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from builds import previews, queries, services
from builds.causes import CATALOGUE
from builds.charts import charts_of
from builds.figures import DEFAULT_PERIOD, PERIODS, figures_of
from builds.history import Sought, find_builds
from builds.kept import Wanted, find_images
from builds.layers import shared_layers
from builds.logs import read_log
from builds.models import State
from builds.news import saw_the_end
from builds.pages import build_context, get_build, last_chunks, pull_command
from builds.services import NotPossible
from builds.terminal import chunks_html
from environments.access import Right, get_version, get_workspace, may
from environments.lists import Pages
from environments.models import Workspace

ROWS = 25
COUNTED_AT_ONCE = 5_000  # builds


@require_safe
@login_required
def builds(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show the history of a workspace's builds."""
    place = get_workspace(request.user, workspace)
    sought = Sought.read(request.GET, request.user.get_username())
    found = find_builds(queries.builds_for_list(place), place, sought)
    counts = queries.state_counts(place)
    context = {
        "place": place,
        "page": Pages(found.rows, ROWS, most=found.most, as_many=found.as_many).get_page(
            request.GET.get("page")
        ),
        "counts": counts,
        "states": State.choices,
        "sought": sought,
        "people": queries.people_of(place),
        "causes": sorted(((entry.code, entry.title) for entry in CATALOGUE.values()), key=itemgetter(1)),
        "period": period_of(request),
    }
    # The figures of very many builds come after the page: the list is there at once.
    if counts["all"].number <= COUNTED_AT_ONCE:
        context |= figures_shown(request, place, sought)
    return render(request, "builds/builds.html", context)


@require_safe
@login_required
@vary_on_headers("HX-Request")
def figures(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show how the builds of a period went."""
    place = get_workspace(request.user, workspace)
    sought = Sought.read(request.GET, request.user.get_username())
    context = {"place": place, "sought": sought} | figures_shown(request, place, sought)
    part = request.htmx and not request.htmx.history_restore_request  # type: ignore[attr-defined]
    return render(request, f"builds/{'_' if part else ''}figures.html", context)


def period_of(request: HttpRequest) -> str:
    """Return the period of which somebody wants the figures."""
    period = request.GET.get("period", "")
    return period if period in PERIODS else DEFAULT_PERIOD


def figures_shown(request: HttpRequest, place: Workspace, sought: Sought) -> dict[str, object]:
    """Return what the charts and their table show."""
    told = figures_of(place, sought, period_of(request))
    return {
        "period": period_of(request),
        "periods": [("month", _("30 days")), ("quarter", _("13 weeks")), ("year", _("A year"))],
        "told": told,
        "rows": told.parts[::-1],
        "charts": charts_of(told),
    }


@require_safe
@login_required
def build(request: HttpRequest, workspace: str, build: uuid.UUID) -> HttpResponse:
    """Show one build: its state, its steps, and its log as far as it is."""
    found = get_build(request.user, workspace, build)
    if not found.active:
        saw_the_end(request.user, found.pk)
    chunks = last_chunks(found, everything="all" in request.GET)
    context = build_context(found, request.user, request.get_host()) | {
        "place": found.workspace,
        "log": chunks_html(chunks),
        "first_line": chunks[0].first_line if chunks else 1,
        "last_missing": chunks[0].first_line - 1 if chunks else 0,
        "cursor": chunks[-1].seq if chunks else 0,
    }
    return render(request, "builds/build.html", context)


@require_safe
@login_required
def log(request: HttpRequest, workspace: str, build: uuid.UUID) -> StreamingHttpResponse:
    """Send the whole log as text."""
    found = get_build(request.user, workspace, build)
    response = StreamingHttpResponse(log_text(found.pk), content_type="text/plain; charset=utf-8")
    name = f"{found.version.environment.name}-{found.version.version}-{str(found.pk)[:8]}.log"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


async def log_text(build: uuid.UUID) -> AsyncIterator[str]:
    """Yield a log from its first line, as it is read: what is not async would be collected whole first."""
    cursor = 0
    while (page := await sync_to_async(read_log)(build, cursor)).chunks:
        yield page.text
        cursor = page.cursor


@require_POST
@login_required
def cancel(request: HttpRequest, workspace: str, build: uuid.UUID) -> HttpResponse:
    """Stop waiting for a build; with the last one who waits, the build stops."""
    found = get_build(request.user, workspace, build, Right.BUILD)
    try:
        services.cancel_for(found, request.user)  # type: ignore[arg-type]
    except NotPossible as problem:
        messages.error(request, str(problem))
    return redirect("builds:build", workspace, found.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def stop(request: HttpRequest, workspace: str, build: uuid.UUID) -> HttpResponse:
    """Ask before a build is stopped for everybody who waits for it, and stop it."""
    found = get_build(request.user, workspace, build, Right.CANCEL_OTHERS)
    if request.method == "POST":
        try:
            services.stop_for_all(found, request.user)  # type: ignore[arg-type]
        except NotPossible as problem:
            messages.error(request, str(problem))
        return redirect("builds:build", workspace, found.pk)
    context = {"place": found.workspace, "build": found, "waiting": queries.waiting_for(found)}
    return render(request, "builds/stop.html", context)


@require_POST
@login_required
def retry(request: HttpRequest, workspace: str, build: uuid.UUID) -> HttpResponse:
    """Ask again for what a failed or cancelled build did not make."""
    found = get_build(request.user, workspace, build, Right.BUILD)
    try:
        asked = services.retry(found, request.user)  # type: ignore[arg-type]
    except NotPossible as problem:
        messages.error(request, str(problem))
        return redirect("builds:build", workspace, found.pk)
    if asked.build is None:
        messages.success(
            request,
            _("%(version)s is ready: there is an image for this definition now.")
            % {"version": asked.version},
        )
        return redirect("version", workspace, asked.version.environment.name, asked.version.version)
    return redirect("builds:build", workspace, asked.build.pk)


@require_POST
@login_required
def start(request: HttpRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Ask for a version's image: there at once, a build to join, or a new build."""
    wanted = get_version(request.user, workspace, name, version, Right.BUILD)
    rebuild = request.POST.get("rebuild") == "yes"
    try:
        asked = services.request_build(wanted, request.user, rebuild=rebuild)  # type: ignore[arg-type]
    except NotPossible as problem:
        messages.error(request, str(problem))
        return redirect("version", workspace, name, wanted.version)
    if asked.build is None:
        messages.success(
            request,
            _("%(version)s is ready at once: its definition has an image already, nothing was built.")
            % {"version": wanted},
        )
        return redirect("version", workspace, name, wanted.version)
    if asked.joined:
        messages.info(request, _("This definition is being built already; you wait for the same build."))
    return redirect("builds:build", workspace, asked.build.pk)


@require_safe
@login_required
def rebuild(request: HttpRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Ask before a rebuild, and name every version that shares the image (rule 16)."""
    wanted = get_version(request.user, workspace, name, version, Right.BUILD)
    place = wanted.environment.workspace
    context = {
        "place": place,
        "environment": wanted.environment,
        "version": wanted,
        "image": services.image_of(wanted),
        "sharing": services.versions_sharing(place, wanted.hash),
    }
    return render(request, "builds/rebuild.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def moves(request: HttpRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Show what a rebuild would move: a POST has a worker look, a GET asks how far it is (rule 16)."""
    wanted = get_version(request.user, workspace, name, version, Right.BUILD)
    image = services.image_of(wanted)
    if image is not None and request.method == "POST":
        previews.look_ahead(wanted, image)
    preview = previews.preview_of(wanted, image)
    context = {"place": wanted.environment.workspace, "version": wanted, "preview": preview}
    return render(request, "builds/_moves.html", context)


@require_safe
@login_required
def images(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show a workspace's images and which versions share each."""
    place = get_workspace(request.user, workspace)
    wanted = Wanted.read(request.GET)
    found = find_images(queries.images_for_list(place), place, wanted)
    page = Pages(found, ROWS).get_page(request.GET.get("page"))
    names = queries.sharing_names(place, [image.hash for image in page])
    shared = shared_layers([image.pk for image in page])
    rows = [
        {
            "image": image,
            "versions": names.get(image.hash, []),
            "pull": pull_command(image, request.get_host()),
            "shared": shared.get(image.pk),
        }
        for image in page
    ]
    context = {
        "place": place,
        "page": page,
        "rows": rows,
        "wanted": wanted,
        "choices": [
            ("current", _("Current ones")),
            ("replaced", _("Replaced by a newer one")),
            ("unused", _("Not used for 30 days")),
            ("moved", _("Base has moved")),
        ],
        "may_clean_up": may(request.user, Right.CLEAN_UP, place),
    }
    return render(request, "builds/images.html", context)
