"""The settings page of a workspace, and the tab of its connections."""

from typing import Any

from django.conf import settings as studio_settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from environments.access import Right, get_workspace, may, rights_in
from environments.connections import service
from environments.connections.check import check_connection
from environments.models import Bytecode, Compression, Connection, ImportTest, Member, Role, Workspace
from environments.network.credentials import is_loopback
from environments.public_url import public_host
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from environments.workspaces.invitations import open_invitations
from environments.workspaces.members import people_known_to
from environments.workspaces.registry import bytecode_of, compression_of, import_test_of
from environments.workspaces.tabs import Tab, TabContext, settings_tabs


def connections_tab(request: StudioRequest, workspace: Workspace) -> TabContext:
    rows = list(Connection.objects.filter(workspace=workspace).select_related("changed_by"))
    selected = query_param(request, "change")
    return {
        "connections": [(row, _sends_plaintext(row)) for row in rows],
        "kinds": Connection.Kind.choices,
        "may_manage": may(request.user, Right.MANAGE_CONNECTIONS, workspace),
        "changed": next((row for row in rows if str(row.pk) == selected), None),
    }


def _sends_plaintext(connection: Connection) -> bool:
    """Return whether the password is sent without encryption."""
    scheme, separator, rest = connection.address.partition("://")
    return bool(separator) and scheme == "http" and not is_loopback(rest.partition("/")[0])


def registry_tab(request: StudioRequest, workspace: Workspace) -> TabContext:
    return {
        "may_manage": may(request.user, Right.MANAGE_SETTINGS, workspace),
        "typed": workspace.registry,
        "host": public_host(request),
        "compressions": [(name, compression_label(name)) for name in Compression.values],
        "of_the_studio": compression_label(studio_settings.COMPRESSION),
        "in_use": compression_label(compression_of(workspace)),
        "import_tests": [(name, import_test_label(name)) for name in ImportTest.values],
        "import_test_of_the_studio": import_test_label(studio_settings.IMPORT_TEST),
        "import_test_in_use": import_test_label(import_test_of(workspace)),
        "bytecodes": [(name, bytecode_label(name)) for name in Bytecode.values],
        "bytecode_of_the_studio": bytecode_label(studio_settings.BYTECODE),
        "bytecode_in_use": bytecode_label(bytecode_of(workspace)),
    }


def compression_label(name: str) -> str:
    """Return a compression as pages name it."""
    return _("gzip and zstd") if name == Compression.BOTH else name


def import_test_label(name: str) -> str:
    """Return a choice for the import test as pages name it."""
    labels = {
        ImportTest.AFTER: _("after the build"),
        ImportTest.ON: _("in the build"),
        ImportTest.OFF: _("off"),
    }
    return labels[ImportTest(name)]


def bytecode_label(name: str) -> str:
    """Return a choice of modules as pages name it."""
    labels = {
        Bytecode.IMPORTED: _("imported modules"),
        Bytecode.ALL: _("all modules"),
        Bytecode.NONE: _("no modules"),
    }
    return labels[Bytecode(name)]


def members_tab(request: StudioRequest, workspace: Workspace) -> TabContext:
    may_manage = may(request.user, Right.MANAGE_MEMBERS, workspace)
    members = list(
        Member.objects.filter(workspace=workspace).select_related("user").order_by("user__username")
    )
    owners = [member.pk for member in members if member.role == Role.OWNER and member.user.is_active]
    return {
        "may_manage": may_manage,
        "members": members,
        "last_owner": owners[0] if len(owners) == 1 else None,
        "invitations": open_invitations(workspace) if may_manage else [],
        "new_people": studio_settings.INVITE_NEW_PEOPLE,
        "people": people_known_to(request.user, workspace) if may_manage else [],
        "roles": [role.label for role in Role],
        "typed": {"role": Role.CONTRIBUTOR.label},
    }


TABS = (
    Tab(
        10,
        "connections",
        gettext_lazy("Connections"),
        Right.SEE_CONNECTIONS,
        "environments/_settings_connections.html",
        connections_tab,
    ),
    Tab(
        20,
        "registry",
        gettext_lazy("Registry"),
        Right.SEE_SETTINGS,
        "environments/_settings_registry.html",
        registry_tab,
    ),
    Tab(
        8,
        "members",
        gettext_lazy("Members"),
        Right.SEE,
        "environments/_settings_members.html",
        members_tab,
    ),
)


