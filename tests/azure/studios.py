"""The studios that the SDKs are run against: the embedded set-up, and the grown-up one behind a proxy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.azure.proxy import Proxy, make_certificate
from tests.services.deployment import Deployment
from tests.services.processes import Process, descendants, free_port
from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import Studio

SETTINGS = {"STUDIO_API_RATE": "100000/min", "STUDIO_API_RATE_ANONYMOUS": "100000/min"}


@dataclass(frozen=True)
class AzureStudio:
    """A studio for the SDKs: its URLs over http and https, the certificate to trust, and tokens by person."""

    http: str
    https: str
    certificate: Path
    tokens: dict[str, str]
    var: Path
    webs: list[int]
    """The processes that answer requests."""

    def browser(self, person: str = "owner") -> httpx.Client:
        """Return a plain HTTP client that sends a person's token."""
        headers = {"Authorization": f"Bearer {self.tokens.get(person, person)}"} if person else {}
        return httpx.Client(base_url=self.http, headers=headers, trust_env=False, timeout=60)

    def revoke(self, name: str) -> None:
        """Revoke a token of the owner."""
        with self.browser() as browser:
            rows = browser.get("/api/v1/tokens/?size=500").json()["results"]
            key = next(row["id"] for row in rows if row["name"] == name)
            assert browser.delete(f"/api/v1/tokens/{key}/").status_code < 300


class EmbeddedStudio(Studio):
    """`manage.py run --https` on SQLite, filled for the SDKs before its first start."""

    def __init__(self, folder: Path, stock: Path) -> None:
        super().__init__(folder, {"STUDIO_HTTPS_PORT": str(free_port()), **SETTINGS}, stock)
        self.tokens: dict[str, str] = {}
        self.webs: list[int] = []

    def launch(self) -> Process:
        self.tokens = fill(self.environment())
        return super().launch()

    def start(self) -> None:
        super().start()
        assert self.process
        self.webs = [child.pid for child in descendants(self.process.pid) if child.name == "studio-web"]

    def for_sdks(self) -> AzureStudio:
        """Return it as the tests know it."""
        return AzureStudio(self.url, self.https_url, self.authority, self.tokens, self.var, self.webs)


def grown_up(deployment: Deployment) -> tuple[AzureStudio, Callable[[], None]]:
    """Start three web processes and a worker; return the studio, and what ends its proxies.

    Over http, two of them take connections in turn. The third is behind a proxy that ends TLS.
    """
    port, secure_port = free_port(), free_port()
    https = f"https://localhost:{secure_port}"
    tokens = fill(deployment.environment())
    deployment.start(webs=2)
    secure = deployment.start_web(STUDIO_URL=https)
    certificate, key = make_certificate(deployment.folder)
    proxies = [
        Proxy(port, *(port_of(url) for url in deployment.urls[:2])),
        Proxy(secure_port, port_of(secure), certificate=(certificate, key)),
    ]
    webs = [process.pid for process in deployment.webs]
    studio = AzureStudio(f"http://localhost:{port}", https, certificate, tokens, deployment.var, webs)

    def close() -> None:
        for proxy in proxies:
            proxy.close()

    return studio, close


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def fill(environment: Mapping[str, str]) -> dict[str, str]:
    """Make workspaces and accounts in a studio, and return the tokens by person."""
    done = run_preloaded(
        ["-m", "tests.azure.fill"], env={**environment, "DJANGO_SETTINGS_MODULE": "studio.settings"}
    )
    assert done.returncode == 0, done.stderr
    tokens: dict[str, str] = json.loads(done.stdout)
    return tokens
