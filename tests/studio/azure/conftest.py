"""The names of schemathesis' tests."""

from __future__ import annotations

from tests.studio.api.conftest import pytest_itemcollected as pytest_itemcollected
