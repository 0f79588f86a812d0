"""A service's error carries the status of the API's response."""

from __future__ import annotations

import pytest

from environments.catalogue.transitions import StaleReview
from environments.errors import ConflictError, ServiceError
from environments.notifications.webhooks import WebhookInactive, WebhookRefused
from environments.workspaces.members import LastOwner, MemberRefused
from environments.workspaces.service import NameTaken, WorkspaceRefused
from studio.api.http.answers import answer_to


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ServiceError("date-past", "That day is over."), 400),
        (WorkspaceRefused("title", "title-invalid", "Give a title."), 400),
        (WebhookRefused("groups", "Choose an event."), 400),
        (MemberRefused("no-such-person", "There is nobody called mia."), 400),
        (ConflictError("in-use", "forecast:1 is in use."), 409),
        (LastOwner("last-owner", "mia is the last owner."), 409),
        (NameTaken("lab"), 409),
        (WebhookInactive(), 409),
        (StaleReview("ann has published it."), 409),
    ],
    ids=lambda value: getattr(value, "code", str(value)),
)
def test_the_api_responds_with_the_status_of_the_error(error: ServiceError, status: int) -> None:
    response = answer_to(error, {})
    assert response is not None
    assert (response.status_code, response.data["code"]) == (status, error.code)
