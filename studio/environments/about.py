"""Edit a version's description and tags in place (rule 30), and save an anonymous version under a name (rule 32)."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import replace_url

from environments.access import Right, get_version
from environments.errors import ServiceError
from environments.requests import StudioRequest
from environments.versions import service
from environments.versions.anonymous import save_under_name
from environments.versions.forms import DescribeForm
from studio.environments.views import show


@require_POST
@login_required
def describe(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Change a version's description and tags, unless they changed since the form was opened."""
    current = get_version(request.user, workspace, name, version, Right.DEFINE)
    form = DescribeForm(request.POST)
    status = 422
    if form.is_valid():
        try:
            service.describe(
                current,
                description=form.cleaned_data["description"],
                tags=form.cleaned_data["tags"],
                user=request.user,
                seen=request.POST.get("seen", ""),
            )
        except service.EditConflict:
            current.refresh_from_db()
            form.add_error(
                None,
                _(
                    "Someone else changed this meanwhile. Below are their version and yours. Save again to replace theirs."
                ),
            )
            status = 409
    in_place = bool(request.htmx)
    if form.is_valid():
        if in_place:
            # The page's address may be that of the form, which would come back with the next change.
            address = reverse("version", args=[workspace, name, current.version])
            return replace_url(show(request, current, more={"described": True}), address)
        messages.success(request, _("Description and tags saved."))
        return redirect("version", workspace, name, current.version)
    # htmx does not swap in error responses.
    return show(
        request, current, more={"about": form, "changed": status == 409}, status=200 if in_place else status
    )


@require_POST
@login_required
def name_version(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Save an anonymous version as a version of a named environment, whose page is shown next."""
    current = get_version(request.user, workspace, name, version, Right.DEFINE)
    typed = request.POST.get("name", "").replace("\0", "").strip()[:400]
    try:
        saved = save_under_name(current, typed, user=request.user)
    except ServiceError as problem:
        return show(request, current, more={"naming_problem": problem, "typed_name": typed}, status=422)
    messages.success(
        request,
        _("%(version)s is saved.") % {"version": saved.version}
        if saved.created
        else _("%(version)s has the same content already.") % {"version": saved.version},
    )
    return redirect("version", workspace, saved.version.environment.name, saved.version.version)
