"""Deprecating what is in the catalogue, retiring it, and keeping it after all."""

import datetime
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from environments import deprecations as service
from environments.access import Right, get_catalogue
from environments.catalogue_models import Deprecation
from environments.forms import asked_for
from environments.models import Environment, Version, Workspace
from environments.services import Refused
from studio.views.proposals import words_in

USUAL_DAYS = 90
FIELDS = {
    "date-past": "on",
    "date-missing": "on",
    "reason-missing": "words",
    "reason-too-long": "words",
    "no-such-version": "version",
}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def deprecate(request: HttpRequest, workspace: str, name: str) -> HttpResponse:
    """Say from which day on a curated environment, or a version of it, may be retired, why, and what comes after."""
    place = get_catalogue(request.user, workspace, Right.REVIEW)
    environment = get_object_or_404(Environment, workspace=place, name=name)
    if request.method != "POST":
        return _page(request, environment, _start(environment, asked_for(request, "version")))
    typed = {
        field: request.POST.get(field, "").strip().replace("\0", "")
        for field in ("version", "on", "successor")
    } | {"words": words_in(request)}
    try:
        service.deprecate(
            environment,
            cast(User, request.user),
            on=_day(typed["on"]),
            reason=typed["words"],
            successor=_successor(place, typed["successor"]),
            version=_version(environment, typed["version"]),
        )
    except Refused as problem:
        return _page(request, environment, typed, problem=problem)
    messages.success(request, _("Whoever uses it is told from now on."))
    return redirect("environment", place.name, name)


@require_POST
@login_required
def retire(request: HttpRequest, workspace: str, deprecation: int) -> HttpResponse:
    """Archive what is deprecated, from its day on."""
    found = _found(request, workspace, deprecation)
    try:
        service.retire(found, cast(User, request.user))
    except Refused as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        messages.success(request, _("%(name)s is retired: nothing new starts from it.") % {"name": found})
    return redirect("environment", workspace, found.environment.name)


@require_POST
@login_required
def keep(request: HttpRequest, workspace: str, deprecation: int) -> HttpResponse:
    """End a deprecation."""
    found = _found(request, workspace, deprecation)
    try:
        service.keep(found, cast(User, request.user))
    except Refused as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        messages.success(request, _("%(name)s is kept.") % {"name": found})
    return redirect("environment", workspace, found.environment.name)


def _found(request: HttpRequest, workspace: str, number: int) -> Deprecation:
    place = get_catalogue(request.user, workspace, Right.REVIEW)
    rows = service.deprecations_in(place)
    found = rows.filter(pk=number).first() if number < 2**63 else None
    if found is None:
        raise Http404(f"There is no deprecation {number}.")
    return found


def _start(environment: Environment, version: str) -> dict[str, str]:
    there = Deprecation.objects.filter(environment=environment, version__version=version or None)
    known = there.select_related("successor").first()
    day = known.on if known else timezone.localdate() + datetime.timedelta(days=USUAL_DAYS)
    return {
        "version": version,
        "on": day.isoformat(),
        "words": known.reason if known else "",
        "successor": known.successor.name if known and known.successor else "",
    }


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise Refused("date-missing", _("Give the day as 2027-01-31.")) from None


def _version(environment: Environment, text: str) -> Version | None:
    if not text:
        return None
    found = environment.versions.filter(version=text).first()
    if found is None:
        raise Refused("no-such-version", f"{environment} has no version {text}.")
    return found


def _successor(place: Workspace, name: str) -> Environment | None:
    if not name:
        return None
    found = Environment.objects.filter(workspace=place, name=name).first()
    if found is None:
        raise Refused("no-such-environment", f"The catalogue has no {name}.")
    return found


def _page(
    request: HttpRequest,
    environment: Environment,
    typed: dict[str, str],
    problem: Refused | None = None,
) -> HttpResponse:
    place = environment.workspace
    others = Environment.objects.filter(workspace=place).listed().exclude(pk=environment.pk)
    context = {
        "place": place,
        "environment": environment,
        "versions": environment.versions.filter(archived_at=None).only("version", "environment_id"),
        "others": others.order_by("name").select_related("workspace"),
        "typed": typed,
        "problem": problem,
        "field": FIELDS.get(problem.code, "successor") if problem else "",
    }
    return render(request, "studio/deprecate.html", context, status=422 if problem else 200)
