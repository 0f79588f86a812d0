"""What the tests of the API need from pytest."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name each of schemathesis' tests by its operation: a run in several processes takes each name once."""
    if label := getattr(item, "operation_label", None):
        item._nodeid = f"{item.nodeid}[{label}]"
