"""The user's notifications: preferences and the latest messages."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from environments.models.notifications import Notice, NoticeKind
from environments.notifications.notices import mail_is_set_up, preferences_of, save_preferences
from environments.requests import StudioRequest

MAX_NOTICES = 20


class ChoiceForm(forms.Form):
    """Notification preferences of a user."""

    email = forms.EmailField(required=False, max_length=254)
    by_mail = forms.BooleanField(required=False)
    kinds = forms.MultipleChoiceField(choices=NoticeKind.choices, required=False)

    def clean(self) -> None:
        """Refuse e-mail notifications without an address."""
        data = self.cleaned_data
        if data.get("by_mail") and not data.get("email") and "email" not in self.errors:
            self.add_error(
                "email", gettext_lazy("Where is it sent to? Write your address, or switch it off.")
            )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notifications(request: StudioRequest) -> HttpResponse:
    """Show and save notification preferences."""
    user = request.user
    form = ChoiceForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        data = form.cleaned_data
        save_preferences(user, email=data["email"], by_mail=data["by_mail"], kinds=set(data["kinds"]))
        messages.success(request, _("Notification settings saved."))
        return redirect("notifications")
    choice = preferences_of(user)
    typed = {
        "email": user.email if form is None else form["email"].value() or "",
        "by_mail": (choice.by_mail and bool(user.email)) if form is None else form["by_mail"].value(),
        "kinds": [kind for kind in NoticeKind if choice.wants(kind)]
        if form is None
        else request.POST.getlist("kinds"),
    }
    context = {
        "form": form,
        "typed": typed,
        "kinds": NoticeKind.choices,
        "mailed": mail_is_set_up(),
        "notices": Notice.objects.filter(user=user)[:MAX_NOTICES],
    }
    return render(request, "studio/notifications.html", context, status=200 if form is None else 422)
