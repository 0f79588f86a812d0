"""A definition that is being written, and what its form shows."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import Http404

from environments.access import Right, workspaces_of
from environments.definition.model import Selection
from environments.definition.reading.edit_context import editable
from environments.models import Version, Workspace
from environments.requests import StudioRequest
from environments.versions.forms import DefinitionForm, write_tags
from environments.versions.input import (
    LIMITS,
    DefinitionInput,
    input_of,
    read_input,
    replace_file,
    texts_beside,
)
from environments.versions.texts import text_to_edit
from studio.defining import starting_points
from studio.defining.choice import platform_choices
from studio.defining.editor_texts import phrases
from studio.defining.names import Taken, taken_name
from studio.defining.picks import Picks
from studio.defining.review import review


@dataclass
class Draft:
    """A definition that is being written: its form, its workspace and its starting point."""

    workspace: Workspace
    form: DefinitionForm
    source: str = starting_points.TEXT
    start: Version | None = None
    fixed: Version | None = None  # the version that it succeeds
    picks: Picks | None = None  # instead of a text

    def target(self, request: StudioRequest) -> Workspace:
        """Return the chosen workspace; the current workspace until a valid choice is made."""
        chosen = request.POST.get("workspace", "")
        if self.fixed is not None or not chosen or chosen == self.workspace.name:
            return self.workspace
        return writable_workspaces(request.user).filter(name=chosen).first() or self.workspace


def writable_workspaces(user: Any) -> QuerySet[Workspace]:
    """Return the workspaces a user may define environments in, without the catalogue, which takes proposals."""
    return workspaces_of(user, Right.DEFINE).filter(curated=False).order_by("title")


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


def with_changed_file(version: Version, path: str, text: str) -> DefinitionInput:
    """Return a version's build context with one file replaced."""
    try:
        return replace_file(version.definition, path, text)
    except ValueError as problem:
        raise Http404(f"{version} has no file {path} in its build context.") from problem


def form_context(
    request: StudioRequest, draft: Draft, given: DefinitionInput | None = None
) -> dict[str, Any]:
    """Return the template context of the form."""
    initial, picks = draft.form.initial, draft.picks
    text = given.text if given else initial.get("text", "")
    path = initial.get("context_file", "")
    if picks is not None:
        given = given or (picks.read(Selection()) if picks.packages.strip() else None)
        text = picks.packages
    elif given is None and path and draft.start is not None:
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
        "draft_key": draft_key(draft, path or (given.path if given else "")),
        "latest": draft.fixed.environment.latest() if draft.fixed else None,
    }
    if picks is not None:
        bases = starting_points.bases_for(draft.workspace)
        context |= {"picks": picks, "bases": bases, "pythons": starting_points.PYTHONS}
        context["is_other_base"] = picks.base not in {choice.reference for choice in bases}
    if draft.form.is_bound and given is not None:
        context["taken"] = taken_by(draft, given)
    if given is not None:
        context["beside"] = beside_rows(given, draft.start)
        context |= review(given, draft.target(request), draft.start, draft.fixed, picked=picks is not None)
    return context


def draft_key(draft: Draft, path: str) -> str:
    """Return the key of the draft that the browser keeps of this form."""
    if draft.fixed is not None:
        key = f"edit:{draft.workspace.name}/{draft.fixed.environment.name}"
    elif draft.start is not None:
        origin = draft.start.environment
        key = f"new:{draft.workspace.name}:from:{origin.workspace.name}/{draft.start}"
    else:
        key = f"new:{draft.workspace.name}:{draft.source}"
    return f"{key}:{path}" if path else key


def taken_by(draft: Draft, given: DefinitionInput) -> Taken | None:
    """Return the environment that has the name in a submitted form already."""
    data = getattr(draft.form, "cleaned_data", {})
    if draft.fixed is not None or "workspace" not in data:
        return None
    name = str(draft.form["name"].value() or "").strip()  # a refused name is not in the cleaned data
    return taken_name(data["workspace"], name or given.reading.name)


def beside_rows(given: DefinitionInput, start: Version | None) -> list[tuple[str, str | None]]:
    """Return the files beside the text, each with its own text; None where it is that of the version it starts from."""
    held = texts_beside(start) if start is not None and given.beside else {}
    return [(path, None if held.get(path) == text else text) for path, text in given.beside.items()]
