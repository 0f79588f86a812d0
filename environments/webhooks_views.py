"""The settings' tab of the webhooks: where events are sent, and what came of each delivery."""

import uuid
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from environments import webhooks
from environments.access import Right, get_workspace
from environments.forms import asked_for
from environments.lists import Pages
from environments.models import Workspace
from environments.outbox import Delivery, EventGroup, Webhook
from environments.settings_views import TABS, Shown, Tab, page_of, tab_address

ROWS = 25


def _shown(request: HttpRequest, place: Workspace) -> Shown:
    return _with(request, place, asked_for(request, "webhook"))


def _with(request: HttpRequest, place: Workspace, chosen: str) -> Shown:
    """Return what the tab shows, with one webhook open if one is named."""
    hooks = list(Webhook.objects.filter(workspace=place).select_related("created_by"))
    found = next((hook for hook in hooks if str(hook.pk) == chosen), None)
    shown: Shown = {
        "hooks": hooks,
        "hook": found,
        "groups": EventGroup.choices,
        "typed": {"groups": [EventGroup.BUILDS.value]},
    }
    if found is not None:
        rows = Delivery.objects.filter(webhook=found).select_related("event__environment")
        shown["typed"] = {"address": found.address, "groups": found.groups, "active": found.active}
        # Their keys are no numbers: newest first by when they were written down.
        shown["page"] = Pages(rows.order_by("-created_at", "-event_id"), ROWS).get_page(
            request.GET.get("page")
        )
    return shown


TABS.append(
    Tab(
        "webhooks",
        gettext_lazy("Webhooks"),
        Right.MANAGE_WEBHOOKS,
        "environments/_settings_webhooks.html",
        _shown,
    )
)


def _typed(request: HttpRequest) -> dict[str, Any]:
    return {
        "address": request.POST.get("address", "").replace("\0", ""),
        "groups": request.POST.getlist("groups"),
    }


def _found(request: HttpRequest, workspace: str, webhook: int) -> Webhook:
    place = get_workspace(request.user, workspace, Right.MANAGE_WEBHOOKS)
    return get_object_or_404(Webhook.objects.select_related("workspace"), pk=webhook, workspace=place)


def _back(hook: Webhook) -> HttpResponseRedirect:
    return redirect(f"{tab_address(hook.workspace, 'webhooks')}&webhook={hook.pk}")


@never_cache
@require_POST
@login_required
def add(request: HttpRequest, workspace: str) -> HttpResponse:
    """Keep a new webhook: the answer is the only one that ever shows its secret."""
    place = get_workspace(request.user, workspace, Right.MANAGE_WEBHOOKS)
    typed = _typed(request)
    try:
        made, secret = webhooks.add_webhook(place, **typed, by=cast(User, request.user))
    except webhooks.WebhookRefused as problem:
        return page_of(request, place, "webhooks", typed=typed, problem=problem)
    return page_of(request, place, "webhooks", **_with(request, place, str(made.pk)), secret=secret)


@never_cache
@require_POST
@login_required
def change(request: HttpRequest, workspace: str, webhook: int) -> HttpResponse:
    """Send elsewhere, other events, or nothing for a while."""
    hook = _found(request, workspace, webhook)
    typed = _typed(request) | {"active": request.POST.get("active") == "on"}
    try:
        changed = webhooks.change_webhook(hook, **typed, by=cast(User, request.user))
    except webhooks.WebhookRefused as problem:
        shown = _with(request, hook.workspace, str(hook.pk)) | {"typed": typed, "problem": problem}
        return page_of(request, hook.workspace, "webhooks", **shown)
    if changed:
        messages.success(request, _("The webhook is changed."))
    else:
        messages.info(request, _("Nothing was changed: that is how it was."))
    return _back(hook)


@never_cache
@require_POST
@login_required
def renew(request: HttpRequest, workspace: str, webhook: int) -> HttpResponse:
    """Sign with another secret from now on, and show it this once."""
    hook = _found(request, workspace, webhook)
    secret = webhooks.renew_secret(hook, cast(User, request.user))
    shown = _with(request, hook.workspace, str(hook.pk))
    return page_of(request, hook.workspace, "webhooks", **shown, secret=secret)


@require_POST
@login_required
def delete(request: HttpRequest, workspace: str, webhook: int) -> HttpResponse:
    """Send nothing there any more."""
    hook = _found(request, workspace, webhook)
    webhooks.delete_webhook(hook, cast(User, request.user))
    messages.success(request, _("The webhook is deleted. Nothing is sent there any more."))
    return redirect(tab_address(hook.workspace, "webhooks"))


@require_POST
@login_required
def test(request: HttpRequest, workspace: str, webhook: int) -> HttpResponse:
    """Send an event that says nothing but that it works."""
    hook = _found(request, workspace, webhook)
    try:
        webhooks.test_webhook(hook, cast(User, request.user))
    except webhooks.WebhookRefused as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        messages.success(request, _("A test is on its way. Reload this page in a few seconds."))
    return _back(hook)


@require_POST
@login_required
def again(request: HttpRequest, workspace: str, webhook: int, delivery: uuid.UUID) -> HttpResponse:
    """Send something again, under the id that it had."""
    hook = _found(request, workspace, webhook)
    found = get_object_or_404(
        Delivery.objects.select_related("webhook__workspace"), pk=delivery, webhook=hook
    )
    try:
        webhooks.send_again(found, cast(User, request.user))
    except webhooks.WebhookRefused as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        messages.success(request, _("It is sent again. Reload this page in a few seconds."))
    return _back(hook)
