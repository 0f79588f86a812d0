"""The settings' tab of the webhooks and their deliveries."""

import json
import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from environments.access import Right, get_workspace
from environments.models import Workspace
from environments.models.events import EventGroup
from environments.models.notifications import Delivery, Webhook
from environments.notifications import webhooks
from environments.notifications.delivery import payload_of
from environments.paging import KeysetPaginator
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from environments.workspaces.settings_views import settings_page, tab_url
from environments.workspaces.tabs import Tab, TabContext

PAGE_SIZE = 25


def webhooks_tab(request: StudioRequest, workspace: Workspace) -> TabContext:
    return _tab_context(request, workspace, query_param(request, "webhook"))


def _tab_context(request: StudioRequest, workspace: Workspace, chosen: str) -> TabContext:
    """Return the context of the tab, with the selected webhook open."""
    hooks = list(Webhook.objects.filter(workspace=workspace).select_related("created_by"))
    selected = next((hook for hook in hooks if str(hook.pk) == chosen), None)
    context: TabContext = {
        "hooks": hooks,
        "hook": selected,
        "groups": EventGroup.choices,
        "typed": {"groups": [EventGroup.BUILDS.value]},
    }
    if selected is not None:
        rows = Delivery.objects.filter(webhook=selected).select_related(
            "event__environment", "event__actor", "event__workspace"
        )
        context["typed"] = {"address": selected.address, "groups": selected.groups, "active": selected.active}
        # Keys of deliveries are UUIDs: the newest first, by time.
        page = KeysetPaginator(rows.order_by("-created_at", "-event_id"), PAGE_SIZE).get_page(
            request.GET.get("page")
        )
        context |= {"page": page, "deliveries": [(row, _payload(row)) for row in page]}
    return context


def _payload(delivery: Delivery) -> str:
    """Return the body that is sent, laid out for people."""
    return json.dumps(json.loads(payload_of(delivery)), indent=2, ensure_ascii=False)


TAB = Tab(
    60,
    "webhooks",
    gettext_lazy("Webhooks"),
    Right.MANAGE_WEBHOOKS,
    "environments/_settings_webhooks.html",
    webhooks_tab,
)


def _typed(request: StudioRequest) -> dict[str, Any]:
    return {
        "address": request.POST.get("address", ""),
        "groups": request.POST.getlist("groups"),
    }


def _get_webhook(request: StudioRequest, workspace: str, webhook: int) -> Webhook:
    workspace = get_workspace(request.user, workspace, Right.MANAGE_WEBHOOKS)
    return get_object_or_404(Webhook.objects.select_related("workspace"), pk=webhook, workspace=workspace)


def _to_webhook(hook: Webhook) -> HttpResponseRedirect:
    return redirect(f"{tab_url(hook.workspace, 'webhooks')}&webhook={hook.pk}")


@never_cache
@require_POST
@login_required
def add(request: StudioRequest, workspace: str) -> HttpResponse:
    """Add a webhook; only this response shows its secret."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_WEBHOOKS)
    typed = _typed(request)
    try:
        hook, secret = webhooks.add_webhook(workspace, **typed, by=request.user)
    except webhooks.WebhookRefused as problem:
        return settings_page(request, workspace, "webhooks", typed=typed, problem=problem)
    return settings_page(
        request, workspace, "webhooks", **_tab_context(request, workspace, str(hook.pk)), secret=secret
    )


@never_cache
@require_POST
@login_required
def change(request: StudioRequest, workspace: str, webhook: int) -> HttpResponse:
    """Change the URL or the events, or switch the webhook on or off."""
    hook = _get_webhook(request, workspace, webhook)
    typed = _typed(request) | {"active": request.POST.get("active") == "on"}
    try:
        changed = webhooks.change_webhook(hook, **typed, by=request.user)
    except webhooks.WebhookRefused as problem:
        context = _tab_context(request, hook.workspace, str(hook.pk)) | {"typed": typed, "problem": problem}
        return settings_page(request, hook.workspace, "webhooks", **context)
    if changed:
        messages.success(request, _("Webhook saved."))
    else:
        messages.info(request, _("No changes to save."))
    return _to_webhook(hook)


@never_cache
@require_POST
@login_required
def renew(request: StudioRequest, workspace: str, webhook: int) -> HttpResponse:
    """Replace the secret, and show it once."""
    hook = _get_webhook(request, workspace, webhook)
    secret = webhooks.renew_secret(hook, request.user)
    context = _tab_context(request, hook.workspace, str(hook.pk))
    return settings_page(request, hook.workspace, "webhooks", **context, secret=secret)


@require_POST
@login_required
def delete(request: StudioRequest, workspace: str, webhook: int) -> HttpResponse:
    """Delete the webhook."""
    hook = _get_webhook(request, workspace, webhook)
    webhooks.delete_webhook(hook, request.user)
    messages.success(request, _("Webhook deleted. Nothing more is sent there."))
    return redirect(tab_url(hook.workspace, "webhooks"))


@require_POST
@login_required
def test(request: StudioRequest, workspace: str, webhook: int) -> HttpResponse:
    """Send a test event."""
    hook = _get_webhook(request, workspace, webhook)
    try:
        webhooks.test_webhook(hook, request.user)
    except webhooks.WebhookRefused as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        messages.success(request, _("Test queued. Its result appears in the list of deliveries."))
    return _to_webhook(hook)


@require_POST
@login_required
def again(request: StudioRequest, workspace: str, webhook: int, delivery: uuid.UUID) -> HttpResponse:
    """Send a delivery again, under the same id."""
    hook = _get_webhook(request, workspace, webhook)
    row = get_object_or_404(Delivery.objects.select_related("webhook__workspace"), pk=delivery, webhook=hook)
    try:
        webhooks.send_again(row, request.user)
    except webhooks.WebhookRefused as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        messages.success(request, _("Queued again. Its result appears in the list of deliveries."))
    return _to_webhook(hook)
