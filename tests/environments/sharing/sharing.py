"""Sends and reads shares for the tests of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from environments.errors import ServiceError
from environments.models import Event
from tests.builds.scenarios import browser_of

SENT = "/w/lab/environments/forecast/versions/1/share/"
API = "/api/v1/workspaces/"


def refused(act: Any) -> str:
    with pytest.raises(ServiceError) as problem:
        act()
    assert problem.value.message.endswith(".")
    return problem.value.code


def verbs(workspace: str) -> list[str]:
    return list(
        Event.objects.filter(workspace__name=workspace, verb__startswith="share.")
        .order_by("pk")
        .values_list("verb", flat=True)
    )


def post(user: User, path: str, sent: dict[str, object] | None = None) -> tuple[int, Any]:
    answer = browser_of(user).post(API + path, json.dumps(sent or {}), "application/json")
    return answer.status_code, answer.json()
