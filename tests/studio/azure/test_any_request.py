"""Nothing that schemathesis sends to the Azure SDKs' URLs brings a server error, or an error in another form.

The operations are those of the URL patterns. `SCHEMATHESIS_CASES=200` sends more.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.urls import URLPattern, URLResolver
from pytest_django import Settings

from environments.models import Role, Scope
from environments.workspaces.tokens import create_token
from studio.azure import urls
from tests.builds.scenarios import fail_build, person, queue_build, save_text
from tests.studio.each_operation import each_operation, send_cases

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.usefixtures("on_postgresql")]
CASES = int(os.environ.get("SCHEMATHESIS_CASES", "4"))
# Every second case uses existing rows, the others any text.
THERE: dict[str, object] = {
    "workspace": "lab",
    "name": "forecast",
    "version": "1",
    "datastore": "workspaceblobstore",
    "label": "prod",
}
TEXT = {"type": "string", "nullable": True}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}, "nullable": True}
PROPERTIES = {
    "image": TEXT,
    "condaFile": TEXT,
    "build": {"type": "object", "properties": {"contextUri": TEXT, "dockerfilePath": TEXT}},
    "osType": {"enum": ["Linux", "Windows", None, "linux"]},
    "tags": TEXTS,
    "properties": TEXTS,
    "description": TEXT,
    "isArchived": {"type": "boolean"},
    "isAnonymous": {"type": "boolean"},
}
# The sections that SDK v1 sends
SECTIONS = {
    "Docker": {
        "type": "object",
        "properties": {
            "baseImage": TEXT,
            "baseDockerfile": TEXT,
            "buildContext": {"type": "object", "properties": {"location": TEXT, "dockerfilePath": TEXT}},
            "platform": {"type": "object", "properties": {"os": TEXT, "architecture": TEXT}},
        },
    },
    "python": {
        "type": "object",
        "properties": {
            "userManagedDependencies": {"type": "boolean"},
            "interpreterPath": TEXT,
            "condaDependencies": {"type": "object", "properties": {"dependencies": {"type": "array"}}},
        },
    },
    "EnvironmentVariables": TEXTS,
}
OBJECT = {"type": "object"}
# Bodies for the URLs that end so; the others read none.
BODIES: dict[str, dict[str, Any]] = {
    r"(providers.*|managementfrontend.*)/versions/{version}$": {
        "type": "object",
        "properties": {"properties": {"type": "object", "properties": PROPERTIES}},
    },
    r"/environments/{name}$": {
        "type": "object",
        "properties": {"properties": {"type": "object", "properties": {"isArchived": {"type": "boolean"}}}},
    },
    "/import$": {
        "type": "object",
        "properties": {
            "properties": {
                "type": "object",
                "properties": dict.fromkeys(("destinationName", "destinationVersion", "sourceAssetId"), TEXT),
            }
        },
    },
    "/listSecrets$": {"type": "object", "properties": {"expireAfterHours": {"type": "integer"}}},
    "/metadata$": {
        "type": "object",
        "properties": {"Labels": {"type": "array", "items": {"type": "string"}}},
    },
    "/recipe$": {"type": "object", "properties": {"platform": TEXT}},
}
FIRST_SDK = {"type": "object", "properties": SECTIONS}
QUERY = ("api-version", "$top", "$skipToken", "$orderBy", "listViewType", "continuation")
turns = count()


def operations(patterns: list[Any], before: str = "") -> Iterator[tuple[str, list[str]]]:
    """Return the path of each pattern, with names in braces, and its methods."""
    for pattern in patterns:
        text = before + str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix("?")
        if isinstance(pattern, URLResolver):
            yield from operations(pattern.url_patterns, text)
        elif isinstance(pattern, URLPattern):
            path = re.sub(
                r"\(\?P<(\w+)>[^)]*\)|<\w+:(\w+)>", lambda match: f"{{{match[1] or match[2]}}}", text
            )
            view = getattr(pattern.callback, "cls", None)
            methods = ("get", "put", "post", "delete", "patch")
            if path.endswith("{path}"):  # no method has an answer there
                yield "/" + path, ["put"]
            elif view is not None:  # blobs have tests of their own
                yield "/" + path.replace("\\", ""), [name for name in methods if hasattr(view, name)]


def body_of(path: str) -> dict[str, Any]:
    if path.startswith("/environment/v1.0") and path.endswith(("/{name}", "/versions/{version}")):
        return FIRST_SDK
    return next((schema for end, schema in BODIES.items() if re.search(end, path)), OBJECT)


def described() -> dict[str, Any]:
    """Return an OpenAPI document of the operations."""
    paths: dict[str, Any] = {}
    for path, methods in operations(urls.urlpatterns):
        named = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in re.findall(r"{(\w+)}", path)
        ]
        query = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in QUERY]
        sent = {"content": {"application/json": {"schema": body_of(path)}}}
        paths[path] = {
            method: {"parameters": [*named, *query], "responses": {"default": {"description": "Any"}}}
            | ({"requestBody": sent} if method != "get" else {})
            for method in methods
        }
    return {"openapi": "3.0.3", "info": {"title": "Azure", "version": "1"}, "paths": paths}


schema = schemathesis.openapi.from_dict(described())
schema.app = get_wsgi_application()
schema.config.phases.coverage.unexpected_methods = set()  # tests/access requests each method of each route


@schema.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    if path_parameters and next(turns) % 2:
        return {name: THERE.get(name, value) for name, value in path_parameters.items()}
    return path_parameters


@pytest.fixture
def olga(settings: Settings) -> Iterator[User]:
    """The owner of a workspace with a built version and a version whose build failed."""
    cache.clear()
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)  # a request that comes through the door would end the test's
    olga = person("olga", lab=Role.OWNER)
    fail_build(queue_build(save_text("numpy==2.1.3", user=olga), olga))
    yield olga
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@each_operation(schema)
def test_every_answer_is_in_the_clients_form(operation: Any, olga: User) -> None:
    token = create_token(olga, "schemathesis", Scope.WRITE)[1]

    def send(case: Any) -> None:
        response = case.call(headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"})
        assert response.status_code < 500, response.text
        assert "Traceback" not in response.text
        assert token not in response.text
        if (
            response.status_code >= 400
            and "application/json" in response.headers.get("content-type", [""])[0]
        ):
            assert "error" in json.loads(response.text)

    send_cases(operation, send, CASES)
