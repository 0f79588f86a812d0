"""The redirects to the OpenID Connect provider and back."""

import logging
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from environments.public_url import absolute_url
from studio.signing_in.openid import PROVIDER_ERRORS, SignInFailed, configured, provider_setting

log = logging.getLogger(__name__)


class _RequestView(OIDCAuthenticationRequestView):  # type: ignore[misc]
    get_settings = staticmethod(provider_setting)


class _CallbackView(OIDCAuthenticationCallbackView):  # type: ignore[misc]
    get_settings = staticmethod(provider_setting)

    def login_failure(self) -> HttpResponse:
        raise SignInFailed(self.request.GET.get("error_description") or "the provider named no user")


@never_cache
@require_safe
def go(request: HttpRequest) -> HttpResponse:
    """Send the visitor to the provider."""
    return _answer_through(_RequestView, request)


@never_cache
@require_safe
def back(request: HttpRequest) -> HttpResponse:
    """Sign in the user that the provider sends back."""
    return _answer_through(_CallbackView, request)


def _answer_through(view: Any, request: HttpRequest) -> HttpResponse:
    if not configured():
        raise Http404("This studio has no sign-in provider.")
    # The library makes the URL that the provider sends visitors back to with this.
    request.build_absolute_uri = partial(absolute_url, request=request)  # type: ignore[method-assign]
    try:
        answer: HttpResponse = view.as_view()(request)
    except (SignInFailed, *PROVIDER_ERRORS) as error:
        log.warning("Signing in through %s failed: %s", settings.OIDC_ISSUER, error)
        messages.error(
            request,
            _(
                "%(provider)s could not sign you in. Try again. If it fails again, contact an admin: the reason is in "
                "the studio's log."
            )
            % {"provider": settings.OIDC_NAME},
        )
        return redirect("login")
    return answer
