"""Request and response fields of webhooks."""

from typing import Any

from rest_framework import serializers as s

from environments.models.events import EventGroup
from environments.models.notifications import DeliveryState
from studio.api.shapes.bodies import NoNul


class WebhookIn(s.Serializer[Any]):
    """A webhook to make."""

    address = NoNul(max_length=400, help_text="Where it is sent to, https://… or http://…")
    events = s.MultipleChoiceField(choices=EventGroup.values, default={"builds"})


class WebhookChange(s.Serializer[Any]):
    """Changes to a webhook."""

    address = NoNul(max_length=400, required=False)
    events = s.MultipleChoiceField(choices=EventGroup.values, required=False)
    active = s.BooleanField(required=False)


class Webhook(s.Serializer[Any]):
    """An address that a workspace's events are sent to."""

    id = s.IntegerField()
    address = s.CharField()
    events = s.ListField(child=s.ChoiceField(choices=EventGroup.values))
    active = s.BooleanField()
    failures = s.IntegerField(help_text="Tries that failed since one succeeded.")
    created_at = s.DateTimeField()
    created_by = s.CharField(allow_null=True)


class NewWebhook(Webhook):
    """A webhook with its secret, which is given this once."""

    secret = s.CharField(help_text="`whsec_` and the key in base64.")


class Delivery(s.Serializer[Any]):
    """An event that was sent to a webhook, or waits to be."""

    id = s.UUIDField(help_text="The same at each try: the header `Webhook-Id`.")
    event = s.IntegerField(help_text="The event's id.")
    verb = s.CharField()
    subject = s.CharField()
    state = s.CharField(help_text=", ".join(DeliveryState.values))
    created_at = s.DateTimeField()
    next_at = s.DateTimeField(allow_null=True)
    tried_at = s.DateTimeField(allow_null=True)
    ended_at = s.DateTimeField(allow_null=True)
    attempts = s.IntegerField()
    code = s.IntegerField(allow_null=True, help_text="Of the last answer.")
    milliseconds = s.IntegerField(allow_null=True)
    answer = s.CharField(help_text="The beginning of the last answer's body.")
    problem = s.CharField(allow_blank=True)
