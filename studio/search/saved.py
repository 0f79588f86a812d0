"""Saved views and pins: what a person keeps of a workspace's list of environments."""

from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from environments.access import get_environment, get_workspace
from environments.models import Pin, SavedView
from environments.requests import StudioRequest
from studio.signing_in.views import redirect_back

MOST_VIEWS = 30
MOST_PINS = 50
PARAMS = ("q", "tab", "versions", "archived", "sort")


@require_POST
@login_required
def save_view(request: StudioRequest, workspace: str) -> HttpResponse:
    """Save the list's search under a name; a view with this name is replaced."""
    workspace = get_workspace(request.user, workspace)
    name = " ".join(request.POST.get("name", "").split())[:60]
    sent = parse_qsl(request.POST.get("query", "")[:4_000])
    query = urlencode([(key, value) for key, value in sent if key in PARAMS])
    views = SavedView.objects.filter(user=request.user, workspace=workspace)
    if not name:
        messages.error(request, _("Name the view."))
    elif not query or len(query) > 1_000:
        messages.error(request, _("Only a search of up to 1,000 characters can be saved as a view."))
    elif views.exclude(name=name).count() >= MOST_VIEWS:
        messages.error(request, _("You have %(count)d views here. Delete one first.") % {"count": MOST_VIEWS})
    else:
        views.update_or_create(user=request.user, workspace=workspace, name=name, defaults={"query": query})
        messages.success(request, _("View “%(name)s” saved.") % {"name": name})
    return redirect_back(request)


@require_POST
@login_required
def delete_view(request: StudioRequest, workspace: str, view: int) -> HttpResponse:
    """Delete a view of one's own; one that is gone already is no error."""
    workspace = get_workspace(request.user, workspace)
    SavedView.objects.filter(user=request.user, workspace=workspace, pk=min(view, 2**63 - 1)).delete()
    return redirect_back(request)


@require_POST
@login_required
def pin(request: StudioRequest, workspace: str, name: str) -> HttpResponse:
    """Pin an environment to the top of the list, or unpin it."""
    environment = get_environment(request.user, workspace, name)
    pins = Pin.objects.filter(user=request.user)
    if request.POST.get("pinned") == "no":
        pins.filter(environment=environment).delete()
    elif pins.filter(environment__workspace=environment.workspace).count() >= MOST_PINS:
        messages.error(
            request, _("%(count)d environments are pinned. Unpin one first.") % {"count": MOST_PINS}
        )
    else:
        pins.get_or_create(user=request.user, environment=environment)
    return redirect_back(request)
