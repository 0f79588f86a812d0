"""The user's inbox, and what they are notified of."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from environments.models.notifications import NoticeKind, NoticePreferences
from environments.notifications.inbox import notices_of
from environments.notifications.notices import mail_is_set_up, preferences_of, save_preferences
from environments.paging import KeysetPaginator
from environments.requests import StudioRequest

ROWS = 20


class ChoiceForm(forms.Form):
    """Notification preferences of a user."""

    email = forms.EmailField(required=False, max_length=254)
    by_mail = forms.BooleanField(required=False)
    kinds = forms.MultipleChoiceField(choices=NoticeKind.choices, required=False)
    mailed = forms.MultipleChoiceField(choices=NoticeKind.choices, required=False)

    def clean(self) -> None:
        """Refuse e-mail notifications without an address."""
        data = self.cleaned_data
        if data.get("by_mail") and not data.get("email") and "email" not in self.errors:
            self.add_error("email", gettext_lazy("Enter your e-mail address, or turn e-mail off."))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notifications(request: StudioRequest) -> HttpResponse:
    """Show the inbox; show and save notification preferences."""
    user = request.user
    form = ChoiceForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        data = form.cleaned_data
        save_preferences(
            user,
            email=data["email"],
            by_mail=data["by_mail"],
            kinds=set(data["kinds"]),
            mailed_kinds=set(data["mailed"]),
        )
        messages.success(request, _("Notification settings saved."))
        return redirect("notifications")
    only_unread = "unread" in request.GET
    notices = notices_of(user, unread=only_unread)
    context = {
        "form": form,
        "typed": _typed(request, preferences_of(user), form),
        "kinds": NoticeKind.choices,
        "mail_available": mail_is_set_up(),
        "only_unread": only_unread,
        "unread_count": notices_of(user, unread=True).count(),
        "page": KeysetPaginator(notices, ROWS).get_page(request.GET.get("page")),
    }
    return render(request, "studio/notifications.html", context, status=200 if form is None else 422)


def _typed(request: StudioRequest, choice: NoticePreferences, form: ChoiceForm | None) -> dict[str, object]:
    """Return the values of the form: as saved, or as they were typed."""
    if form is not None:
        return {
            "email": form["email"].value() or "",
            "by_mail": form["by_mail"].value(),
            "kinds": request.POST.getlist("kinds"),
            "mailed": request.POST.getlist("mailed"),
        }
    by_mail = choice.by_mail
    choice.by_mail = True  # the boxes show the choice for when e-mail is on
    return {
        "email": request.user.email,
        "by_mail": by_mail and bool(request.user.email),
        "kinds": [kind for kind in NoticeKind if choice.wants(kind)],
        "mailed": [kind for kind in NoticeKind if choice.wants_mail(kind)],
    }
