"""Define a new environment, a copy of another, or an environment's next version."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from builds.queue import requests
from environments.access import Right, get_version, get_workspace, rights_in, workspaces_of
from environments.definition.reading.edit_context import editable
from environments.errors import ServiceError
from environments.models import Version, Workspace
from environments.requests import StudioRequest, wants_partial
from environments.versions.forms import (
    DefinitionForm,
    beside_in,
    query_param,
    selection_in,
    write_tags,
)
from environments.versions.input import (
    LIMITS,
    DefinitionInput,
    input_of,
    read_input,
    replace_file,
    texts_beside,
)
from environments.versions.texts import text_to_edit
from environments.versions.views import version_named
from studio.defining import starting_points
from studio.defining.choice import platform_choices
from studio.defining.editor_texts import phrases
from studio.defining.fixing import fixed_input
from studio.defining.ignoring import change_ignored
from studio.defining.review import SaveRequest, review

NAME_CODES = {"name-reserved", "name-invalid", "name-taken"}


@dataclass
class Draft:
    """A definition that is being written: its form, its workspace and its starting point."""

    workspace: Workspace
    form: DefinitionForm
    source: str = starting_points.TEXT
    start: Version | None = None
    fixed: Version | None = None  # the version that it succeeds

    def target(self, request: StudioRequest) -> Workspace:
        """Return the chosen workspace; the current workspace until a valid choice is made."""
        chosen = request.POST.get("workspace", "")
        if self.fixed is not None or not chosen or chosen == self.workspace.name:
            return self.workspace
        return writable_workspaces(request.user).filter(name=chosen).first() or self.workspace


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
        draft = Draft(
            workspace, DefinitionForm(request.POST, request.FILES, workspaces=choices), source, origin
        )
        return submit(request, draft)
    has_picks = source == starting_points.PACKAGES and "base" in request.GET
    if not has_picks and (
        source == starting_points.PACKAGES or (source == starting_points.START and origin is None)
    ):
        return pick_start(request, workspace, source)
    initial: dict[str, Any] = {"workspace": workspace.name}
    if origin is not None:
        initial |= initial_values(origin, query_param(request, "file"))
        initial["name"] = f"{origin.environment.shown_name}-copy"
    elif has_picks:
        initial["text"] = starting_points.definition_text(
            *(request.GET.get(name, "") for name in ("base", "python", "packages"))
        )
    elif source == starting_points.DOCKERFILE:
        initial |= {"text": starting_points.DOCKERFILE_TEXT, "filename": "Dockerfile"}
    return form_page(
        request, Draft(workspace, DefinitionForm(initial=initial, workspaces=choices), source, origin)
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Define the next version of an environment. Curated environments can only be copied (rule 29)."""
    start = get_version(request.user, workspace, name, version)
    workspace = start.environment.workspace
    if workspace.curated:
        raise Http404("A curated environment cannot be edited; use it as the start of a new one.")
    get_workspace(request.user, workspace.name, Right.DEFINE)
    if request.method == "POST":
        form = DefinitionForm(request.POST, request.FILES, fixed=start)
        return submit(request, Draft(workspace, form, start=start, fixed=start))
    return form_page(request, next_version_draft(start, query_param(request, "file")))


def next_version_draft(version: Version, path: str = "") -> Draft:
    """Return the draft of an environment's next version, with the text of this version.

    For a build context that is the text of one file: `path` if it can be edited, else its Dockerfile.
    """
    form = DefinitionForm(initial=initial_values(version, path), fixed=version)
    return Draft(version.environment.workspace, form, start=version, fixed=version)


def initial_values(version: Version, path: str) -> dict[str, str]:
    """Return the initial values of a form that starts from a version."""
    initial = {"description": version.description, "tags": write_tags(version.tags)}
    context = version.definition.context
    if context is None:
        return initial | {"text": text_to_edit(version)}
    files = {file.path for file in context.files if not file.link and editable(file.content, LIMITS)}
    path = next((candidate for candidate in (path, context.dockerfile_path) if candidate in files), "")
    return initial | {"text": context.text(path) or "", "context_file": path}


@require_POST
@login_required
def check(request: StudioRequest, workspace: str) -> HttpResponse:
    """Return the findings on an unsaved definition, and what a build of it would do."""
    workspace = get_workspace(request.user, workspace)
    reference = query_param(request, "from")
    start = version_named(request.user, reference) if reference else None
    fixed = start if start is not None and query_param(request, "next") else None
    draft = Draft(workspace, DefinitionForm(), start=start, fixed=fixed)
    target = draft.target(request)
    typed = request.POST.get("typing", "")
    context = review(
        submitted_input(request, draft),
        target,
        start,
        fixed,
        may_define=rights_in(target, request.user)["define"],
        typing=int(typed) if typed.isdecimal() and len(typed) < 8 else 0,
    )
    tries = request.POST.get("tries", "")
    context["tries"] = int(tries) + 1 if tries.isdecimal() and len(tries) < 3 else 1
    return render(request, "studio/_checked.html", {"workspace": workspace, **context})


