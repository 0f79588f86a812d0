"""Tests of each operation of a schema: schemathesis makes the cases of one when its test runs.

Its own `parametrize` makes all of them in every process that collects the tests, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source
from schemathesis.schemas import APIOperation, BaseSchema


def each_operation(schema: BaseSchema) -> pytest.MarkDecorator:
    """Run a test with each `operation` of a schema, and name it by its method and path."""
    made: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    return pytest.mark.parametrize("operation", made, ids=[operation.label for operation in made])


def send_cases(operation: APIOperation[Any, Any, Any, Any], send: Callable[[Any], None], cases: int) -> None:
    """Call `send` with the examples of an operation, those at the limits of its types, and this many drawn ones."""
    load_all_checks()

    def check(case: Any) -> None:
        send(case)

    build_operation_test(
        config=operation.schema.config,
        operation=operation,
        test_func=check,
        given_kwargs={},
        feedback=FeedbackSources(constants_value_source=make_constants_value_source(operation.schema)),
        explicit_settings=settings(max_examples=cases, suppress_health_check=list(HealthCheck)),
    )()
