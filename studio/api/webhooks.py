"""Webhooks of a workspace, and what came of their deliveries."""

import uuid
from typing import Any

from django.http import Http404
from rest_framework.response import Response

from environments.access import Right, get_workspace
from environments.models.notifications import Delivery, Webhook
from environments.notifications import webhooks
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import responses
from studio.api.shapes import webhook as webhook_shapes

WORKSPACE = ("workspace",)
WEBHOOK = ("workspace", "webhook")
DELIVERY = ("workspace", "webhook", "delivery")
UNCACHED = {"Cache-Control": "no-store"}


def _row(hook: Webhook) -> dict[str, Any]:
    return {
        "id": hook.pk,
        "address": hook.address,
        "events": hook.groups,
        "active": hook.active,
        "failures": hook.failures,
        "created_at": hook.created_at,
        "created_by": hook.created_by.get_username() if hook.created_by else None,
    }


def _delivery(row: Delivery) -> dict[str, Any]:
    fields = ("id", "state", "created_at", "next_at", "tried_at", "ended_at", "attempts", "code")
    shape = {field: getattr(row, field) for field in (*fields, "milliseconds", "problem", "answer")}
    return shape | {"event": row.event_id, "verb": row.event.verb, "subject": row.event.subject}


def _webhook(request: ApiRequest, workspace: str, webhook: int) -> Webhook:
    space = get_workspace(request.user, workspace, Right.MANAGE_WEBHOOKS)
    rows = Webhook.objects.filter(workspace=space).select_related("workspace", "created_by")
    row = rows.filter(pk=webhook).first() if webhook < 2**63 else None
    if row is None:
        raise Http404(f"{space} has no webhook {webhook}.")
    return row


@documented("GET", responses.paged(webhook_shapes.Webhook), path=WORKSPACE, paged=True)
def list_webhooks(request: ApiRequest, workspace: str) -> Response:
    """List a workspace's webhooks."""
    space = get_workspace(request.user, workspace, Right.MANAGE_WEBHOOKS)
    rows = Webhook.objects.filter(workspace=space).select_related("created_by")
    page, pages = page_of(request, rows, ("pk",))
    return pages.get_paginated_response([_row(hook) for hook in page])


@documented(
    "POST",
    {201: webhook_shapes.NewWebhook},
    takes=webhook_shapes.WebhookIn,
    path=WORKSPACE,
)
def add_webhook(request: ApiRequest, workspace: str) -> Response:
    """Make a webhook; its secret is in this answer and in no other."""
    space = get_workspace(request.user, workspace, Right.MANAGE_WEBHOOKS)
    sent = webhook_shapes.WebhookIn(data=request.data)
    sent.is_valid(raise_exception=True)
    payload = sent.validated_data
    made, secret = webhooks.add_webhook(space, payload["address"], payload["events"], request.user)
    return Response(_row(made) | {"secret": secret}, status=201, headers=UNCACHED)


@documented("GET", webhook_shapes.Webhook, path=WEBHOOK)
def give_webhook(request: ApiRequest, workspace: str, webhook: int) -> Response:
    """Give a webhook."""
    return Response(_row(_webhook(request, workspace, webhook)))


@documented(
    "PATCH",
    webhook_shapes.Webhook,
    takes=webhook_shapes.WebhookChange,
    path=WEBHOOK,
)
def change_webhook(request: ApiRequest, workspace: str, webhook: int) -> Response:
    """Change where a webhook sends, what, and whether it sends at all."""
    hook = _webhook(request, workspace, webhook)
    sent = webhook_shapes.WebhookChange(data=request.data)
    sent.is_valid(raise_exception=True)
    payload = {"address": hook.address, "events": hook.groups, "active": hook.active} | sent.validated_data
    webhooks.change_webhook(
        hook,
        address=payload["address"],
        groups=payload["events"],
        active=payload["active"],
        by=request.user,
    )
    return Response(_row(hook))


@documented("DELETE", {204: None}, path=WEBHOOK)
def delete_webhook(request: ApiRequest, workspace: str, webhook: int) -> Response:
    """Delete a webhook, and what waits for it."""
    webhooks.delete_webhook(_webhook(request, workspace, webhook), request.user)
    return Response(status=204)


@documented(
    "POST",
    webhook_shapes.NewWebhook,
    path=WEBHOOK,
)
def renew_webhook(request: ApiRequest, workspace: str, webhook: int) -> Response:
    """Sign with another secret from now on; it is in this answer and in no other."""
    hook = _webhook(request, workspace, webhook)
    secret = webhooks.renew_secret(hook, request.user)
    return Response(_row(hook) | {"secret": secret}, headers=UNCACHED)


@documented("POST", {202: webhook_shapes.Delivery}, path=WEBHOOK, may=(409,))
def test_webhook(request: ApiRequest, workspace: str, webhook: int) -> Response:
    """Send a test, `webhook.tested`."""
    hook = _webhook(request, workspace, webhook)
    delivery = webhooks.test_webhook(hook, request.user)
    return Response(_delivery(delivery), status=202)


@documented(
    "GET",
    responses.paged(webhook_shapes.Delivery),
    path=WEBHOOK,
    paged=True,
)
def deliveries(request: ApiRequest, workspace: str, webhook: int) -> Response:
    """List what was sent to a webhook or waits, newest first."""
    rows = Delivery.objects.filter(webhook=_webhook(request, workspace, webhook)).select_related("event")
    page, pages = page_of(request, rows, ("-created_at", "-event_id"))
    return pages.get_paginated_response([_delivery(row) for row in page])


@documented(
    "POST",
    {202: webhook_shapes.Delivery},
    path=DELIVERY,
    may=(409,),
)
def send_again(request: ApiRequest, workspace: str, webhook: int, delivery: uuid.UUID) -> Response:
    """Send something again, under the id that it had."""
    hook = _webhook(request, workspace, webhook)
    rows = Delivery.objects.filter(webhook=hook, pk=delivery).select_related("event", "webhook__workspace")
    row = rows.first()
    if row is None:
        raise Http404(f"Webhook {hook.pk} has no delivery {delivery}.")
    webhooks.send_again(row, request.user)
    row.refresh_from_db()
    return Response(_delivery(row), status=202)
