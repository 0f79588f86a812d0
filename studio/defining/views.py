"""Define a new environment, a copy of another, or an environment's next version."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from builds.images.repositories import resolving_environments
from builds.queue import requests
from environments.access import Right, get_version, get_workspace, rights_in
from environments.errors import ServiceError
from environments.models import Version, Workspace
from environments.requests import StudioRequest, wants_partial
from environments.versions.forms import DefinitionForm, beside_in, query_param, selection_in
from environments.versions.input import DefinitionInput, read_input
from environments.versions.views import version_named
from studio.defining import starting_points
from studio.defining.drafting import (
    Draft,
    form_context,
    initial_values,
    next_version_draft,
    taken_by,
    with_changed_file,
    writable_workspaces,
)
from studio.defining.fixing import fixed_input
from studio.defining.ignoring import change_ignored
from studio.defining.names import NEXT, taken_name
from studio.defining.picks import Picks, picks_in
from studio.defining.review import SaveRequest, review

NAME_CODES = {"name-reserved", "name-invalid", "name-taken"}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: StudioRequest, workspace: str) -> HttpResponse:
    """Define a new environment from one of the starting points."""
    workspace = get_workspace(request.user, workspace, Right.DEFINE)
    choices = writable_workspaces(request.user)
    reference = query_param(request, "from")
    origin = version_named(request.user, reference) if reference else None
    source = (
        starting_points.START
        if origin
        else starting_points.starting_point_named(query_param(request, "source"))
    )
    if request.method == "POST":
        form = DefinitionForm(request.POST, request.FILES, workspaces=choices)
        return submit(request, Draft(workspace, form, source, origin, picks=picks_in(request.POST)))
    if source == starting_points.START and origin is None:
        return pick_start(request, workspace, source)
    initial: dict[str, Any] = {"workspace": workspace.name}
    picks = None
    if origin is not None:
        initial |= initial_values(origin, query_param(request, "file"))
        initial["name"] = f"{origin.environment.shown_name}-copy"
    elif source == starting_points.PACKAGES:
        first = starting_points.bases_for(workspace)[0].reference
        values = (request.GET.get(name, "") for name in ("python", "packages"))
        picks = Picks(request.GET.get("base", first).strip(), *values)
        initial["text"] = picks.packages
    elif source == starting_points.DOCKERFILE:
        initial |= {"text": starting_points.DOCKERFILE_TEXT, "filename": "Dockerfile"}
    form = DefinitionForm(initial=initial, workspaces=choices)
    return form_page(request, Draft(workspace, form, source, origin, picks=picks))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Define the next version of an environment. Curated environments can only be copied (rule 29)."""
    start = get_version(request.user, workspace, name, version)
    workspace = start.environment.workspace
    if workspace.curated:
        raise Http404("A curated environment cannot be edited; use it as the start of a new one.")
    get_workspace(request.user, workspace.name, Right.DEFINE)
    if start.environment.anonymous:
        raise Http404("An anonymous environment has no next version; use it as the start of a new one.")
    if request.method == "POST":
        form = DefinitionForm(request.POST, request.FILES, fixed=start)
        return submit(request, Draft(workspace, form, start=start, fixed=start))
    return form_page(request, next_version_draft(start, query_param(request, "file")))


@require_POST
@login_required
def check(request: StudioRequest, workspace: str) -> HttpResponse:
    """Return the findings on an unsaved definition, and what a build of it would do."""
    workspace = get_workspace(request.user, workspace)
    reference = query_param(request, "from")
    start = version_named(request.user, reference) if reference else None
    fixed = start if start is not None and query_param(request, "next") else None
    draft = Draft(workspace, DefinitionForm(), start=start, fixed=fixed, picks=picks_in(request.POST))
    target = draft.target(request)
    with resolving_environments(target):
        return _checked(request, draft, target)


