"""Propose a version for the catalogue, and resubmit after requested changes."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from builds.queue.requests import image_of
from environments.access import Right, get_version, get_workspace
from environments.catalogue import proposals
from environments.catalogue.deprecations import curated_ancestor
from environments.definition.model import HOST
from environments.errors import ServiceError
from environments.models import Environment, Version
from environments.requests import StudioRequest
from environments.versions.forms import read_tags, write_tags
from studio.catalogue.artwork import TOPICS, drawing_of, framework_of
from studio.catalogue.proposals import comment_in

PREFIX = "AzureML-"
FIELDS = {
    "name-invalid": "name",
    "name-reserved": "name",
    "name-taken": "name",
    "no-such-environment": "existing",
    "same-content": "existing",
    "environment-archived": "existing",
}
FIELDS |= dict.fromkeys(("reason-missing", "words-missing", "words-too-long"), "words")
FIELDS |= {
    "description-missing": "description",
    "description-too-long": "description",
    "tags-invalid": "tags",
}
MAX_TAGS_LENGTH = 2000


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def propose(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Propose a version, or replace the version of an open proposal."""
    if get_workspace(request.user, workspace).curated:
        raise Http404("Curated environments can't be proposed.")
    current = get_version(request.user, workspace, name, version, Right.PROPOSE)
    if request.method != "POST":
        return _page(request, current, _initial_values(current))
    typed = {
        "target": request.POST.get("target", "new"),
        "name": request.POST.get("name", "").strip(),
        "existing": request.POST.get("existing", "").strip(),
        "words": comment_in(request),
        "description": request.POST.get("description", "").replace("\r\n", "\n"),
        "tags": request.POST.get("tags", ""),
        "topic": request.POST.get("topic", ""),
    }
    user = request.user
    open_proposal = proposals.open_proposal_of(current.environment)
    try:
        tags = _tags(typed)
        if open_proposal is not None:
            proposals.answer(
                open_proposal, current, user, typed["words"], description=typed["description"], tags=tags
            )
            proposal = open_proposal
        else:
            as_new = typed["target"] != "next"
            name_in_catalogue = typed["name" if as_new else "existing"]
            proposal = proposals.propose(
                current,
                user,
                name=name_in_catalogue,
                as_new=as_new,
                comment=typed["words"],
                description=typed["description"],
                tags=tags,
            )
    except ServiceError as problem:
        field = FIELDS.get(problem.code, "")
        return _page(request, current, typed, problem=problem, field=field)
    messages.success(
        request, _("%(version)s is proposed. You'll be notified of the decision.") % {"version": current}
    )
    return redirect("proposal", workspace, proposal.pk)


def _initial_values(version: Version) -> dict[str, str]:
    """Return the form's initial values: a copy of a curated environment is proposed as its next version."""
    origin = curated_ancestor(version)
    under_way = proposals.open_proposal_of(version.environment)
    described = under_way if under_way is not None and under_way.description else version
    tags = {tag: value for tag, value in described.tags.items() if tag != "topic"}
    name = version.environment.name
    return {
        "target": "next" if origin else "new",
        "name": f"{PREFIX}{name}"[:255],
        "existing": origin.environment.name if origin else "",
        "words": "",
        "description": described.description,
        "tags": write_tags(tags),
        "topic": str(described.tags.get("topic", "")),
    }


def _tags(typed: dict[str, str]) -> dict[str, str]:
    """Return the submitted tags, with the topic whose drawing the card shows."""
    try:
        if len(typed["tags"]) > MAX_TAGS_LENGTH:
            raise ValidationError(_("Tags have up to %(n)s characters.") % {"n": f"{MAX_TAGS_LENGTH:,}"})
        tags = read_tags(typed["tags"])
    except ValidationError as error:
        raise ServiceError("tags-invalid", error.messages[0]) from error
    tags.pop("topic", None)
    return tags | ({"topic": typed["topic"]} if typed["topic"] in TOPICS else {})


def _page(
    request: StudioRequest,
    version: Version,
    typed: dict[str, str],
    *,
    problem: ServiceError | None = None,
    field: str = "",
) -> HttpResponse:
    curated = Environment.objects.filter(workspace__curated=True).listed().order_by("name")
    context: dict[str, Any] = {
        "workspace": version.environment.workspace,
        "environment": version.environment,
        "version": version,
        "under_way": proposals.open_proposal_of(version.environment),
        "image": image_of(version),
        "topics": TOPICS.items(),
        "framework_drawing": drawing_of({}, framework_of(version.tags, [])),
        "on_host": version.definition.image == HOST,
        "curated": curated.select_related("workspace"),
        "typed": typed,
        "problem": as_sentences(problem) if problem else "",
        "field": field,
    }
    return render(request, "studio/propose.html", context, status=422 if problem else 200)


def as_sentences(problem: ServiceError) -> str:
    """Return a refusal as sentences: messages about names start in lower case, without a full stop."""
    message = problem.message[:1].upper() + problem.message[1:]
    return f"{message}{'' if message.endswith(('.', '?', '!')) else '.'} {problem.help}".strip()
