"""The settings of a workspace, as pages with tabs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from environments import connections
from environments.access import Right, get_workspace, may, rights_in
from environments.forms import asked_for
from environments.logins import is_loopback
from environments.models import Connection, Member, Role, Workspace

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

Shown = dict[str, Any]


@dataclass(frozen=True)
class Tab:
    """One tab: who sees it, its template, and what that is given."""

    name: str
    words: "StrPromise"
    right: Right
    template: str
    shown: Callable[[HttpRequest, Workspace], Shown]


def _connections(request: HttpRequest, place: Workspace) -> Shown:
    rows = list(Connection.objects.filter(workspace=place).select_related("changed_by"))
    chosen = asked_for(request, "change")
    return {
        "connections": [(row, _in_the_clear(row)) for row in rows],
        "kinds": Connection.Kind.choices,
        "may_manage": may(request.user, Right.MANAGE_CONNECTIONS, place),
        "changed": next((row for row in rows if str(row.pk) == chosen), None),
    }


def _in_the_clear(connection: Connection) -> bool:
    """Whether its password travels unprotected."""
    scheme, separator, rest = connection.address.partition("://")
    return bool(separator) and scheme == "http" and not is_loopback(rest.partition("/")[0])


def _registry(request: HttpRequest, place: Workspace) -> Shown:
    return {
        "may_manage": may(request.user, Right.MANAGE_SETTINGS, place),
        "typed": place.registry,
        "host": request.get_host(),
    }


def _members(request: HttpRequest, place: Workspace) -> Shown:
    return {
        "may_manage": may(request.user, Right.MANAGE_MEMBERS, place),
        "members": Member.objects.filter(workspace=place).select_related("user").order_by("user__username"),
        "roles": [role.label for role in Role],
        "typed": {"role": Role.CONTRIBUTOR.label},
    }


TABS: list[Tab] = [
    Tab(
        "connections",
        gettext_lazy("Connections"),
        Right.SEE_CONNECTIONS,
        "environments/_settings_connections.html",
        _connections,
    ),
    Tab(
        "registry",
        gettext_lazy("Registry"),
        Right.SEE_SETTINGS,
        "environments/_settings_registry.html",
        _registry,
    ),
    Tab("members", gettext_lazy("Members"), Right.SEE, "environments/_settings_members.html", _members),
]
"""In the order of the page. A room above adds a tab of its own where its views stand (`studio.views.limits`)."""


@never_cache
@require_safe
@login_required
def settings(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show one tab of a workspace's settings."""
    place = get_workspace(request.user, workspace)
    return page_of(request, place, asked_for(request, "tab"))


@never_cache
@require_POST
@sensitive_post_parameters("password")
@sensitive_variables("password")
@login_required
def add_connection(request: HttpRequest, workspace: str) -> HttpResponse:
    """Keep new credentials."""
    place = get_workspace(request.user, workspace, Right.MANAGE_CONNECTIONS)
    typed = {name: request.POST.get(name, "") for name in ("kind", "address", "user")}
    password = request.POST.get("password", "")
    try:
        made = connections.add_connection(place, **typed, password=password, by=cast(User, request.user))
    except connections.ConnectionRefused as problem:
        return page_of(request, place, "connections", typed=typed, problem=problem)
    if _in_the_clear(made):
        messages.warning(
            request,
            _("%(address)s is reached without encryption: its password can be read on the way.")
            % {"address": made},
        )
    messages.success(
        request, _("The connection to %(address)s is kept. The next build uses it.") % {"address": made}
    )
    return redirect(tab_address(place, "connections"))


@never_cache
@require_POST
@sensitive_post_parameters("password")
@sensitive_variables("password")
@login_required
def replace_connection(request: HttpRequest, workspace: str, connection: int) -> HttpResponse:
    """Put other credentials in the place of those that are kept."""
    place = get_workspace(request.user, workspace, Right.MANAGE_CONNECTIONS)
    found = get_object_or_404(Connection, pk=connection, workspace=place)
    typed = {"user": request.POST.get("user", "")}
    password = request.POST.get("password", "")
    try:
        connections.replace_connection(found, typed["user"], password, cast(User, request.user))
    except connections.ConnectionRefused as problem:
        return page_of(request, place, "connections", typed=typed, problem=problem, changed=found)
    messages.success(
        request,
        _("User and password for %(address)s are replaced. The next build uses them.") % {"address": found},
    )
    return redirect(tab_address(place, "connections"))


@require_POST
@login_required
def delete_connection(request: HttpRequest, workspace: str, connection: int) -> HttpResponse:
    """Forget credentials."""
    place = get_workspace(request.user, workspace, Right.MANAGE_CONNECTIONS)
    found = get_object_or_404(Connection, pk=connection, workspace=place)
    connections.delete_connection(found, cast(User, request.user))
    messages.success(
        request,
        _("The connection to %(address)s is deleted. Images that were built with it stay.")
        % {"address": found},
    )
    return redirect(tab_address(place, "connections"))


def tab_address(place: Workspace, tab: str) -> str:
    """Return the address of a tab."""
    return f"{reverse('environments:settings', args=[place.name])}?tab={tab}"


def page_of(request: HttpRequest, place: Workspace, name: str, **more: Any) -> HttpResponse:
    """Return the page with a tab open, the first one that the person sees where none is named.

    `more` is given to the tab's template over what it shows; with a `problem` in it the answer is 422.
    """
    rights = rights_in(place, request.user)
    seen = [tab for tab in TABS if rights[tab.right.name.lower()]]
    if not seen or name in {tab.name for tab in TABS if tab not in seen}:
        raise PermissionDenied(
            _("Your role in %(workspace)s does not let you see this part of its settings.")
            % {"workspace": place}
        )
    tab = next((one for one in seen if one.name == (name or seen[0].name)), None)
    if tab is None:
        raise Http404(f"The settings of {place} have no tab {name}.")
    context = {
        "place": place,
        "tabs": seen,
        "tab": tab.name,
        "template": tab.template,
    }
    shown = {**context, **tab.shown(request, place), **more}
    return render(request, "environments/settings.html", shown, status=422 if "problem" in more else 200)
