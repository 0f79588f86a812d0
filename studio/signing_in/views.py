"""Login, the home page, theme and language."""

import ipaddress
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from builds.distribution.errors import too_many_tries as registry_too_many_tries
from environments.access import workspaces_of
from environments.requests import StudioRequest
from studio.context_processors import THEMES, open_workspace
from studio.signing_in import openid
from studio.signing_in.login_links import user_of_link

A_YEAR = 365 * 24 * 3600


class SignIn(LoginView):
    """The login page, for passwords and the provider."""

    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the template context."""
        return super().get_context_data(**kwargs) | {
            "provider": settings.OIDC_NAME if openid.configured() else ""
        }


def guess_source(request: HttpRequest) -> str:
    """Return the address to count failed logins by: for IPv6 the /64 network, which belongs to one customer."""
    remote = str(request.META.get("REMOTE_ADDR") or "")
    try:
        address = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:  # a Unix socket
        return remote
    if isinstance(address, ipaddress.IPv4Address):
        return remote
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)


def too_many_tries(request: HttpRequest, *_: object) -> HttpResponse:
    """Refuse further login attempts, in the format of the page or of the registry."""
    minutes = max(1, round(settings.AXES_COOLOFF_TIME.total_seconds() / 60))
    if request.path.startswith("/v2/"):
        return registry_too_many_tries(minutes)
    return render(request, "registration/too_many.html", {"minutes": minutes}, status=429)


@require_safe
@login_required
def home(request: StudioRequest) -> HttpResponse:
    """Redirect to the environments of the last opened workspace."""
    current = open_workspace(request, list(workspaces_of(request.user).order_by("curated", "title")), None)
    if current is None:
        return render(request, "studio/no_workspace.html")
    return redirect("environments", current.name)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def one_time(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Sign in by a one-time link. GET asks for confirmation, so that link previews do not use it up."""
    user = user_of_link(uid, token)
    if user is None:
        return render(request, "registration/one_time_spent.html", status=410)
    if request.method == "POST":
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("home")
    return render(request, "registration/one_time.html", {"person": user})


def redirect_back(request: HttpRequest) -> HttpResponse:
    """Redirect to the page that sent a form, if it belongs to the studio."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}):
        back = "/"
    return HttpResponseRedirect(back)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Save the chosen theme."""
    response = redirect_back(request)
    if request.POST.get("theme") in THEMES:
        response.set_cookie(
            "studio_theme",
            request.POST["theme"],
            max_age=A_YEAR,
            samesite="Lax",
            httponly=True,
            secure=settings.SECURE_COOKIES,
        )
    return response


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Save the chosen language."""
    response = redirect_back(request)
    if request.POST.get("language") in dict(settings.LANGUAGES):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            request.POST["language"],
            max_age=A_YEAR,
            samesite="Lax",
            httponly=True,
        )
    return response
