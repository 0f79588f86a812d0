"""A studio behind a proxy that ends TLS, and sessions of the SDKs in each way to reach it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.azure.clients import NotInstalled, Session, install
from tests.azure.tls import TLSProxy, make_certificate
from tests.services.fixtures import running
from tests.services.processes import free_port
from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import Studio

# The names that code in sessions of SDK v2 may use
PRELUDE_V2 = """
import time
from azure.ai.ml import MLClient, load_environment
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import BuildContext, Environment
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy

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

ml = client()
"""


@dataclass(frozen=True)
class AzureStudio:
    """A studio for the SDKs: its URLs over http and https, the certificate's file, and tokens by person."""

    studio: Studio
    http: str
    https: str
    certificate: Path
    tokens: dict[str, str]
    ending: Iterator[str] = field(default_factory=lambda: (f"ends-{number}" for number in range(10)))
    """The names of tokens that a test may revoke."""

    def browser(self, person: str = "owner") -> httpx.Client:
        """Return a plain HTTP client that sends a person's token."""
        headers = {"Authorization": f"Bearer {self.tokens.get(person, person)}"} if person else {}
        return httpx.Client(base_url=self.http, headers=headers, trust_env=False)

    def revoke(self, name: str) -> None:
        """Revoke a token of the owner."""
        with self.browser() as browser:
            rows = browser.get("/api/v1/tokens/?size=500").json()["results"]
            key = next(row["id"] for row in rows if row["name"] == name)
            assert browser.delete(f"/api/v1/tokens/{key}/").status_code < 300


@pytest.fixture(scope="session")
def azure_python() -> Path:
    """The Python that the SDKs are installed in."""
    try:
        return install()
    except NotInstalled as reason:
        pytest.skip(f"The Azure ML SDKs can't be installed: {reason}")


@pytest.fixture(scope="session")
def azure_studio(run_folder: Path, stock: Path) -> Iterator[AzureStudio]:
    """One studio for all tests of the SDKs; its STUDIO_URL is that of the proxy in front of it."""
    port = free_port()
    url = f"https://localhost:{port}"
    studio = Studio(
        run_folder / "studio-for-azure", {"STUDIO_URL": url, "STUDIO_API_RATE": "100000/min"}, stock
    )
    env = {**studio.environment(), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    done = run_preloaded(["-m", "tests.azure.fill"], env=env)
    assert done.returncode == 0, done.stderr
    certificate, key = make_certificate(studio.folder)
    for _ in running(studio):
        proxy = TLSProxy(port, studio.port, certificate, key)
        yield AzureStudio(studio, studio.url, url, certificate, json.loads(done.stdout))
        proxy.close()


@pytest.fixture(scope="session")
def sessions(
    azure_python: Path, azure_studio: AzureStudio, run_folder: Path
) -> Iterator[Callable[[str], Session]]:
    """Start a session of SDK v2 for a way to reach the studio; each way has one."""
    started: list[Session] = []

    @cache
    def start(mode: str) -> Session:
        settings, keywords = way(mode, azure_studio)
        session = Session(azure_python, run_folder / f"sdk-{mode}-{uuid4().hex[:8]}", settings)
        started.append(session)
        values = {"tokens": azure_studio.tokens, "keywords": keywords, "over_http": mode == "mfe-http"}
        session.run(PRELUDE_V2, **values, url=azure_studio.https, http_url=azure_studio.http)
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
