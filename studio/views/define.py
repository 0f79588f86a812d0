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
from environments.definition import Reading
from environments.forms import DefinitionForm, asked_for, write_tags
from environments.given import Given, read_given
from environments.models import Environment, Version, Workspace
from environments.texts import text_to_edit
from environments.views import version_named

NAME_CODES = {"name-reserved", "name-invalid", "name-taken"}


@dataclass(frozen=True)
class Outlook:
    """What a build of what was typed would do, before anything is saved."""

    state: str  # ready, building or new
    sharing: list[Version]  # the versions that mean the same already


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: HttpRequest, workspace: str) -> HttpResponse:
    """Define a new environment, from nothing or from a version of another one."""
    place = get_workspace(request.user, workspace, Right.DEFINE)
    targets = writable(request.user)
    asked = asked_for(request, "from")
    start = version_named(request, asked) if asked else None
    if request.method != "POST":
        initial: dict[str, Any] = {"workspace": place.name}
        if start is not None:
            initial |= {
                "text": text_to_edit(start),
                "name": f"{start.environment.shown_name}-copy",
                "description": start.description,
                "tags": write_tags(start.tags),
            }
        form = DefinitionForm(initial=initial, workspaces=targets)
        return page(request, form, place, start=start)
    form = DefinitionForm(request.POST, request.FILES, workspaces=targets)
    if not form.is_valid():
        return page(request, form, place, start=start, given=given_in(request), status=422)
    return save(request, form, place, start=start, fixed=None)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit(request: HttpRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Make the next version of an environment. A curated one can only be the start of a new one (rule 29)."""
    start = get_version(request.user, workspace, name, version)
    place = start.environment.workspace
    if place.curated:
        raise Http404("A curated environment cannot be edited; use it as the start of a new one.")
    get_workspace(request.user, workspace, Right.DEFINE)
    if request.method != "POST":
        initial = {
            "text": text_to_edit(start),
            "description": start.description,
            "tags": write_tags(start.tags),
        }
        return page(request, DefinitionForm(initial=initial, fixed=start), place, start=start, fixed=start)
    form = DefinitionForm(request.POST, request.FILES, fixed=start)
    if not form.is_valid():
        return page(request, form, place, start=start, fixed=start, given=given_in(request), status=422)
    return save(request, form, place, start=start, fixed=start)


@require_POST
@login_required
def check(request: HttpRequest, workspace: str) -> HttpResponse:
    """Say what there is to say about what was typed so far: findings, and what a build would do."""
    place = get_workspace(request.user, workspace)
    return render(request, "studio/_review.html", review(given_in(request), place))


def given_in(request: HttpRequest) -> Given:
    """Read what a form brought, whether the rest of it was right or not."""
    text = request.POST.get("text", "").replace("\r\n", "\n")
    return read_given(text, request.POST.get("filename", ""), request.FILES.get("file"))


def writable(user: Any) -> QuerySet[Workspace]:
    """Return the workspaces in which a person may define environments; the catalogue has its own way in."""
    return workspaces_of(user, Right.DEFINE).filter(curated=False).order_by("title")


def save(
    request: HttpRequest,
    form: DefinitionForm,
    place: Workspace,
    *,
    start: Version | None,
    fixed: Version | None,
) -> HttpResponse:
    """Save what was given as a version, and build it if that was asked for; else show what is in the way."""
    given = given_in(request)
    action = request.POST.get("action", "save")
    if action == "check":
        return page(request, form, place, start=start, fixed=fixed, given=given)
    data = form.cleaned_data
    target = fixed.environment.workspace if fixed else data["workspace"]
    name = fixed.environment.name if fixed else (data["name"].strip() or given.reading.name)
    user: Any = request.user
    try:
        saved = services.save_reading(
            target,
            name,
            given.reading,
            source=given.text,
            user=user,
            version=data["version"],
            description=data["description"] or given.reading.description,
            tags=data["tags"] or dict(given.reading.tags),
            based_on=start,
            only_new=fixed is None,
        )
    except services.Refused as problem:
        tell(form, problem)
        return page(request, form, place, start=start, fixed=fixed, given=given, status=422)
    told = {"version": saved.version}
    if not saved.created:
        messages.info(request, _("%(version)s has this content already, so there is no new version.") % told)
    elif action != "build":
        messages.success(request, _("%(version)s is saved.") % told)
    if action == "build":
        try:
            asked = builds.request_build(saved.version, user)
        except builds.NotPossible as problem:
            messages.error(
                request, _("%(version)s is saved, but not built. %(problem)s") % (told | {"problem": problem})
            )
            return redirect("version", target.name, name, saved.version.version)
        if asked.build is not None:
            return redirect("builds:build", target.name, asked.build.pk)
        messages.success(
            request, _("%(version)s is ready at once: its definition has an image already.") % told
        )
    return redirect("version", target.name, name, saved.version.version)


def sentence(text: str) -> str:
    """Return a remark as a sentence that can stand by itself."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def tell(form: DefinitionForm, problem: services.Refused) -> None:
    """Put a refusal beside the field that it is about."""
    said = " ".join(sentence(part) for part in (problem.message, problem.help) if part)
    if problem.code in NAME_CODES and "name" in form.fields:
        form.add_error("name", said)
    elif problem.code in {"version-taken", "version-invalid"}:
        form.add_error("version", said)
    elif problem.code != "definition-refused":  # whose findings stand beside the text
        form.add_error(None, said)


def page(
    request: HttpRequest,
    form: DefinitionForm,
    place: Workspace,
    *,
    start: Version | None = None,
    fixed: Version | None = None,
    given: Given | None = None,
    status: int = 200,
) -> HttpResponse:
    """Return the form with everything that was typed, and what there is to say about it."""
    text = given.text if given else form.initial.get("text", "")
    if given is None and text:
        given = read_given(text, "", None)
    context = {"form": form, "place": place, "start": start, "fixed": fixed, "text": text}
    if given is not None:
        context |= review(given, place)
    return render(request, "studio/define.html", context, status=status)


def review(given: Given, place: Workspace) -> dict[str, Any]:
    """Return the findings and what a build would do."""
    reading = given.reading
    empty = not given.text.strip() and not given.filename
    return {
        "reading": None if empty else reading,
        "given": given,
        "outlook": None if empty else outlook_of(reading, place),
    }


def outlook_of(reading: Reading, place: Workspace) -> Outlook | None:
    """Say what a build of this reading would do in a workspace, from the database alone."""
    if reading.definition is None:
        return None
    # A version that is never saved: the service is asked what it would be asked after saving.
    draft = Version(
        environment=Environment(workspace=place),
        hash=reading.definition.hash,
        base=reading.definition.image or "",
    )
    return Outlook(builds.outlook(draft).state, builds.versions_sharing(place, draft.hash))
