"""The settings' tab of the registry."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from environments.access import Right, get_workspace
from environments.models import ImportTest, Workspace
from environments.requests import StudioRequest
from environments.workspaces.registry import (
    ChoiceRefused,
    RegistryRefused,
    bytecode_of,
    compression_of,
    import_test_of,
    set_anonymous_pull,
    set_bytecode,
    set_compression,
    set_import_test,
    set_registry,
)
from environments.workspaces.settings_views import bytecode_label, compression_label, settings_page, tab_url


@never_cache
@require_POST
@login_required
def change_registry(request: StudioRequest, workspace: str) -> HttpResponse:
    """Set the registry that images are pushed to."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    typed = request.POST.get("registry", "")
    try:
        changed = set_registry(workspace, typed, request.user)
    except RegistryRefused as problem:
        return settings_page(request, workspace, "registry", typed=typed, problem=problem)
    if not changed:
        messages.info(request, _("No changes to save."))
    elif workspace.registry:
        messages.success(
            request,
            _("Registry saved. New images are also pushed to %(registry)s.")
            % {"registry": workspace.registry},
        )
    else:
        messages.success(request, _("Registry removed. Images already pushed stay there."))
    return redirect(tab_url(workspace, "registry"))


@require_POST
@login_required
def change_compression(request: StudioRequest, workspace: str) -> HttpResponse:
    """Change the compression of new images."""
    return _choose(
        request,
        workspace,
        lambda space, by: set_compression(space, request.POST.get("compression", ""), by),
        lambda space: (
            _("New images are compressed with %(compression)s. Existing images do not change.")
            % {"compression": compression_label(compression_of(space))}
        ),
    )


@require_POST
@login_required
def change_bytecode(request: StudioRequest, workspace: str) -> HttpResponse:
    """Change which modules are compiled for new images."""
    return _choose(
        request,
        workspace,
        lambda space, by: set_bytecode(space, request.POST.get("bytecode", ""), by),
        lambda space: (
            _("Bytecode of new images: %(modules)s. Existing images do not change.")
            % {"modules": bytecode_label(bytecode_of(space))}
        ),
    )


@require_POST
@login_required
def change_import_test(request: StudioRequest, workspace: str) -> HttpResponse:
    """Choose when the packages of images are imported."""
    return _choose(
        request,
        workspace,
        lambda space, by: set_import_test(space, request.POST.get("import_test", ""), by),
        lambda space: (
            _("The packages of new images aren't imported.")
            if import_test_of(space) == ImportTest.OFF
            else _("The packages of new images are imported once.")
        ),
    )


def _choose(
    request: StudioRequest,
    name: str,
    change: Callable[[Workspace, User], bool],
    changed: Callable[[Workspace], str],
) -> HttpResponse:
    """Change a setting of a workspace, and say what came of it on the page that it is on."""
    workspace = get_workspace(request.user, name, Right.MANAGE_SETTINGS)
    try:
        if change(workspace, request.user):
            messages.success(request, changed(workspace))
        else:
            messages.info(request, _("No changes to save."))
    except ChoiceRefused as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    return redirect(tab_url(workspace, "registry"))


@require_POST
@login_required
def change_pull(request: StudioRequest, workspace: str) -> HttpResponse:
    """Allow everybody to pull images, or members alone."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    allowed = request.POST.get("anonymous_pull") == "on"
    if not set_anonymous_pull(workspace, allowed, request.user):
        messages.info(request, _("No changes to save."))
    elif allowed:
        messages.success(
            request,
            _("Anyone can now pull images of %(workspace)s without signing in.") % {"workspace": workspace},
        )
    else:
        messages.success(
            request,
            _("Only members can now pull images of %(workspace)s.") % {"workspace": workspace},
        )
    return redirect(tab_url(workspace, "registry"))
