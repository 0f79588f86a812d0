"""The documentation, inside the studio."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from environments.requests import StudioRequest
from studio.documentation.pages import page_names, page_of


@require_safe
@login_required
def index(request: StudioRequest) -> HttpResponse:
    """Redirect to the first page."""
    names = page_names()
    if not names:
        raise Http404("This installation has no documentation.")
    return redirect("documentation-page", names[0])


@require_safe
@login_required
def page(request: StudioRequest, name: str) -> HttpResponse:
    """Show a page of the documentation."""
    shown = page_of(name)
    if shown is None:
        raise Http404(f"There is no page {name}.")
    pages = [row for row in map(page_of, page_names()) if row is not None]
    return render(request, "studio/documentation.html", {"page": shown, "pages": pages})
