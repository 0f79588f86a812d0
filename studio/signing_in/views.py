"""Signing in and out, the first page, the theme and the language."""

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
from studio import provider
from studio.context import THEMES, open_workspace
from studio.one_time import person_of

A_YEAR = 365 * 24 * 3600


class SignIn(LoginView):
    """The page to sign in on, with a password or through the provider."""

    redirect_authenticated_user = True

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        """Return what the page shows."""
        return super().get_context_data(**given) | {
            "provider": settings.OIDC_NAME if provider.configured() else ""
        }


def guessed_from(request: HttpRequest) -> str:
    """Return the address that tries are counted by: of IPv6 the network of 64 bits, which is one customer's."""
    told = str(request.META.get("REMOTE_ADDR") or "")
    try:
        address = ipaddress.ip_address(told.partition("%")[0])
    except ValueError:  # a socket of this machine
        return told
    if isinstance(address, ipaddress.IPv4Address):
        return told
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)


def too_many_tries(request: HttpRequest, *_: object) -> HttpResponse:
    """Answer whoever tried too many passwords, in the words of where they tried."""
    minutes = max(1, round(settings.AXES_COOLOFF_TIME.total_seconds() / 60))
    if request.path.startswith("/v2/"):
        return registry_too_many_tries(minutes)
    return render(request, "registration/too_many.html", {"minutes": minutes}, status=429)


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
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("home")
    return render(request, "registration/one_time.html", {"person": user})


def back_to(request: HttpRequest) -> HttpResponse:
    """Return to the page that a form was sent from, if it is one of the studio's."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}):
        back = "/"
    return HttpResponseRedirect(back)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme that was chosen."""
    response = back_to(request)
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
    """Keep the language that was chosen."""
    response = back_to(request)
    if request.POST.get("language") in dict(settings.LANGUAGES):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            request.POST["language"],
            max_age=A_YEAR,
            samesite="Lax",
            httponly=True,
        )
    return response
