"""A studio with images to pull, and each client in turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.builds.distribution.clients import Account, Client, Filled
from tests.builds.distribution.clients.commands import CLIENTS
from tests.services.fixtures import running
from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import Studio


@pytest.fixture(scope="session")
def filled(run_folder: Path, stock: Path) -> Iterator[Filled]:
    """A running studio with images for all clients."""
    # A pull waits for a build also where this machine is busy.
    studio = Studio(run_folder / "studio-for-clients", {"STUDIO_PULL_WAIT_SECONDS": "300"}, stock)
    env = {**studio.environment(), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    done = run_preloaded(["-m", "tests.builds.fill_for_clients", studio.folder / "images"], env=env)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    for _ in running(studio):
        yield Filled(
            studio,
            repositories=result["repositories"],
            digests=result["digests"],
            layers=tuple(result["layers"]),
            accounts={name: Account(name, token) for name, token in result["tokens"].items()},
        )


@pytest.fixture(scope="session")
def browser(filled: Filled) -> Iterator[httpx.Client]:
    """A browser in which an owner of the studio is signed in."""
    with httpx.Client(base_url=f"http://{filled.address}", trust_env=False) as browser:
        link = urlsplit(filled.studio.login_url).path
        browser.get(link)
        browser.post(link, data={"csrfmiddlewaretoken": browser.cookies["studio_csrf"]})
        yield browser


@pytest.fixture(scope="session")
def make_client(request: pytest.FixtureRequest, run_folder: Path) -> Callable[[type[Client]], Client]:
    """Make a client with an empty folder; there is one of each kind."""

    @cache
    def make(kind: type[Client]) -> Client:
        folder = run_folder / f"client-{kind.__name__.lower()}"
        folder.mkdir()
        return kind(folder, {name: request.getfixturevalue(name) for name in kind.needs})

    return make


@pytest.fixture(scope="session", params=CLIENTS, ids=lambda client: client.__name__.lower())
def client(request: pytest.FixtureRequest, make_client: Callable[[type[Client]], Client]) -> Client:
    """Each client in turn."""
    return make_client(request.param)


@pytest.fixture(scope="session")
def clients(make_client: Callable[[type[Client]], Client]) -> list[Client]:
    """All clients."""
    return [make_client(kind) for kind in CLIENTS]
