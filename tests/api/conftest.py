"""What the tests of the API need from pytest."""

import pytest
from _pytest.nodeid import coerce_node_id


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name each of schemathesis' tests by its operation; without this, all of them share one name."""
    if label := getattr(item, "operation_label", None):
        item._id = coerce_node_id(f"{item.nodeid}[{label}]")
