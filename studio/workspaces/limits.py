"""The settings' tab of the limits: what a workspace may have, where that comes from, and admins change it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from builds.limits import FIELDS, defaults, in_force, in_units, set_limits
from builds.models import WorkspaceLimits
from environments.access import Right, get_workspace, may
from environments.models import Workspace
from environments.settings_views import TABS, Shown, Tab, page_of, tab_address
from studio.templatetags.studio import duration

GB = 10**9
MOST_GB = Decimal(10**9)


class LimitsForm(forms.Form):
    """A workspace's own limits as people type them; an empty field takes the default."""

    at_once = forms.IntegerField(
        label=gettext_lazy("Builds at once"), min_value=1, max_value=FIELDS["at_once"], required=False
    )
    queued = forms.IntegerField(
        label=gettext_lazy("Builds in the queue"), min_value=1, max_value=FIELDS["queued"], required=False
    )
    seconds = forms.IntegerField(
        label=gettext_lazy("Seconds for a build"), min_value=1, max_value=FIELDS["seconds"], required=False
    )
    disk = forms.DecimalField(
        label=gettext_lazy("GB of disk for a build"),
        min_value=Decimal(1) / GB,
        max_value=MOST_GB,
        decimal_places=9,
        required=False,
    )

    def given(self) -> dict[str, int | None]:
        """Return the limits; a None takes the default."""
        typed = self.cleaned_data
        disk = None if typed["disk"] is None else int(typed["disk"] * GB)
        return {name: typed[name] for name in ("at_once", "queued", "seconds")} | {"disk": disk}


@dataclass(frozen=True)
class Row:
    """One limit: what it is, what counts now, whether the workspace has one of its own, and the default."""

    words: str
    about: str
    now: str
    own: bool
    default: str
    setting: str


# Words, what happens beyond it, and the setting that has the default
ABOUT = {
    "at_once": (
        gettext_lazy("Builds at once"),
        gettext_lazy("More wait in the queue."),
        "STUDIO_LIMIT_AT_ONCE",
    ),
    "queued": (
        gettext_lazy("Builds in the queue"),
        gettext_lazy("Who asks for more is told to wait."),
        "STUDIO_LIMIT_QUEUED",
    ),
    "seconds": (
        gettext_lazy("Time of a build"),
        gettext_lazy("A longer one is stopped."),
        "STUDIO_LIMIT_SECONDS",
    ),
    "disk": (
        gettext_lazy("Disk that a build may add"),
        gettext_lazy("A build that writes more is stopped."),
        "STUDIO_LIMIT_DISK_GB",
    ),
}


def _said(name: str, value: int) -> str:
    return {"seconds": duration, "disk": in_units}.get(name, str)(value)


def _shown(request: HttpRequest, place: Workspace) -> Shown:
    own = WorkspaceLimits.objects.filter(workspace=place).first()
    given = own.given() if own else {}
    now, default = in_force(own), defaults()
    rows = [
        Row(
            str(words),
            str(about),
            _said(name, getattr(now, name)),
            name in given,
            _said(name, getattr(default, name)),
            setting,
        )
        for name, (words, about, setting) in ABOUT.items()
    ]
    typed: dict[str, object] = dict(given)
    if "disk" in given:
        typed["disk"] = f"{Decimal(given['disk']) / GB:f}"
    return {
        "rows": rows,
        "form": LimitsForm(initial=typed),
        "may_manage": may(request.user, Right.SET_LIMITS, place),
    }


@never_cache
@require_POST
@login_required
def change_limits(request: HttpRequest, workspace: str) -> HttpResponse:
    """Give a workspace limits of its own."""
    place = get_workspace(request.user, workspace, Right.SET_LIMITS)
    form = LimitsForm(request.POST)
    if not form.is_valid():
        return page_of(request, place, "limits", form=form, problem=form.errors)
    set_limits(place, cast(User, request.user), **form.given())
    messages.success(
        request,
        _("These are the limits of %(workspace)s now. Builds under way keep theirs.") % {"workspace": place},
    )
    return redirect(tab_address(place, "limits"))


TABS.append(Tab("limits", gettext_lazy("Limits"), Right.SEE_SETTINGS, "studio/_settings_limits.html", _shown))
