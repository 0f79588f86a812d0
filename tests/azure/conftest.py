"""A studio for the SDKs, and sessions of SDK v2 in each way to reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from uuid import uuid4

import pytest

from tests.azure.clients import NotInstalled, Session, install
from tests.azure.studios import AzureStudio, EmbeddedStudio
from tests.services.sharing import shared

WAYS = ("mfe-http", "mfe-https", "metadata", "kwargs")
StartSession = Callable[[str], Session]

# The names that code in sessions of SDK v2 may use
PRELUDE_V2 = """
import time
from azure.ai.ml import MLClient, load_environment
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import BuildContext, Environment
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.identity import ClientSecretCredential

class Token:
    def __init__(self, text):
        self.text = text
    def get_token(self, *scopes, **more):
        return AccessToken(self.text, int(time.time()) + 3600)

class BearerOverHTTP(SansIOHTTPPolicy):
    def __init__(self, text):
        self.text = text
    def on_request(self, request):
        request.context.options.pop("enforce_https", None)
        request.http_request.headers["Authorization"] = "Bearer " + self.text

def client(person="owner", workspace="lab", **more):
    text = tokens.get(person, person)
    if over_http:
        more["authentication_policy"] = BearerOverHTTP(text)
    return MLClient(Token(text), "any-subscription", "any group", workspace, **keywords, **more)

def shown(environment):
    names = ("id", "name", "version", "image", "conda_file", "description", "tags", "latest_version", "properties",
             "os_type", "inference_config")
    return {name: getattr(environment, name, None) for name in names}

def registry(name, person="owner"):
    return MLClient(Token(tokens.get(person, person)), registry_name=name, **keywords)

def credential(secret, tenant="any-tenant"):
    return ClientSecretCredential(tenant, "any-client", secret, authority=url, disable_instance_discovery=True)

def signed_in(secret, **more):
    return MLClient(credential(secret, **more), "s", "g", "lab", **keywords)

ml = client()
"""


@pytest.fixture(scope="session")
def azure_python() -> Path:
    """The Python that the SDKs are installed in."""
    try:
        return install()
    except NotInstalled as reason:
        pytest.skip(f"The Azure ML SDKs can't be installed: {reason}")


@pytest.fixture(scope="session")
def azure_studio(shared_folder: Path, stock: Path) -> AzureStudio:
    """The embedded set-up, which the test processes of a run share."""
    return shared(partial(EmbeddedStudio, stock=stock), shared_folder, "studio-for-azure").for_sdks()


@pytest.fixture(scope="session")
def sessions(azure_python: Path, azure_studio: AzureStudio, run_folder: Path) -> Iterator[StartSession]:
    """Start a session of SDK v2 for a way to reach the studio; each way has one."""
    yield from start_sessions(azure_python, azure_studio, run_folder)


@pytest.fixture
def session(sessions: StartSession) -> Session:
    """SDK v2 over https, in the simplest way."""
    return sessions("mfe-https")


@pytest.fixture(params=WAYS)
def each_session(request: pytest.FixtureRequest, sessions: StartSession) -> Session:
    """SDK v2 in each way."""
    return sessions(request.param)


@pytest.fixture(params=WAYS[1:])
def each_secure_session(request: pytest.FixtureRequest, sessions: StartSession) -> Session:
    """SDK v2 in each way over https."""
    return sessions(request.param)


@pytest.fixture
def kwargs_session(sessions: StartSession) -> Session:
    """SDK v2 in one way that reaches registries."""
    return sessions("kwargs")


@pytest.fixture(params=WAYS[2:])
def registry_session(request: pytest.FixtureRequest, sessions: StartSession) -> Session:
    """SDK v2 in each way that reaches registries."""
    return sessions(request.param)


def start_sessions(python: Path, studio: AzureStudio, folder: Path) -> Iterator[StartSession]:
    """Give what starts sessions of SDK v2 for a studio, and end them."""
    started: list[Session] = []

    @cache
    def start(mode: str) -> Session:
        settings, keywords = way(mode, studio)
        session = Session(python, folder / f"sdk-{mode}-{uuid4().hex[:8]}", settings, mode)
        started.append(session)
        values = {"tokens": studio.tokens, "keywords": keywords, "over_http": mode == "mfe-http"}
        session.run(PRELUDE_V2, **values, url=studio.https, http_url=studio.http)
        return session

    yield start
    for session in started:
        session.end()


def way(mode: str, studio: AzureStudio) -> tuple[dict[str, str], dict[str, object]]:
    """Return the variables and the keywords of MLClient for a way to reach the studio."""
    certificate = {"REQUESTS_CA_BUNDLE": str(studio.certificate), "SSL_CERT_FILE": str(studio.certificate)}
    url = studio.https
    match mode:
        case "mfe-http":
            return certificate | {"AZUREML_DEV_URL_MFE": studio.http}, {}
        case "mfe-https":
            return certificate | {"AZUREML_DEV_URL_MFE": url}, {}
        case "metadata":
            return certificate | {
                "ARM_CLOUD_METADATA_URL": f"{url}/metadata/endpoints",
                "AZUREML_CURRENT_CLOUD": "SelfHosted",
                "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{url}/",
            }, {}
    document = dict.fromkeys(
        ("azure_portal", "resource_manager", "active_directory", "aml_resource_id"), url
    ) | {"storage_endpoint": "core.windows.net", "registry_discovery_endpoint": f"{url}/"}
    return certificate, {"cloud": "SelfHosted", "cloud_metadata": document}