def _checked(request: StudioRequest, draft: Draft, target: Workspace) -> HttpResponse:
    start, fixed = draft.start, draft.fixed
    given = submitted_input(request, draft)
    typed = request.POST.get("typing", "")
    context = review(
        given,
        target,
        start,
        fixed,
        may_define=rights_in(target, request.user)["define"],
        typing=int(typed) if typed.isdecimal() and len(typed) < 8 else 0,
        picked=draft.picks is not None,
    )
    tries = request.POST.get("tries", "")
    context["tries"] = int(tries) + 1 if tries.isdecimal() and len(tries) < 3 else 1
    if fixed is None:
        context["taken"] = taken_name(target, request.POST.get("name", "").strip() or given.reading.name)
    return render(request, "studio/_checked.html", {"workspace": draft.workspace, **context})


def pick_start(request: StudioRequest, workspace: Workspace, source: str) -> HttpResponse:
    """Show the environments to start from."""
    query = query_param(request, "q")
    catalogue = Workspace.objects.filter(curated=True).first()
    own = starting_points.environments_to_copy(workspace, query) if workspace != catalogue else []
    curated = starting_points.environments_to_copy(catalogue, query) if catalogue else []
    context = {
        "workspace": workspace,
        "source": source,
        "sources": starting_points.STARTING_POINTS,
        "query": query,
        "own": own,
        "curated": curated,
        "most": starting_points.MAX_STARTS,
    }
    return render(request, f"studio/{'_' if wants_partial(request) else 'pick_'}start.html", context)


def submitted_input(request: StudioRequest, draft: Draft) -> DefinitionInput:
    """Return the submitted definition, also from an invalid form."""
    if draft.picks is not None:
        return draft.picks.read(selection_in(request.POST))
    text = request.POST.get("text", "").replace("\r\n", "\n")
    path = request.POST.get("context_file", "")
    files = request.FILES.getlist("file")
    if path and draft.start is not None and not files:
        return with_changed_file(draft.start, path, text)
    return read_input(
        text,
        request.POST.get("filename", ""),
        files,
        beside=beside_in(request.POST, draft.start),
        selection=selection_in(request.POST),
    )


def submit(request: StudioRequest, draft: Draft) -> HttpResponse:
    """Check, review, save, or save and build the submitted form."""
    with resolving_environments(draft.target(request)):
        return _submit(request, draft)


def _submit(request: StudioRequest, draft: Draft) -> HttpResponse:
    given = submitted_input(request, draft)
    action = request.POST.get("action", "save")
    if chosen := request.POST.get("fix", ""):
        action, given = "check", with_fix(draft, given, draft.target(request), chosen)
    elif draft.fixed is not None and (request.POST.get("ignore") or request.POST.get("restore")):
        action = "check"
        try:
            change_ignored(request, draft.fixed.environment)
        except ServiceError as problem:
            messages.error(request, f"{problem.message} {problem.help}")
    valid = draft.form.is_valid()
    if action == "text" and draft.picks is not None:
        return form_page(request, replace(draft, source=starting_points.TEXT, picks=None), given=given)
    if action == "review":
        return review_step(request, draft, given)
    if not valid:
        return form_page(request, draft, given=given, status=422)
    if action == "check":
        return form_page(request, draft, given=given)
    save_request = save_request_of(draft, given, next_of=next_of(request))
    user = request.user
    try:
        saved = save_request.save(user)
    except ServiceError as problem:
        add_refusal(draft.form, problem, save_request)
        return form_page(request, draft, given=given, status=422)
    builds = action in {"build", "build-next"}
    if not saved.created:
        messages.info(
            request,
            _("%(version)s has this content already, so there is no new version.")
            % {"version": saved.version},
        )
    elif not builds:
        messages.success(request, _("%(version)s is saved.") % {"version": saved.version})
    if builds:
        return build_saved(request, saved.version)
    return redirect("version", save_request.workspace.name, save_request.name, saved.version.version)


