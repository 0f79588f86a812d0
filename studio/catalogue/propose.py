"""Proposing a version for the catalogue, and answering what reviewers asked for."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from builds.services import image_of
from environments import proposals as service
from environments.access import Right, get_version, get_workspace
from environments.deprecations import origin_in_catalogue
from environments.models import Environment, Version
from environments.services import Refused
from studio.views.proposals import words_in

PREFIX = "AzureML-"
FIELDS = {
    "name-invalid": "name",
    "name-reserved": "name",
    "name-taken": "name",
    "no-such-environment": "existing",
    "same-content": "existing",
    "environment-archived": "existing",
}
WORDS = {"reason-missing", "words-missing", "words-too-long"}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def propose(request: HttpRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Propose a version, or propose it in the place of the one that waits or is to be changed."""
    if get_workspace(request.user, workspace).curated:
        raise Http404("What is in the catalogue is not proposed for it.")
    found = get_version(request.user, workspace, name, version, Right.PROPOSE)
    if request.method != "POST":
        return _page(request, found, _start(found))
    typed = {
        "target": request.POST.get("target", "new"),
        "name": request.POST.get("name", "").strip().replace("\0", ""),
        "existing": request.POST.get("existing", "").strip().replace("\0", ""),
        "words": words_in(request),
    }
    by = cast(User, request.user)
    under_way = service.open_proposal_of(found.environment)
    try:
        if under_way is not None:
            service.answer(under_way, found, by, typed["words"])
            made = under_way
        else:
            as_new = typed["target"] != "next"
            to = typed["name" if as_new else "existing"]
            made = service.propose(found, by, name=to, as_new=as_new, words=typed["words"])
    except Refused as problem:
        field = "words" if problem.code in WORDS else FIELDS.get(problem.code, "")
        return _page(request, found, typed, problem=problem, field=field)
    messages.success(request, _("%(version)s is proposed. A curator will look at it.") % {"version": found})
    return redirect("proposal", workspace, made.pk)


def _start(version: Version) -> dict[str, str]:
    """Return what the form begins with: what was started from a curated environment is its next version."""
    origin = origin_in_catalogue(version)
    shown = version.environment.name
    return {
        "target": "next" if origin else "new",
        "name": f"{PREFIX}{shown}"[:255],
        "existing": origin.environment.name if origin else "",
        "words": "",
    }


def _page(
    request: HttpRequest,
    version: Version,
    typed: dict[str, str],
    *,
    problem: Refused | None = None,
    field: str = "",
) -> HttpResponse:
    curated = Environment.objects.filter(workspace__curated=True).listed().order_by("name")
    context: dict[str, Any] = {
        "place": version.environment.workspace,
        "environment": version.environment,
        "version": version,
        "under_way": service.open_proposal_of(version.environment),
        "image": image_of(version),
        "curated": curated.select_related("workspace"),
        "typed": typed,
        "problem": said(problem) if problem else "",
        "field": field,
    }
    return render(request, "studio/propose.html", context, status=422 if problem else 200)


def said(problem: Refused) -> str:
    """Return what is in the way as sentences; what is said of names begins small and has no full stop."""
    message = problem.message[:1].upper() + problem.message[1:]
    return f"{message}{'' if message.endswith(('.', '?', '!')) else '.'} {problem.help}".strip()
