"""Signing in and out, the first page, and the theme."""

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from environments.access import workspaces_of
from studio.context import THEMES, open_workspace
from studio.one_time import person_of

A_YEAR = 365 * 24 * 3600


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Go to the environments of the workspace that was open last."""
    current = open_workspace(request, list(workspaces_of(request.user).order_by("curated", "title")), None)
    if current is None:
        return render(request, "studio/no_workspace.html")
    return redirect("environments", current.name)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def one_time(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Sign in by a one-time link. Opening it only asks: a preview of the link must not spend it."""
    user = person_of(uid, token)
    if user is None:
        return render(request, "registration/one_time_spent.html", status=410)
    if request.method == "POST":
        login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        return redirect("home")
    return render(request, "registration/one_time.html", {"person": user})


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme that was chosen."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}):
        back = "/"
    response = HttpResponseRedirect(back)
    if request.POST.get("theme") in THEMES:
        response.set_cookie(
            "studio_theme", request.POST["theme"], max_age=A_YEAR, samesite="Lax", httponly=True
        )
    return response