def build_saved(request: StudioRequest, version: Version) -> HttpResponse:
    """Request a version's image and redirect to the build, or to the version if its image exists."""
    version_page = redirect(
        "version", version.environment.workspace.name, version.environment.name, version.version
    )
    user = request.user
    try:
        requested = requests.request_build(version, user)
    except requests.StateConflict as problem:
        messages.error(
            request,
            _("%(version)s is saved, but not built. %(problem)s") % {"version": version, "problem": problem},
        )
        return version_page
    if requested.build is not None:
        return redirect("builds:build", version.environment.workspace.name, requested.build.pk)
    messages.success(
        request,
        _("%(version)s is ready: an image for this definition already exists.") % {"version": version},
    )
    return version_page


def next_of(request: StudioRequest) -> str:
    """Return the name of the existing environment whose next version the user chose to save; empty if there is no such choice."""
    return request.POST.get("next_of", "") if request.POST.get("action") in NEXT else ""


def save_request_of(draft: Draft, given: DefinitionInput, *, next_of: str = "") -> SaveRequest:
    """Return the save request of a valid form."""
    data = draft.form.cleaned_data
    fixed = draft.fixed
    name = fixed.environment.name if fixed else (data["name"].strip() or given.reading.name)
    return SaveRequest(
        workspace=fixed.environment.workspace if fixed else data["workspace"],
        name=name,
        given=given,
        version=data["version"],
        description=data["description"],
        tags=data["tags"],
        start=draft.start,
        # A name that was changed after the choice is a new environment's.
        new=fixed is None and name != next_of,
    )


def with_fix(draft: Draft, given: DefinitionInput, workspace: Workspace, chosen: str) -> DefinitionInput:
    """Return the input with the fix that the form's button names."""
    if draft.picks is not None:
        return given
    reading = review(given, workspace, draft.start, draft.fixed)["reading"]
    return fixed_input(given, reading, draft.start, chosen) if reading is not None else given


def review_step(request: StudioRequest, draft: Draft, given: DefinitionInput) -> HttpResponse:
    """Show what saving and building would do, or why saving is refused."""
    save_request = save_request_of(draft, given) if draft.form.is_valid() else None
    user = request.user
    saved = save_request.rehearse(user) if save_request is not None else None
    if save_request is not None and isinstance(saved, ServiceError):
        add_refusal(draft.form, saved, save_request)
        saved = None
    # All that is missing is a name, which is typed here.
    needs_name = saved is None and given.reading.accepted and set(draft.form.errors) == {"name"}
    step = {"reviewed": True, "order": save_request, "saved": saved, "needs_name": needs_name}
    if request.htmx:
        context = review(given, draft.target(request), draft.start, draft.fixed)
        shared = {"workspace": draft.workspace, "form": draft.form, "taken": taken_by(draft, given)}
        return render(request, "studio/_review_step.html", {**shared, **context, **step})
    return form_page(request, draft, given=given, status=200 if saved else 422, **step)


def sentence(text: str) -> str:
    """Return a text as a sentence, with a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def add_refusal(form: DefinitionForm, problem: ServiceError, refused: SaveRequest) -> None:
    """Add a refusal to the form, at the field it is about."""
    message = " ".join(sentence(part) for part in (problem.message, problem.help) if part)
    taken = taken_name(refused.workspace, refused.name) if problem.code == "name-taken" else None
    if problem.code == "name-invalid" and not refused.name and "name" in form.fields:
        form.add_error("name", _("Name it: the definition has no name."))
    elif taken is not None and "name" in form.fields:
        form.add_error(
            "name",
            _("“%(name)s” already exists. Save as version %(version)s, or choose another name.")
            % {"name": refused.name, "version": taken.version},
        )
    elif problem.code in NAME_CODES and "name" in form.fields:
        form.add_error("name", message)
    elif problem.code in {"version-taken", "version-invalid"}:
        form.add_error("version", message)
    elif problem.code != "definition-refused":  # its findings are shown beside the text
        form.add_error(None, message)


def form_page(
    request: StudioRequest,
    draft: Draft,
    *,
    given: DefinitionInput | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """Render the form with the submitted values and the review of them."""
    return render(request, "studio/define.html", form_context(request, draft, given) | more, status=status)