def pick_start(request: StudioRequest, workspace: Workspace, source: str) -> HttpResponse:
    """Show the choices that precede the text: an environment to copy, or a base image and packages."""
    context: dict[str, Any] = {
        "workspace": workspace,
        "source": source,
        "sources": starting_points.STARTING_POINTS,
    }
    if source == starting_points.START:
        query = query_param(request, "q")
        catalogue = Workspace.objects.filter(curated=True).first()
        own = starting_points.environments_to_copy(workspace, query) if workspace != catalogue else []
        curated = starting_points.environments_to_copy(catalogue, query) if catalogue else []
        context |= {"query": query, "own": own, "curated": curated, "most": starting_points.MAX_STARTS}
        return render(request, f"studio/{'_' if wants_partial(request) else 'pick_'}start.html", context)
    context |= {"bases": starting_points.bases_for(workspace), "pythons": starting_points.PYTHONS}
    return render(request, "studio/pick_packages.html", context)


def submitted_input(request: StudioRequest, draft: Draft) -> DefinitionInput:
    """Return the submitted definition, also from an invalid form."""
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


def with_changed_file(version: Version, path: str, text: str) -> DefinitionInput:
    """Return a version's build context with one file replaced."""
    try:
        return replace_file(version.definition, path, text)
    except ValueError as problem:
        raise Http404(f"{version} has no file {path} in its build context.") from problem


def writable_workspaces(user: Any) -> QuerySet[Workspace]:
    """Return the workspaces a user may define environments in, without the catalogue, which takes proposals."""
    return workspaces_of(user, Right.DEFINE).filter(curated=False).order_by("title")


def submit(request: StudioRequest, draft: Draft) -> HttpResponse:
    """Check, review, save, or save and build the submitted form."""
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
    if action == "review":
        return review_step(request, draft, given)
    if not valid:
        return form_page(request, draft, given=given, status=422)
    if action == "check":
        return form_page(request, draft, given=given)
    save_request = save_request_of(draft, given)
    user = request.user
    try:
        saved = save_request.save(user)
    except ServiceError as problem:
        add_refusal(draft.form, problem, save_request.name)
        return form_page(request, draft, given=given, status=422)
    if not saved.created:
        messages.info(
            request,
            _("%(version)s has this content already, so there is no new version.")
            % {"version": saved.version},
        )
    elif action != "build":
        messages.success(request, _("%(version)s is saved.") % {"version": saved.version})
    if action == "build":
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
        _("%(version)s is ready at once: its definition has an image already.") % {"version": version},
    )
    return version_page


def save_request_of(draft: Draft, given: DefinitionInput) -> SaveRequest:
    """Return the save request of a valid form."""
    data = draft.form.cleaned_data
    fixed = draft.fixed
    return SaveRequest(
        workspace=fixed.environment.workspace if fixed else data["workspace"],
        name=fixed.environment.name if fixed else (data["name"].strip() or given.reading.name),
        given=given,
        version=data["version"],
        description=data["description"],
        tags=data["tags"],
        start=draft.start,
        new=fixed is None,
    )


def with_fix(draft: Draft, given: DefinitionInput, workspace: Workspace, chosen: str) -> DefinitionInput:
    """Return the input with the fix that the form's button names."""
    reading = review(given, workspace, draft.start, draft.fixed)["reading"]
    return fixed_input(given, reading, draft.start, chosen) if reading is not None else given


def review_step(request: StudioRequest, draft: Draft, given: DefinitionInput) -> HttpResponse:
    """Show what saving and building would do, or why saving is refused."""
    save_request = save_request_of(draft, given) if draft.form.is_valid() else None
    user = request.user
    saved = save_request.rehearse(user) if save_request is not None else None
    if save_request is not None and isinstance(saved, ServiceError):
        add_refusal(draft.form, saved, save_request.name)
        saved = None
    step = {"reviewed": True, "order": save_request, "saved": saved}
    if request.htmx:
        context = review(given, draft.target(request), draft.start, draft.fixed)
        shared = {"workspace": draft.workspace, "form": draft.form}
        return render(request, "studio/_review_step.html", {**shared, **context, **step})
    return form_page(request, draft, given=given, status=200 if saved else 422, **step)


def sentence(text: str) -> str:
    """Return a text as a sentence, with a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def add_refusal(form: DefinitionForm, problem: ServiceError, name: str) -> None:
    """Add a refusal to the form, at the field it is about."""
    message = " ".join(sentence(part) for part in (problem.message, problem.help) if part)
    if problem.code == "name-invalid" and not name and "name" in form.fields:
        form.add_error("name", _("Name it – the definition has no name."))
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


def form_context(
    request: StudioRequest, draft: Draft, given: DefinitionInput | None = None
) -> dict[str, Any]:
    """Return the template context of the form."""
    initial = draft.form.initial
    text = given.text if given else initial.get("text", "")
    path = initial.get("context_file", "")
    if given is None and path and draft.start is not None:
        given = with_changed_file(draft.start, path, text)
    elif given is None and text:
        given = input_of(draft.start) if draft.start else read_input(text, initial.get("filename", ""))
    context = {
        "form": draft.form,
        "workspace": draft.workspace,
        "start": draft.start,
        "fixed": draft.fixed,
        "text": text,
        "source": draft.source,
        "sources": starting_points.STARTING_POINTS,
        "limits": LIMITS,
        "phrases": phrases(),
        "platforms": platform_choices(given),
    }
    if given is not None:
        context["beside"] = beside_rows(given, draft.start)
        context |= review(given, draft.target(request), draft.start, draft.fixed)
    return context


def beside_rows(given: DefinitionInput, start: Version | None) -> list[tuple[str, str | None]]:
    """Return the files beside the text, each with its own text; None where it is that of the version it starts from."""
    held = texts_beside(start) if start is not None and given.beside else {}
    return [(path, None if held.get(path) == text else text) for path, text in given.beside.items()]
