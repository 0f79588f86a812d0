"""The settings tab with a workspace's limits and their defaults, which admins can change."""

from dataclasses import dataclass
from decimal import Decimal

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from builds.imaging.sizes import size_text
from builds.models import WorkspaceLimits
from builds.queue.limits import MAXIMA, default_limits, effective_limits, set_limits
from environments.access import Right, get_workspace, may
from environments.models import Workspace
from environments.requests import StudioRequest
from environments.workspaces.settings_views import settings_page, tab_url
from environments.workspaces.tabs import Tab, TabContext
from studio.templatetags.studio import duration

GB = 10**9
MOST_GB = Decimal(10**9)


class LimitsForm(forms.Form):
    """A workspace's own limits; an empty field takes the default."""

    at_once = forms.IntegerField(
        label=gettext_lazy("Builds at once"), min_value=1, max_value=MAXIMA["at_once"], required=False
    )
    queued = forms.IntegerField(
        label=gettext_lazy("Builds in the queue"), min_value=1, max_value=MAXIMA["queued"], required=False
    )
    seconds = forms.IntegerField(
        label=gettext_lazy("Seconds for a build"), min_value=1, max_value=MAXIMA["seconds"], required=False
    )
    disk = forms.DecimalField(
        label=gettext_lazy("GB of disk for a build"),
        min_value=Decimal(1) / GB,
        max_value=MOST_GB,
        decimal_places=9,
        required=False,
    )

    def given(self) -> dict[str, int | None]:
        """Return the limits; None takes the default."""
        typed = self.cleaned_data
        disk = None if typed["disk"] is None else int(typed["disk"] * GB)
        return {name: typed[name] for name in ("at_once", "queued", "seconds")} | {"disk": disk}


@dataclass(frozen=True)
class Row:
    """A limit: its label, its value in force, the default with its setting, and the field of its override."""

    label: str
    about: str
    now: str
    default: str
    setting: str
    unit: str
    field: forms.BoundField


UNITS = {"seconds": "s", "disk": "GB"}
# Label, effect of reaching the limit, and the setting with the default
ABOUT = {
    "at_once": (
        gettext_lazy("Builds at once"),
        gettext_lazy("More wait in the queue."),
        "STUDIO_LIMIT_AT_ONCE",
    ),
    "queued": (
        gettext_lazy("Builds in the queue"),
        gettext_lazy("Further requests are rejected."),
        "STUDIO_LIMIT_QUEUED",
    ),
    "seconds": (
        gettext_lazy("Time of a build"),
        gettext_lazy("Longer builds are stopped."),
        "STUDIO_LIMIT_SECONDS",
    ),
    "disk": (
        gettext_lazy("Disk that a build may add"),
        gettext_lazy("A build that writes more is stopped."),
        "STUDIO_LIMIT_DISK_GB",
    ),
}


def _formatted(name: str, value: int) -> str:
    return {"seconds": duration, "disk": size_text}.get(name, str)(value)


def limits_tab(request: StudioRequest, workspace: Workspace) -> TabContext:
    return _tab_context(request, workspace)


def _tab_context(
    request: StudioRequest, workspace: Workspace, typed_form: LimitsForm | None = None
) -> TabContext:
    """Return the context of the tab, with the overrides as they were typed."""
    own = WorkspaceLimits.objects.filter(workspace=workspace).first()
    own_values = own.overrides() if own else {}
    current, default = effective_limits(own), default_limits()
    initial: dict[str, object] = dict(own_values)
    if "disk" in own_values:
        initial["disk"] = f"{Decimal(own_values['disk']) / GB:f}"
    form = typed_form or LimitsForm(initial=initial)
    rows = [
        Row(
            str(label),
            str(about),
            _formatted(name, getattr(current, name)),
            _formatted(name, getattr(default, name)),
            setting,
            UNITS.get(name, ""),
            form[name],
        )
        for name, (label, about, setting) in ABOUT.items()
    ]
    return {"rows": rows, "may_manage": may(request.user, Right.SET_LIMITS, workspace)}


@never_cache
@require_POST
@login_required
def change_limits(request: StudioRequest, workspace: str) -> HttpResponse:
    """Change a workspace's own limits."""
    workspace = get_workspace(request.user, workspace, Right.SET_LIMITS)
    form = LimitsForm(request.POST)
    if not form.is_valid():
        context = _tab_context(request, workspace, form)
        return settings_page(request, workspace, "limits", **context, problem=form.errors)
    set_limits(workspace, request.user, **form.given())
    messages.success(
        request,
        _("Limits of %(workspace)s saved. Builds that are queued or running keep theirs.")
        % {"workspace": workspace.title},
    )
    return redirect(tab_url(workspace, "limits"))


TAB = Tab(
    40, "limits", gettext_lazy("Limits"), Right.SEE_SETTINGS, "studio/_settings_limits.html", limits_tab
)
