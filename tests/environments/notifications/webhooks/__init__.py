"""An event on its way, and the check of a message as the documents give it."""

from __future__ import annotations

from typing import Any

from environments.audit.record import record
from environments.models import Workspace
from environments.models.notifications import Delivery
from tests.services.studio import ROOT

RECIPE = (ROOT / "docs/notifications.md").read_text().partition("```python\n")[2].partition("```")[0]


def happens(lab: Workspace, verb: str = "build.failed", **details: Any) -> Delivery:
    """Record an event, and return its delivery."""
    event = record(verb, "forecast:3", workspace=lab, **details)
    return Delivery.objects.get(event=event)


def is_genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Check a message by the recipe that the documents give."""
    room: dict[str, Any] = {}
    exec(RECIPE, room)  # noqa: S102
    return bool(room["is_genuine"](secret, headers, body))
