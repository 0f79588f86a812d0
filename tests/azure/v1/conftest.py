"""Sessions of SDK v1: over http through its discovery service, and over https through the cloud's metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest

from tests.azure.clients import Session
from tests.azure.conftest import AzureStudio
from tests.services.fixtures import running
from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import Studio

# For code in sessions: `workspace(person)`, and `ws`, the owner's.
PRELUDE = """
import json, os, pathlib, threading, time
from azureml.core import Environment, Workspace
from azureml.core.authentication import TokenAuthentication
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.environment import DockerBuildContext

def workspace(person="owner", name="lab"):
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

def serialized(environment):
    return Environment._serialize_to_dict(environment)

ws = workspace()
"""
MODES = ("discovery", "metadata")
StartSession = Callable[[str], Session]


@pytest.fixture(scope="session")
def http_studio(run_folder: Path, stock: Path) -> Iterator[tuple[Studio, dict[str, str]]]:
    """A studio over http that no proxy is in front of, and tokens by person."""
    studio = Studio(run_folder / "studio-for-sdk1", {"STUDIO_API_RATE": "100000/min"}, stock)
    env = {**studio.environment(), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    done = run_preloaded(["-m", "tests.azure.fill"], env=env)
    assert done.returncode == 0, done.stderr
    for _ in running(studio):
        yield studio, json.loads(done.stdout)


@pytest.fixture(scope="session")
def sdk1(
    azure_python: Path,
    http_studio: tuple[Studio, dict[str, str]],
    request: pytest.FixtureRequest,
    run_folder: Path,
) -> Iterator[StartSession]:
    """Start a session of SDK v1 for a way to reach a studio; each way has one."""
    started: list[Session] = []

    @cache
    def start(mode: str) -> Session:
        folder = run_folder / f"sdk1-{mode}-{uuid4().hex[:8]}"
        if mode == "metadata":
            azure: AzureStudio = request.getfixturevalue("azure_studio")
            url, tokens = azure.https, azure.tokens
            certificate = str(azure.certificate)
            settings = {
                "ARM_CLOUD_METADATA_URL": f"{url}/metadata/endpoints",
                "REQUESTS_CA_BUNDLE": certificate,
                "SSL_CERT_FILE": certificate,
            }
            with azure.browser() as browser:
                for person, token in tokens.items():
                    form = {"grant_type": "client_credentials", "client_id": person, "client_secret": token}
                    answer = browser.post("/common/oauth2/v2.0/token", data=form).json()
                    tokens = tokens | {person: answer.get("access_token", token)}
                row = browser.get("/subscriptions").json()["value"][0]
            more = {"subscription": row["subscriptionId"]}
        else:
            studio, tokens = http_studio
            url = studio.url
            settings, more = {"AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{url}/discovery"}, {}
        session = Session(azure_python, folder, settings)
        started.append(session)
        session.run(PRELUDE, mode=mode, url=url, tokens=tokens, **more)
        return session

    yield start
    for session in started:
        session.end()
