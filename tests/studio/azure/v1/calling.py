"""A program that calls the first SDK's routes of the workspace `lab`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client

from environments.models import Scope
from environments.workspaces.tokens import create_token

PREFIX = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces"
V1, V2 = f"/environment/v1.0{PREFIX}", f"/environment/v2.0{PREFIX}"
LAB = f"{V1}/lab/environments"


class SdkCaller:
    """Calls with a token of this person; `None` calls as nobody."""

    def __init__(self, user: User | None, scope: Scope = Scope.WRITE, **more: Any) -> None:
        self.client = Client(raise_request_exception=True)
        self.headers: dict[str, str] = {}
        if user is not None:
            self.headers["Authorization"] = f"Bearer {create_token(user, 'test', scope, **more)[1]}"

    def __call__(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and what was answered; a name alone is one of `lab`'s environments."""
        response = self.raw(method, url, body)
        content = async_to_sync(_collected)(response) if response.streaming else response.content
        kind = response.headers["Content-Type"]
        return response.status_code, json.loads(content) if "json" in kind else content.decode()

    def raw(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        parts = urlsplit(url)
        path = (
            url if url.startswith("/") else f"{parts.path}?{parts.query}" if parts.scheme else f"{LAB}/{url}"
        )
        data = body if isinstance(body, bytes) else "" if body is None else json.dumps(body)
        return self.client.generic(
            method, path, data, content_type="application/json", headers=self.headers | headers
        )


async def _collected(response: Any) -> bytes:
    return b"".join([part async for part in response.streaming_content])
