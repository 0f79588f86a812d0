"""What is done with several environments of the list at once: comparing two, building, archiving."""

from typing import cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from builds.services import NotPossible, QueueFull, request_build
from environments.access import Right, get_workspace
from environments.models import Environment, Workspace
from environments.services import Refused, archive_environment
from environments.views import version_named
from studio.views.doors import back_to

MOST = 100  # more than a list has on a page


@require_POST
@login_required
def compare(request: HttpRequest, workspace: str) -> HttpResponse:
    """Compare the latest versions of two environments, the older one first."""
    get_workspace(request.user, workspace)
    chosen = request.POST.getlist("environment")
    if len(chosen) != 2:
        messages.error(request, _("Choose two environments to compare."))
        return back_to(request)
    versions = sorted((version_named(request, name) for name in chosen), key=lambda one: one.created_at)
    sides = {
        side: f"{one.environment.workspace.name}/{one.environment.name}:{one.version}"
        for side, one in zip("ab", versions, strict=True)
    }
    return redirect(f"{reverse('compare', args=[workspace])}?{urlencode(sides)}")


@require_POST
@login_required
def build(request: HttpRequest, workspace: str) -> HttpResponse:
    """Ask for an image of the latest version of each environment."""
    place = get_workspace(request.user, workspace, Right.BUILD)
    asked = ready = 0
    for environment in _chosen(request, place):
        version = environment.latest() or environment.versions.order_by("-number")[0]
        try:
            waits = request_build(version, cast(User, request.user)).build is not None
        except NotPossible as problem:
            messages.error(request, f"{version}: {problem}")
            if isinstance(problem, QueueFull):
                break  # it is for the others too
            continue
        asked, ready = asked + waits, ready + (not waits)
    if asked:
        told = ngettext(
            "%(count)d build is asked for; the list shows how it stands.",
            "%(count)d builds are asked for; the list shows how they stand.",
            asked,
        )
        messages.success(request, told % {"count": asked})
    if ready:
        told = ngettext(
            "%(count)d of them has its image already.", "%(count)d of them have their images already.", ready
        )
        messages.info(request, told % {"count": ready})
    return back_to(request)


@require_POST
@login_required
def archive(request: HttpRequest, workspace: str) -> HttpResponse:
    """Hide environments and all their versions, or show them again (rule 33)."""
    place = get_workspace(request.user, workspace, Right.DEFINE)
    restore = request.POST.get("restore") == "yes"
    done = 0
    for environment in _chosen(request, place):
        if (environment.archived_at is None) is restore:
            continue  # it is so already
        try:
            archive_environment(environment, cast(User, request.user), restore=restore)
        except Refused as problem:
            messages.error(request, f"{problem.message} {problem.help}")
        else:
            done += 1
    if done and restore:
        told = ngettext(
            "%(count)d environment is back in the list.", "%(count)d environments are back in the list.", done
        )
        messages.success(request, told % {"count": done})
    elif done:
        told = ngettext(
            "%(count)d environment is archived: hidden from the list, still readable and usable. “Show archived” brings it back.",
            "%(count)d environments are archived: hidden from the list, still readable and usable. “Show archived” brings them back.",
            done,
        )
        messages.success(request, told % {"count": done})
    return back_to(request)


def _chosen(request: HttpRequest, place: Workspace) -> list[Environment]:
    """Return what is chosen and stands here; what is not there any more is passed over."""
    chosen = request.POST.getlist("environment")[:MOST]
    names = [name.removeprefix(f"{place.name}/") for name in chosen if name.startswith(f"{place.name}/")]
    found = list(place.environments.filter(name__in=names, anonymous=False).order_by("name"))
    if not found:
        messages.error(request, _("Choose at least one environment."))
    return found
