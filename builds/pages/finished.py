"""The end of a build, as its requester sees it: who has seen it needs no notice any longer."""

import uuid

from django.contrib.auth.models import AnonymousUser, User

from environments.notifications.inbox import mark_read_about


def mark_seen(user: User | AnonymousUser, workspace: str, build: uuid.UUID) -> None:
    """Record that a user has seen a build's outcome: its notice is read."""
    if isinstance(user, User):
        mark_read_about(user, f"/w/{workspace}/builds/{build}/")
