"""Nothing that schemathesis sends brings an answer that the schema does not have (issue 6 point 4).

`SCHEMATHESIS_CASES=200 make test ARGS=tests/studio/api/test_schema.py` sends more.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from pytest_django import DjangoDbBlocker, Settings
from schemathesis.core import NotSet
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi import checks
from werkzeug.test import Client

from builds.models import Build
from environments.catalogue.proposals import propose
from environments.models import Role, Scope
from environments.workspaces.tokens import create_token
from tests.builds.scenarios import fail_build, person, queue_build, save_text, succeed_build
from tests.studio.each_operation import each_operation, send_cases

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
CASES = int(os.environ.get("SCHEMATHESIS_CASES", "4"))
BUILD = uuid.UUID(int=1)
DIGEST = "sha256:" + "ab" * 32
# Every second case uses existing rows, the others any value that the schema allows.
THERE: dict[str, object] = {
    "workspace": "lab",
    "name": "forecast",
    "version": "1",
    "build": str(BUILD),
    "digest": DIGEST,
    "token": 1,
    "proposal": 1,
}
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]

application = get_wsgi_application()
schema = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application)
schema.config.phases.coverage.unexpected_methods = set()  # tests/access requests each method of each route
turns = count()


@schema.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    if path_parameters and next(turns) % 2:
        return {name: THERE.get(name, value) for name, value in path_parameters.items()}
    return path_parameters


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Keep the test's connection: a request that comes through the door would end it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(scope="module")
def secret(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The token of the owner of a workspace in which there is one of everything. What a test changes is rolled back."""
    with django_db_blocker.unblock(), transaction.atomic():
        olga = person("olga", lab=Role.OWNER)
        version = save_text("numpy==2.1.3", user=olga)
        image = succeed_build(queue_build(version, olga))
        type(image).objects.filter(pk=image.pk).update(digest=DIGEST, layers=[])
        broken = save_text("nunpy==2.1.3", user=olga)
        fail_build(
            Build.objects.create(
                pk=BUILD, workspace=broken.environment.workspace, version=broken, hash=broken.hash
            )
        )
        made = propose(broken, olga, name="AzureML-x", as_new=True, comment="Good.")
        THERE["proposal"] = made.pk
        token, secret = create_token(olga, "schemathesis", Scope.WRITE)
        THERE["token"] = token.pk
        yield secret
        transaction.set_rollback(True)


@pytest.fixture
def unhindered(settings: Settings, one_connection: None) -> None:
    """Answer however many requests come."""
    cache.clear()
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}


@each_operation(schema)
@pytest.mark.usefixtures("unhindered")
def test_every_answer_is_one_that_the_schema_has(operation: Any, secret: str) -> None:
    # The client does not decompress, so that responses are checked as sent.
    sent = {"Authorization": f"Bearer {secret}", "Accept-Encoding": "identity"}
    closed: dict[str, bool] = {}

    def send(case: Any) -> None:
        address = repr((case.path_parameters, case.query, case.headers, case.media_type))
        systematic = case.meta.phase.name == TestPhase.COVERAGE
        if systematic and has_body(case) and closed.get(address):
            return
        response = case.call_and_validate(headers=sent, checks=CHECKS)
        if systematic and response.status_code == 404 and has_body(case) and address not in closed:
            closed[address] = reads_no_body(case, sent)

    send_cases(operation, send, CASES)


def has_body(case: Any) -> bool:
    return not isinstance(case.body, NotSet)


def reads_no_body(case: Any, sent: dict[str, str]) -> bool:
    """Return whether a case's address is answered 404 before its body is read: other bodies show no more."""
    request = {"method": case.method, "headers": sent, "content_type": "application/json", "data": "{"}
    return Client(application).open(case.formatted_path, **request).status_code == 404
