"""A program that calls the API with an access token."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from environments.models import Scope
from environments.workspaces.tokens import create_token


class Caller:
    """Calls with a token of this person; `None` calls as nobody."""

    def __init__(self, user: User | None, scope: Scope = Scope.WRITE, **more: Any) -> None:
        self.client = Client(raise_request_exception=True)
        self.headers: dict[str, str] = {}
        if user is not None:
            self.headers["Authorization"] = f"Bearer {create_token(user, 'test', scope, **more)[1]}"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.client.generic(
            method,
            f"/api/v1/{path}",
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers=self.headers | named,
        )
        return Answer(response)

    def all(self, path: str) -> list[Any]:
        """Return every row of a list, page by page."""
        result = []
        answer = self("GET", path)
        while True:
            result += answer.json["results"]
            if answer.json["next"] is None:
                return result
            answer = self("GET", answer.json["next"].partition("/api/v1/")[2])


class Answer:
    """A response."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.headers = response.headers
        self.response = response

    @property
    def json(self) -> Any:
        return json.loads(self.response.content)

    @property
    def code(self) -> str:
        """The error's code; an error with a code has a message and fields too."""
        payload = self.json
        assert payload["message"]
        assert isinstance(payload["errors"], dict)
        return str(payload["code"])
