"""Somebody who owns a workspace, and a webhook of it that leads to a receiver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from environments.models import Role, Workspace
from environments.models.notifications import Webhook
from environments.notifications.webhooks import add_webhook
from tests.builds.scenarios import browser_of, person
from tests.environments.notifications.receiving import Receiver


@pytest.fixture
def olga() -> User:
    cache.clear()
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def browser(olga: User) -> Client:
    return browser_of(olga)


@pytest.fixture
def lab(olga: User) -> Workspace:
    return Workspace.objects.get(name="lab")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


@pytest.fixture
def hook(lab: Workspace, receiver: Receiver) -> Webhook:
    return add_webhook(lab, receiver.url, ["builds"], None)[0]
