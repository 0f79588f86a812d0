"""Sessions of SDK v1: over http through its discovery service, and over https through the cloud's metadata."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest

from tests.azure.clients import Session
from tests.azure.conftest import StartSession
from tests.azure.studios import AzureStudio

# For code in sessions: `workspace(person)`, and `ws`, the owner's.
PRELUDE = """
import contextlib, json, os, pathlib, threading, time
from azureml.core import Environment, Workspace
from azureml.core.authentication import TokenAuthentication
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.environment import DockerBuildContext

def workspace(person="owner", name=None):
    name = name or mode
    token = tokens.get(person, person)
    if mode == "metadata":
        auth = TokenAuthentication(lambda audience: token, cloud="SelfHosted")
        return Workspace.get(name, auth=auth, subscription_id=subscription, resource_group="group")
    auth = TokenAuthentication(lambda audience: token, cloud="AzureCloud")
    space = Workspace("any", "any group", name, auth=auth, _disable_service_check=True, _workspace_id="guid-" + name)
    space._discovery_url_internal = url + "/discovery"
    return space

def named(name, base="host", pip=(), **variables):
    environment = Environment(name)
    environment.docker.base_image = base
    environment.python.user_managed_dependencies = not pip
    if pip:
        conda = {"name": "demo", "dependencies": [{"pip": list(pip)}]}
        environment.python.conda_dependencies = CondaDependencies(_underlying_structure=conda)
    environment.environment_variables = variables
    return environment

@contextlib.contextmanager
def hurried():  # the client waits five seconds between its looks at a build
    real = time.sleep
    time.sleep = lambda seconds: real(min(seconds, 0.3))
    try:
        yield
    finally:
        time.sleep = real

def serialized(environment):
    return Environment._serialize_to_dict(environment)

ws = workspace()
"""
MODES = ("discovery", "metadata")


@pytest.fixture(scope="session")
def sdk1(azure_python: Path, azure_studio: AzureStudio, run_folder: Path) -> Iterator[StartSession]:
    """Start a session of SDK v1 for a way to reach the studio; each way has one, and a workspace of that name."""
    yield from start_sdk1(azure_python, azure_studio, run_folder)


@pytest.fixture
def sdk(sdk1: StartSession) -> Session:
    """SDK v1 over http."""
    return sdk1("discovery")


@pytest.fixture(params=MODES)
def each_sdk(request: pytest.FixtureRequest, sdk1: StartSession) -> Session:
    """SDK v1 in each way."""
    return sdk1(request.param)


def start_sdk1(python: Path, studio: AzureStudio, folder: Path) -> Iterator[StartSession]:
    """Give what starts sessions of SDK v1 for a studio, and end them."""
    started: list[Session] = []

    @cache
    def start(mode: str) -> Session:
        settings, values = way(mode, studio)
        session = Session(python, folder / f"sdk1-{mode}-{uuid4().hex[:8]}", settings, mode)
        started.append(session)
        session.run(PRELUDE, mode=mode, **values)
        return session

    yield start
    for session in started:
        session.end()


def way(mode: str, studio: AzureStudio) -> tuple[dict[str, str], dict[str, object]]:
    """Return the variables and the names in code for a way to reach the studio."""
    if mode == "discovery":
        settings = {"AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{studio.http}/discovery"}
        return settings, {"url": studio.http, "tokens": studio.tokens}
    certificate = str(studio.certificate)
    settings = {
        "ARM_CLOUD_METADATA_URL": f"{studio.https}/metadata/endpoints",
        "REQUESTS_CA_BUNDLE": certificate,
        "SSL_CERT_FILE": certificate,
    }
    tokens = {}
    with studio.browser() as browser:
        for person, token in studio.tokens.items():
            form = {"grant_type": "client_credentials", "client_id": person, "client_secret": token}
            answer = browser.post("/common/oauth2/v2.0/token", data=form).json()
            tokens[person] = answer.get("access_token", token)
        subscription = browser.get("/subscriptions").json()["value"][0]["subscriptionId"]
    return settings, {"url": studio.https, "tokens": tokens, "subscription": subscription}
