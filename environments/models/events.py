"""The audit log."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from environments.models.environments import Environment
from environments.models.workspaces import Workspace
from environments.request_origin import MAX_ADDRESS_LENGTH, MAX_AGENT_LENGTH, MAX_TOKEN_LENGTH


class EventGroup(models.TextChoices):
    """The groups that people choose events by."""

    BUILDS = "builds", _("Builds")
    ENVIRONMENTS = "environments", _("Environments and versions")
    CATALOGUE = "catalogue", _("The catalogue's proposals")
    SETTINGS = "settings", _("Members, settings and everything else")


class Event(models.Model):
    """An entry of the activity page and the audit log: actor, verb, subject. The table is append-only.

    A trigger of the database refuses updates and deletions, so rows that events refer to cannot be deleted either.
    """

    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.PROTECT, related_name="events")
    environment = models.ForeignKey(
        Environment, null=True, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=60)  # "version.created", "build.requested" …
    group = models.CharField(max_length=20)  # the EventGroup of the verb
    subject = models.CharField(max_length=400)  # the thing as people name it: "forecast:3"
    before = models.JSONField(null=True)  # {field: value} of the changed or deleted thing
    after = models.JSONField(null=True)  # {field: value} of the changed or created thing
    details = models.JSONField(default=dict)
    # The request's origin: empty for workers; commands have no address.
    address = models.CharField(max_length=MAX_ADDRESS_LENGTH, blank=True)
    agent = models.CharField(max_length=MAX_AGENT_LENGTH, blank=True)
    token = models.CharField(max_length=MAX_TOKEN_LENGTH, blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-at", "-pk"]
        # Each filter of the activity page has an index that ends in the page's order.
        indexes: ClassVar = [
            models.Index(fields=["workspace", "-at", "-id"], name="event_time_idx"),
            models.Index(fields=["workspace", "actor", "-at", "-id"], name="event_actor_idx"),
            models.Index(fields=["workspace", "group", "-at", "-id"], name="event_group_idx"),
            models.Index(fields=["workspace", "verb", "-at", "-id"], name="event_verb_idx"),
            models.Index(fields=["environment", "-at", "-id"], name="event_environment_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"
