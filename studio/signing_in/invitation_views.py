"""The page that an invitation's link opens: sign in or create an account, then join the workspace."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from environments.audit.record import record
from environments.models import Invitation, Member, Role
from environments.workspaces.invitations import InvitationRefused, accept_invitation, find_invitation
from studio.signing_in import openid


class AccountForm(UserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    """A new account: a user name that is free, and a password, typed twice."""

    error_messages = {
        "password_mismatch": gettext_lazy("The passwords differ. Type the same password twice.")
    }

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username",)
        error_messages = {
            "username": {"unique": gettext_lazy("This user name is taken. Choose another, or sign in.")}
        }


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, secret: str) -> HttpResponse:
    """Join a workspace by an invitation. GET shows it, so that link previews do not use it up."""
    invitation = find_invitation(secret)
    if invitation is None:
        return render(request, "registration/invitation_spent.html", status=410)
    user = request.user
    if request.method != "POST":
        return _page(request, invitation, None if user.is_authenticated else AccountForm())
    if user.is_authenticated:
        return _join(request, invitation, user)
    if not settings.INVITE_NEW_PEOPLE:
        return _page(request, invitation, None, status=403)
    form = AccountForm(request.POST)
    if not form.is_valid():
        return _page(request, invitation, form, status=422)
    try:
        with transaction.atomic():
            created = form.save()
            record("person.added", created.get_username(), workspace=None, actor=created, admin=False)
            accept_invitation(invitation, created)
    except IntegrityError:  # somebody took the name meanwhile
        form.add_error("username", form.fields["username"].error_messages["unique"])
        return _page(request, invitation, form, status=422)
    except InvitationRefused:
        return render(request, "registration/invitation_spent.html", status=410)
    login(request, created, backend="django.contrib.auth.backends.ModelBackend")
    return _welcome(request, invitation)


def _join(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    try:
        accept_invitation(invitation, user)
    except InvitationRefused:
        return render(request, "registration/invitation_spent.html", status=410)
    return _welcome(request, invitation)


def _welcome(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    messages.success(request, _("You joined %(workspace)s.") % {"workspace": invitation.workspace.title})
    return redirect("environments", invitation.workspace.name)


def _page(
    request: HttpRequest, invitation: Invitation, form: forms.Form | AccountForm | None, status: int = 200
) -> HttpResponse:
    context = {
        "invitation": invitation,
        "role": Role(invitation.role).label,
        "member": _membership(invitation, request.user),
        "form": form if settings.INVITE_NEW_PEOPLE else None,
        "provider": settings.OIDC_NAME if openid.configured() else "",
    }
    return render(request, "registration/invitation.html", context, status=status)


def _membership(invitation: Invitation, user: User | AnonymousUser) -> str:
    """Return the role that the user has in the workspace; empty for others."""
    if not user.is_authenticated:
        return ""
    member = Member.objects.filter(workspace=invitation.workspace_id, user=user).first()
    return Role(member.role).label if member else ""
