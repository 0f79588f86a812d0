"""Defining an environment: a new one, a start from another, the next version of one that is there."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from builds import services as builds
from environments import services
from environments.access import Right, get_version, get_workspace, workspaces_of
from environments.definition.contexting import editable
from environments.forms import DefinitionForm, asked_for, write_tags
from environments.given import LIMITS, Given, change_file, read_given
from environments.models import Version, Workspace
from environments.texts import text_to_edit
from environments.views import version_named
from studio import starts
from studio.phrases import phrases
from studio.reviewing import Order, review

NAME_CODES = {"name-reserved", "name-invalid", "name-taken"}


@dataclass
class Desk:
    """What somebody is about to define: the form, where it goes, how it began."""

    place: Workspace
    form: DefinitionForm
    source: str = starts.TEXT
    start: Version | None = None
    fixed: Version | None = None  # the version whose next one it is

    def target(self, request: HttpRequest) -> Workspace:
        """Return the workspace that it would be saved in, as far as it is chosen already."""
        chosen = request.POST.get("workspace", "")
        if self.fixed is not None or not chosen or chosen == self.place.name:
            return self.place
        return writable(request.user).filter(name=chosen).first() or self.place


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: HttpRequest, workspace: str) -> HttpResponse:
    """Define a new environment, in one of the ways to begin."""
    place = get_workspace(request.user, workspace, Right.DEFINE)
    targets = writable(request.user)
    asked = asked_for(request, "from")
    start = version_named(request, asked) if asked else None
    source = starts.START if start else starts.source_named(asked_for(request, "source"))
    if request.method == "POST":
        desk = Desk(place, DefinitionForm(request.POST, request.FILES, workspaces=targets), source, start)
        return answer(request, desk)
    picked = source == starts.PACKAGES and "base" in request.GET
    if not picked and (source == starts.PACKAGES or (source == starts.START and start is None)):
        return pick(request, place, source)
    initial: dict[str, Any] = {"workspace": place.name}
    if start is not None:
        initial |= text_in(start, asked_for(request, "file"))
        initial["name"] = f"{start.environment.shown_name}-copy"
    elif picked:
        initial["text"] = starts.text_of(
            *(request.GET.get(name, "").replace("\0", "") for name in ("base", "python", "packages"))
        )
    elif source == starts.DOCKERFILE:
        initial |= {"text": starts.DOCKERFILE_TEXT, "filename": "Dockerfile"}
    return page(request, Desk(place, DefinitionForm(initial=initial, workspaces=targets), source, start))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit(request: HttpRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Make the next version of an environment. A curated one can only be the start of a new one (rule 29)."""
    start = get_version(request.user, workspace, name, version)
    place = start.environment.workspace
    if place.curated:
        raise Http404("A curated environment cannot be edited; use it as the start of a new one.")
    get_workspace(request.user, workspace, Right.DEFINE)
    if request.method == "POST":
        form = DefinitionForm(request.POST, request.FILES, fixed=start)
        return answer(request, Desk(place, form, start=start, fixed=start))
    return page(request, desk_for(start, asked_for(request, "file")))


def desk_for(version: Version, path: str = "") -> Desk:
    """Return the form for the next version of an environment, with this version's text.

    Of a build context it is the text of one file, its Dockerfile where `path` names none that can be edited.
    """
    form = DefinitionForm(initial=text_in(version, path), fixed=version)
    return Desk(version.environment.workspace, form, start=version, fixed=version)


def text_in(version: Version, path: str) -> dict[str, str]:
    """Return what a form begins with that starts from a version."""
    initial = {"description": version.description, "tags": write_tags(version.tags)}
    context = version.definition.context
    if context is None:
        return initial | {"text": text_to_edit(version)}
    files = {file.path for file in context.files if editable(file.content, LIMITS)}
    path = next((one for one in (path, context.dockerfile_path) if one in files), "")
    return initial | {"text": context.text(path) or "", "context_file": path}


@require_POST
@login_required
def check(request: HttpRequest, workspace: str) -> HttpResponse:
    """Say what there is to say about what was typed so far: findings, and what a build would do."""
    place = get_workspace(request.user, workspace)
    asked = asked_for(request, "from")
    start = version_named(request, asked) if asked else None
    fixed = start if start is not None and asked_for(request, "next") else None
    desk = Desk(place, DefinitionForm(), start=start, fixed=fixed)
    context = review(given_in(request, desk), desk.target(request), start, fixed)
    return render(request, "studio/_review.html", {"place": place, **context})


def pick(request: HttpRequest, place: Workspace, source: str) -> HttpResponse:
    """Show what one picks before there is a text: an environment to start from, or a base and packages."""
    context: dict[str, Any] = {"place": place, "source": source, "sources": starts.SOURCES}
    if source == starts.START:
        query = asked_for(request, "q")
        catalogue = Workspace.objects.filter(curated=True).first()
        own = starts.starts_in(place, query) if place != catalogue else []
        curated = starts.starts_in(catalogue, query) if catalogue else []
        context |= {"query": query, "own": own, "curated": curated, "most": starts.MOST_STARTS}
        part = request.htmx and not request.htmx.history_restore_request  # type: ignore[attr-defined]
        return render(request, f"studio/{'_' if part else 'pick_'}start.html", context)
    context |= {"bases": starts.bases_for(place), "pythons": starts.PYTHONS}
    return render(request, "studio/pick_packages.html", context)


