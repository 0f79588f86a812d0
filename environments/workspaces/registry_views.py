"""The settings' tab of the registry: where images are pushed to, and who may pull them."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from environments.access import Right, get_workspace
from environments.publishing import RegistryRefused, set_anonymous_pull, set_registry
from environments.settings_views import page_of, tab_address


@never_cache
@require_POST
@login_required
def change_registry(request: HttpRequest, workspace: str) -> HttpResponse:
    """Keep the address that images are pushed to."""
    place = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    typed = request.POST.get("registry", "").replace("\0", "")
    try:
        changed = set_registry(place, typed, cast(User, request.user))
    except RegistryRefused as problem:
        return page_of(request, place, "registry", typed=typed, problem=problem)
    if not changed:
        messages.info(request, _("Nothing was changed: that is how it was."))
    elif place.registry:
        messages.success(
            request,
            _("From the next build on, images are pushed to %(registry)s too.")
            % {"registry": place.registry},
        )
    else:
        messages.success(request, _("Images are pushed to no registry any more. What is there stays there."))
    return redirect(tab_address(place, "registry"))


@require_POST
@login_required
def change_pull(request: HttpRequest, workspace: str) -> HttpResponse:
    """Keep whether everybody may pull images, or members alone."""
    place = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    allowed = request.POST.get("anonymous_pull") == "on"
    if not set_anonymous_pull(place, allowed, cast(User, request.user)):
        messages.info(request, _("Nothing was changed: that is how it was."))
    elif allowed:
        messages.success(
            request,
            _("Everybody may pull the images of %(workspace)s now, without signing in.")
            % {"workspace": place},
        )
    else:
        messages.success(
            request,
            _("From now on, only members may pull the images of %(workspace)s.") % {"workspace": place},
        )
    return redirect(tab_address(place, "registry"))
