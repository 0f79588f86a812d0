"""A person's own page of notifications: what they want to be told of, how, and what they were told."""

from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from environments.notices import choice_of, choose, mail_is_set_up
from environments.outbox import Notice, NoticeKind

NEWEST = 20


class ChoiceForm(forms.Form):
    """Where a person is told, and of what."""

    email = forms.EmailField(required=False, max_length=254)
    by_mail = forms.BooleanField(required=False)
    kinds = forms.MultipleChoiceField(choices=NoticeKind.choices, required=False)

    def clean(self) -> None:
        """Refuse e-mail without an address."""
        told = self.cleaned_data
        if told.get("by_mail") and not told.get("email") and "email" not in self.errors:
            self.add_error(
                "email", gettext_lazy("Where is it sent to? Write your address, or switch it off.")
            )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notifications(request: HttpRequest) -> HttpResponse:
    """Show what a person is told of, and keep what they choose."""
    user = cast(User, request.user)
    form = ChoiceForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        told = form.cleaned_data
        choose(user, email=told["email"], by_mail=told["by_mail"], kinds=set(told["kinds"]))
        messages.success(request, _("What you are told of is saved."))
        return redirect("notifications")
    choice = choice_of(user)
    typed = {
        "email": user.email if form is None else form["email"].value() or "",
        "by_mail": (choice.by_mail and bool(user.email)) if form is None else form["by_mail"].value(),
        "kinds": [kind for kind in NoticeKind if choice.wants(kind)]
        if form is None
        else request.POST.getlist("kinds"),
    }
    shown = {
        "form": form,
        "typed": typed,
        "kinds": NoticeKind.choices,
        "mailed": mail_is_set_up(),
        "notices": Notice.objects.filter(user=user)[:NEWEST],
    }
    return render(request, "studio/notifications.html", shown, status=200 if form is None else 422)
