"""The grown-up studio, and one session of each SDK; the tests find them under the names that they know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.azure.clients import Session
from tests.azure.conftest import StartSession, start_sessions
from tests.azure.studios import SETTINGS, AzureStudio, grown_up
from tests.azure.v1.conftest import start_sdk1
from tests.services.deployment import Deployment
from tests.services.servers.postgres import Postgres
from tests.services.servers.rabbitmq import RabbitMQ


@pytest.fixture(scope="session")
def azure_studio(
    run_folder: Path, stock: Path, postgres: Postgres, prepared_database: str, rabbitmq: RabbitMQ
) -> Iterator[AzureStudio]:
    """The grown-up set-up: over http two web processes in turn, over https one behind a proxy."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres.fresh_database(prepared_database))
        settings = {
            "DATABASE_URL": database,
            "CELERY_BROKER_URL": rabbitmq.fresh_url(),
            "SECRET_KEY": "k" * 50,
        }
        deployment = Deployment(run_folder / "grown-up-for-azure", settings | SETTINGS, stock)
        stack.callback(deployment.kill)
        studio, close = grown_up(deployment)
        stack.callback(close)
        yield studio


@pytest.fixture(scope="session")
def sessions(azure_python: Path, azure_studio: AzureStudio, run_folder: Path) -> Iterator[StartSession]:
    """Start a session of SDK v2 for the grown-up studio."""
    yield from start_sessions(azure_python, azure_studio, run_folder)


@pytest.fixture
def session(sessions: StartSession) -> Session:
    """SDK v2 over https, in a way that also reaches registries."""
    return sessions("kwargs")


@pytest.fixture
def each_session(session: Session) -> Session:
    """The same: each way is tested on the embedded set-up."""
    return session


each_secure_session = registry_session = kwargs_session = each_session


@pytest.fixture(scope="session")
def sdk1(azure_python: Path, azure_studio: AzureStudio, run_folder: Path) -> Iterator[StartSession]:
    """Start a session of SDK v1 for the grown-up studio."""
    yield from start_sdk1(azure_python, azure_studio, run_folder)


@pytest.fixture
def sdk(sdk1: StartSession) -> Session:
    """SDK v1 over http: its requests go to two web processes in turn."""
    return sdk1("discovery")


@pytest.fixture
def each_sdk(sdk: Session) -> Session:
    """The same."""
    return sdk
