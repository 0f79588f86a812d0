"""Description and tags, changed in place: what may change in a version (rule 30)."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from environments import services
from environments.access import Right, get_version
from environments.forms import DescribeForm
from studio.views.environments import show


@require_POST
@login_required
def describe(request: HttpRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Change a version's description and tags, unless somebody else has done so since this person looked."""
    found = get_version(request.user, workspace, name, version, Right.DEFINE)
    form = DescribeForm(request.POST)
    status = 422
    if form.is_valid():
        try:
            services.describe(
                found,
                description=form.cleaned_data["description"],
                tags=form.cleaned_data["tags"],
                user=request.user,  # type: ignore[arg-type]
                seen=request.POST.get("seen", ""),
            )
        except services.ChangedSince:
            found.refresh_from_db()
            form.add_error(
                None,
                _(
                    "Somebody has changed this in the meantime: below is what it is now, and what you wrote. Save again to put yours in its place."
                ),
            )
            status = 409
    in_place = bool(request.htmx)  # type: ignore[attr-defined]
    if form.is_valid():
        if in_place:
            return show(request, found, more={"described": True})
        messages.success(request, _("Description and tags are saved."))
        return redirect("version", workspace, name, found.version)
    # htmx puts nothing on the page that comes as an error.
    return show(
        request, found, more={"about": form, "changed": status == 409}, status=200 if in_place else status
    )
