"""The user's account: access tokens and password."""

from datetime import timedelta
from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from environments.access import workspaces_of
from environments.audit.record import record
from environments.models import AccessToken, Scope, Workspace
from environments.public_url import public_host
from environments.requests import StudioRequest
from environments.workspaces.tokens import create_token, revoke_token

LIFETIMES = {
    "7": gettext_lazy("in 7 days"),
    "30": gettext_lazy("in 30 days"),
    "90": gettext_lazy("in 90 days"),
    "365": gettext_lazy("in a year"),
    "": gettext_lazy("never"),
}


class TokenForm(forms.Form):
    """The form for a new access token."""

    name = forms.CharField(
        max_length=120, error_messages={"required": gettext_lazy("Name the token after its use.")}
    )
    scope = forms.TypedChoiceField(coerce=lambda value: Scope(int(value)), choices=Scope.choices)
    workspace = forms.ModelChoiceField(Workspace.objects.none(), required=False, to_field_name="name")
    days = forms.TypedChoiceField(
        coerce=int, choices=list(LIFETIMES.items()), required=False, empty_value=None
    )

    def __init__(self, *args: object, user: User) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        chosen = cast("forms.ModelChoiceField[Workspace]", self.fields["workspace"])
        chosen.queryset = workspaces_of(user)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def tokens(request: StudioRequest) -> HttpResponse:
    """List the user's access tokens, and create a token: only this response shows it."""
    user = request.user
    form = TokenForm(request.POST, user=user) if request.method == "POST" else None
    secret, created = "", None
    if form is not None and form.is_valid():
        data = form.cleaned_data
        days = data["days"]
        created, secret = create_token(
            user,
            data["name"],
            data["scope"],
            workspace=data["workspace"],
            expires_at=timezone.now() + timedelta(days=days) if days else None,
        )
        form = None
    context = {
        "form": form,
        "secret": secret,
        "made": created,
        "tokens": AccessToken.objects.filter(owner=user).select_related("workspace"),
        "scopes": Scope.choices,
        "days": LIFETIMES.items(),
        "choices": workspaces_of(user).order_by("curated", "title"),
        "now": timezone.now(),
        "host": public_host(request),
    }
    return render(request, "studio/tokens.html", context, status=422 if form is not None else 200)


@require_POST
@login_required
def revoke(request: StudioRequest, token: int) -> HttpResponse:
    """Revoke a token of the user."""
    user = request.user
    current = get_object_or_404(AccessToken, pk=token, owner=user)
    revoke_token(current, user)
    messages.success(
        request,
        _("Token “%(name)s” revoked. Programs that use it can no longer sign in.") % {"name": current.name},
    )
    return redirect("tokens")


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def password(request: StudioRequest) -> HttpResponse:
    """Change or set the user's password, and end their other sessions."""
    user = request.user
    kind = PasswordChangeForm if user.has_usable_password() else SetPasswordForm
    form = kind(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            record("person.password", user.get_username(), workspace=None, actor=user)
        update_session_auth_hash(request, user)
        messages.success(request, _("Password changed. You are signed out everywhere else."))
        return redirect("password")
    return render(request, "studio/password.html", {"form": form}, status=422 if form.errors else 200)
