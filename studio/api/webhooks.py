"""Webhooks of a workspace, and what came of their deliveries."""

import uuid
from typing import Any

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from environments import webhooks
from environments.access import Right, get_workspace
from environments.outbox import Delivery, Webhook
from studio.api import shapes, webhook_shapes
from studio.api.answers import page_of
from studio.api.describing import documented, route

PLACE = ("workspace",)
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
    told = {field: getattr(row, field) for field in (*fields, "milliseconds", "problem")}
    return told | {"event": row.event_id, "verb": row.event.verb, "subject": row.event.subject}


def _found(request: Request, workspace: str, webhook: int) -> Webhook:
    place = get_workspace(request.user, workspace, Right.MANAGE_WEBHOOKS)
    rows = Webhook.objects.filter(workspace=place).select_related("workspace", "created_by")
    found = rows.filter(pk=webhook).first() if webhook < 2**63 else None
    if found is None:
        raise Http404(f"{place} has no webhook {webhook}.")
    return found


@documented(
    "GET", "List a workspace's webhooks", shapes.paged(webhook_shapes.Webhook), path=PLACE, paged=True
)
def list_webhooks(request: Request, workspace: str) -> Response:
    """List a workspace's webhooks."""
    place = get_workspace(request.user, workspace, Right.MANAGE_WEBHOOKS)
    rows = Webhook.objects.filter(workspace=place).select_related("created_by")
    page, pages = page_of(request, rows, ("pk",))
    return pages.get_paginated_response([_row(hook) for hook in page])


@documented(
    "POST",
    "Make a webhook; its secret is in this answer and in no other",
    {201: webhook_shapes.NewWebhook},
    takes=webhook_shapes.WebhookIn,
    path=PLACE,
)
def add_webhook(request: Request, workspace: str) -> Response:
    """Make a webhook; its secret is in this answer and in no other."""
    place = get_workspace(request.user, workspace, Right.MANAGE_WEBHOOKS)
    sent = webhook_shapes.WebhookIn(data=request.data)
    sent.is_valid(raise_exception=True)
    told = sent.validated_data
    made, secret = webhooks.add_webhook(place, told["address"], told["events"], request.user)  # type: ignore[arg-type]
    return Response(_row(made) | {"secret": secret}, status=201, headers=UNCACHED)


@documented("GET", "Give a webhook", webhook_shapes.Webhook, path=WEBHOOK)
def give_webhook(request: Request, workspace: str, webhook: int) -> Response:
    """Give a webhook."""
    return Response(_row(_found(request, workspace, webhook)))


@documented(
    "PATCH",
    "Change where a webhook sends, what, and whether it sends at all",
    webhook_shapes.Webhook,
    takes=webhook_shapes.WebhookChange,
    path=WEBHOOK,
)
def change_webhook(request: Request, workspace: str, webhook: int) -> Response:
    """Change where a webhook sends, what, and whether it sends at all."""
    hook = _found(request, workspace, webhook)
    sent = webhook_shapes.WebhookChange(data=request.data)
    sent.is_valid(raise_exception=True)
    told = {"address": hook.address, "events": hook.groups, "active": hook.active} | sent.validated_data
    webhooks.change_webhook(
        hook,
        address=told["address"],
        groups=told["events"],
        active=told["active"],
        by=request.user,  # type: ignore[arg-type]
    )
    return Response(_row(hook))


@documented("DELETE", "Delete a webhook, and what waits for it", {204: None}, path=WEBHOOK)
def delete_webhook(request: Request, workspace: str, webhook: int) -> Response:
    """Delete a webhook, and what waits for it."""
    webhooks.delete_webhook(_found(request, workspace, webhook), request.user)  # type: ignore[arg-type]
    return Response(status=204)


@documented(
    "POST",
    "Sign with another secret from now on; it is in this answer and in no other",
    webhook_shapes.NewWebhook,
    path=WEBHOOK,
)
def renew_webhook(request: Request, workspace: str, webhook: int) -> Response:
    """Sign with another secret from now on; it is in this answer and in no other."""
    hook = _found(request, workspace, webhook)
    secret = webhooks.renew_secret(hook, request.user)  # type: ignore[arg-type]
    return Response(_row(hook) | {"secret": secret}, headers=UNCACHED)


@documented("POST", "Send a test, `webhook.tested`", {202: webhook_shapes.Delivery}, path=WEBHOOK, may=(409,))
def test_webhook(request: Request, workspace: str, webhook: int) -> Response:
    """Send a test, `webhook.tested`."""
    hook = _found(request, workspace, webhook)
    delivery = webhooks.test_webhook(hook, request.user)  # type: ignore[arg-type]
    return Response(_delivery(delivery), status=202)


@documented(
    "GET",
    "List what was sent to a webhook or waits, newest first",
    shapes.paged(webhook_shapes.Delivery),
    path=WEBHOOK,
    paged=True,
)
def deliveries(request: Request, workspace: str, webhook: int) -> Response:
    """List what was sent to a webhook or waits, newest first."""
    rows = Delivery.objects.filter(webhook=_found(request, workspace, webhook)).select_related("event")
    page, pages = page_of(request, rows, ("-created_at", "-event_id"))
    return pages.get_paginated_response([_delivery(row) for row in page])


@documented(
    "POST",
    "Send something again, under the id that it had",
    {202: webhook_shapes.Delivery},
    path=DELIVERY,
    may=(409,),
)
def send_again(request: Request, workspace: str, webhook: int, delivery: uuid.UUID) -> Response:
    """Send something again, under the id that it had."""
    hook = _found(request, workspace, webhook)
    rows = Delivery.objects.filter(webhook=hook, pk=delivery).select_related("event", "webhook__workspace")
    found = rows.first()
    if found is None:
        raise Http404(f"Webhook {hook.pk} has no delivery {delivery}.")
    webhooks.send_again(found, request.user)  # type: ignore[arg-type]
    found.refresh_from_db()
    return Response(_delivery(found), status=202)


ROUTES = {
    "webhooks": route(GET=list_webhooks, POST=add_webhook),
    "webhook": route(GET=give_webhook, PATCH=change_webhook, DELETE=delete_webhook),
    "secret": route(POST=renew_webhook),
    "test": route(POST=test_webhook),
    "deliveries": route(GET=deliveries),
    "again": route(POST=send_again),
}