@never_cache
@require_safe
@login_required
def settings(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show one tab of a workspace's settings."""
    workspace = get_workspace(request.user, workspace)
    return settings_page(request, workspace, query_param(request, "tab"))


@never_cache
@require_POST
@sensitive_post_parameters("password")
@sensitive_variables("password")
@login_required
def add_connection(request: StudioRequest, workspace: str) -> HttpResponse:
    """Save new credentials."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_CONNECTIONS)
    typed = {name: request.POST.get(name, "") for name in ("kind", "address", "user")}
    password = request.POST.get("password", "")
    try:
        connection = service.add_connection(workspace, **typed, password=password, by=request.user)
    except service.ConnectionRefused as problem:
        return settings_page(request, workspace, "connections", typed=typed, problem=problem)
    if _sends_plaintext(connection):
        messages.warning(
            request,
            _("%(address)s is not encrypted: its password can be read in transit.") % {"address": connection},
        )
    messages.success(
        request, _("Connection to %(address)s saved. The next build uses it.") % {"address": connection}
    )
    return redirect(tab_url(workspace, "connections"))


@never_cache
@require_POST
@sensitive_post_parameters("password")
@sensitive_variables("password")
@login_required
def replace_connection(request: StudioRequest, workspace: str, connection: int) -> HttpResponse:
    """Replace the credentials of a connection."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_CONNECTIONS)
    row = get_object_or_404(Connection, pk=connection, workspace=workspace)
    typed = {"user": request.POST.get("user", "")}
    password = request.POST.get("password", "")
    try:
        service.replace_connection(row, typed["user"], password, request.user)
    except service.ConnectionRefused as problem:
        return settings_page(request, workspace, "connections", typed=typed, problem=problem, changed=row)
    messages.success(
        request,
        _("User and password for %(address)s replaced. The next build uses them.") % {"address": row},
    )
    return redirect(tab_url(workspace, "connections"))


@require_POST
@login_required
def test_connection(request: StudioRequest, workspace: str, connection: int) -> HttpResponse:
    """Request the address of a connection, and report whether its credentials are accepted."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_CONNECTIONS)
    row = get_object_or_404(Connection, pk=connection, workspace=workspace)
    outcome = check_connection(row)
    level = {True: messages.SUCCESS, None: messages.INFO, False: messages.ERROR}[outcome.works]
    messages.add_message(request, level, outcome.message)
    return redirect(tab_url(workspace, "connections"))


@require_POST
@login_required
def delete_connection(request: StudioRequest, workspace: str, connection: int) -> HttpResponse:
    """Delete a connection."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_CONNECTIONS)
    row = get_object_or_404(Connection, pk=connection, workspace=workspace)
    service.delete_connection(row, request.user)
    messages.success(
        request,
        _("Connection to %(address)s deleted. Images built with it stay.") % {"address": row},
    )
    return redirect(tab_url(workspace, "connections"))


def tab_url(workspace: Workspace, tab: str) -> str:
    """Return the URL of a tab."""
    return f"{reverse('environments:settings', args=[workspace.name])}?tab={tab}"


def settings_page(request: StudioRequest, workspace: Workspace, name: str, **more: Any) -> HttpResponse:
    """Render the page with a tab open, by default the first that the user may see.

    `more` overrides the tab's context; with a `problem` in it the status is 422.
    """
    rights = rights_in(workspace, request.user)
    tabs = settings_tabs()
    visible = [tab for tab in tabs if rights[tab.right.name.lower()]]
    if not visible or name in {tab.name for tab in tabs if tab not in visible}:
        raise PermissionDenied(
            _("Your role in %(workspace)s does not include these settings.") % {"workspace": workspace}
        )
    tab = next((tab for tab in visible if tab.name == (name or visible[0].name)), None)
    if tab is None:
        raise Http404(f"The settings of {workspace} have no tab {name}.")
    context = {
        "workspace": workspace,
        "tabs": visible,
        "tab": tab.name,
        "template": tab.template,
    }
    tab_context = {**context, **tab.context(request, workspace), **more}
    return render(
        request, "environments/settings.html", tab_context, status=422 if "problem" in more else 200
    )
