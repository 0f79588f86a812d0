"""Versions that are shared with other workspaces."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from environments.models.environments import Version
from environments.models.workspaces import Workspace


class ShareState(models.TextChoices):
    """The state of a share: waiting → accepted | declined | withdrawn."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Share(models.Model):
    """A version that a workspace sends to another, whose owners decide about it. `environments.sharing` writes it.

    A share with a workspace that does not exist is a row too, without a target: its sender sees no difference.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="sent_shares", help_text="The sender's."
    )
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="shares")
    digest = models.CharField(max_length=71, help_text="The image that goes with it.")
    to = models.CharField(max_length=63, help_text="The name of the other workspace, as it was typed.")
    target = models.ForeignKey(Workspace, null=True, on_delete=models.CASCADE, related_name="received_shares")
    name = models.CharField(max_length=255, help_text="The environment's name that the sender suggests.")
    message = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=ShareState.choices, default=ShareState.WAITING)
    shared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    shared_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    accepted = models.ForeignKey(
        Version, null=True, on_delete=models.SET_NULL, related_name="accepted_from", help_text="The copy."
    )

    class Meta:
        ordering = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "to"], condition=Q(state="waiting"), name="share_waiting_uniq"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "-id"], name="share_sent_idx"),
            models.Index(fields=["target", "state", "-id"], name="share_received_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.version} for {self.to}"

    @property
    def origin(self) -> str:
        """The shared version with its workspace: workspace/name:version."""
        return f"{self.workspace.name}/{self.version}"

    @property
    def waiting(self) -> bool:
        """Whether it is undecided."""
        return self.state == ShareState.WAITING
