"""A provider to sign in through."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.services.processes import Process, free_port
from tests.services.servers.service import TRUSTS_NOBODY, Service

BACK = "http://testserver/login/provider/back/"


class Provider(Service):
    """The provider's process. `person` says who its visitors are."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}/o"
        self.be("sam")

    def be(self, name: str) -> None:
        """Sign every visitor in as this person there."""
        (self.folder / "person").write_text(name)

    def launch(self) -> Process:
        argv: list[str | Path] = [sys.executable, "-m", "tests.studio.signing_in.provider"]
        return Process([*argv, str(self.port), self.folder, BACK], output=self.log)

    def answers(self) -> bool:
        try:
            address = f"{self.issuer}/.well-known/openid-configuration"
            return httpx.get(address, trust_env=False, verify=TRUSTS_NOBODY).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A running OpenID Connect provider that knows the studio."""
    service = Provider(tmp_path_factory.mktemp("provider") / "data")
    service.start()
    yield service
    service.stop()