def given_in(request: HttpRequest, desk: Desk) -> Given:
    """Read what a form brought, whether the rest of it was right or not."""
    text = request.POST.get("text", "").replace("\r\n", "\n")
    path = request.POST.get("context_file", "")
    if path and desk.start is not None and "file" not in request.FILES:
        return changed(desk.start, path, text)
    return read_given(text, request.POST.get("filename", ""), request.FILES.get("file"))


def changed(version: Version, path: str, text: str) -> Given:
    """Read a version's build context with another text in one file."""
    try:
        return change_file(version.definition, path, text)
    except ValueError as problem:
        raise Http404(f"{version} has no file {path} in its build context.") from problem


def writable(user: Any) -> QuerySet[Workspace]:
    """Return the workspaces in which a person may define environments; the catalogue has its own way in."""
    return workspaces_of(user, Right.DEFINE).filter(curated=False).order_by("title")


def answer(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Do what the form was sent for: check, review, save, or save and build."""
    given = given_in(request, desk)
    action = request.POST.get("action", "save")
    valid = desk.form.is_valid()
    if action == "review":
        return reviewed(request, desk, given)
    if not valid:
        return page(request, desk, given=given, status=422)
    if action == "check":
        return page(request, desk, given=given)
    order = order_of(desk, given)
    user: Any = request.user
    try:
        saved = order.save(user)
    except services.Refused as problem:
        tell(desk.form, problem, order.name)
        return page(request, desk, given=given, status=422)
    if not saved.created:
        messages.info(
            request,
            _("%(version)s has this content already, so there is no new version.")
            % {"version": saved.version},
        )
    elif action != "build":
        messages.success(request, _("%(version)s is saved.") % {"version": saved.version})
    if action == "build":
        return build(request, saved.version)
    return redirect("version", order.workspace.name, order.name, saved.version.version)


def build(request: HttpRequest, version: Version) -> HttpResponse:
    """Ask for a version's image, and go to the build, or to the version that is ready at once."""
    here = redirect("version", version.environment.workspace.name, version.environment.name, version.version)
    user: Any = request.user
    try:
        asked = builds.request_build(version, user)
    except builds.NotPossible as problem:
        messages.error(
            request,
            _("%(version)s is saved, but not built. %(problem)s") % {"version": version, "problem": problem},
        )
        return here
    if asked.build is not None:
        return redirect("builds:build", version.environment.workspace.name, asked.build.pk)
    messages.success(
        request,
        _("%(version)s is ready at once: its definition has an image already.") % {"version": version},
    )
    return here


def order_of(desk: Desk, given: Given) -> Order:
    """Return what a form that is right asks to have saved."""
    data = desk.form.cleaned_data
    fixed = desk.fixed
    return Order(
        workspace=fixed.environment.workspace if fixed else data["workspace"],
        name=fixed.environment.name if fixed else (data["name"].strip() or given.reading.name),
        given=given,
        version=data["version"],
        description=data["description"],
        tags=data["tags"],
        start=desk.start,
        new=fixed is None,
    )


def reviewed(request: HttpRequest, desk: Desk, given: Given) -> HttpResponse:
    """Show what saving would make and what a build of it would do; or what is in the way."""
    order = order_of(desk, given) if desk.form.is_valid() else None
    user: Any = request.user
    saved = order.rehearse(user) if order is not None else None
    if order is not None and isinstance(saved, services.Refused):
        tell(desk.form, saved, order.name)
        saved = None
    step = {"reviewed": True, "order": order, "saved": saved}
    if request.htmx:  # type: ignore[attr-defined]
        context = review(given, desk.target(request), desk.start, desk.fixed)
        place = {"place": desk.place, "form": desk.form}
        return render(request, "studio/_review_step.html", {**place, **context, **step})
    return page(request, desk, given=given, status=200 if saved else 422, **step)


def sentence(text: str) -> str:
    """Return a remark as a sentence that can stand by itself."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def tell(form: DefinitionForm, problem: services.Refused, name: str) -> None:
    """Put a refusal of something of this name beside the field that it is about."""
    said = " ".join(sentence(part) for part in (problem.message, problem.help) if part)
    if problem.code == "name-invalid" and not name and "name" in form.fields:
        form.add_error("name", _("Give it a name: its definition has none."))
    elif problem.code in NAME_CODES and "name" in form.fields:
        form.add_error("name", said)
    elif problem.code in {"version-taken", "version-invalid"}:
        form.add_error("version", said)
    elif problem.code != "definition-refused":  # whose findings stand beside the text
        form.add_error(None, said)


def page(
    request: HttpRequest, desk: Desk, *, given: Given | None = None, status: int = 200, **more: Any
) -> HttpResponse:
    """Return the form with everything that was typed, and what there is to say about it."""
    return render(request, "studio/define.html", context_of(request, desk, given) | more, status=status)


def context_of(request: HttpRequest, desk: Desk, given: Given | None = None) -> dict[str, Any]:
    """Return what the form's template shows."""
    initial = desk.form.initial
    text = given.text if given else initial.get("text", "")
    path = initial.get("context_file", "")
    if given is None and path and desk.start is not None:
        given = changed(desk.start, path, text)
    elif given is None and text:
        given = read_given(text, initial.get("filename", ""), None)
    context = {
        "form": desk.form,
        "place": desk.place,
        "start": desk.start,
        "fixed": desk.fixed,
        "text": text,
        "source": desk.source,
        "sources": starts.SOURCES,
        "limits": LIMITS,
        "phrases": phrases(),
    }
    if given is not None:
        context |= review(given, desk.target(request), desk.start, desk.fixed)
    return context
