"""Fixtures of the API's tests."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from environments.models import Role
from tests.builds.scenarios import person
from tests.studio.api.calling import Caller


@pytest.fixture
def olga() -> User:
    """The owner of the workspace `lab`."""
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def call(olga: User) -> Caller:
    """Send requests to the API as olga."""
    return Caller(olga)


@pytest.fixture
def no_requests_counted() -> None:
    """Forget the requests that rate limits have counted."""
    cache.clear()
