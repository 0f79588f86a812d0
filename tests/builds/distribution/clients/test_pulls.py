"""Every client pulls images by tag and by digest, with and without an account, and sees why it is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Literal

import httpx
import pytest

from tests.builds.distribution.clients import Account, Client, Filled, Lister
from tests.builds.distribution.clients.cutting import CuttingProxy
from tests.builds.fill_for_clients import LAYER_BYTES

pytestmark = pytest.mark.slow

NOWHERE = "sha256:" + "0" * 64
NO_TOKEN = "studio_" + "x" * 43

By = Literal["nobody", "reader", "builder", "stranger", "wrong token"]


@dataclass(frozen=True)
class Case:
    """A pull: of which repository and reference (`{digest}` is the right digest), and by whom."""

    name: str
    environment: str = "image"
    workspace: str = "square"
    reference: str = ":1"
    by: By = "nobody"
    by_hash: bool = False

    def repository(self, filled: Filled) -> str:
        """Return the repository's name for clients."""
        return filled.name(self.environment, self.workspace, by_hash=self.by_hash)

    def image(self, filled: Filled) -> str:
        """Return the image's name for clients."""
        return self.repository(filled) + self.reference.format(digest=filled.digests.get(self.environment))

    def account(self, filled: Filled) -> Account | None:
        """Return the account that pulls."""
        return Account("reader", NO_TOKEN) if self.by == "wrong token" else filled.accounts.get(self.by)


@dataclass(frozen=True)
class Refused(Case):
    """A pull that is refused, with this code and message (`{name}` is the repository's name)."""

    code: str = "NAME_UNKNOWN"
    message: str = "There is no repository {name} that you can see."


PULLED = (
    Case("a version"),
    Case("the latest version", reference=":latest", by="stranger"),
    Case("a digest", reference="@{digest}"),
    Case("a private version", workspace="shop", by="reader"),
    Case("an index", environment="index"),
    Case("a private index by its digest", "index", "shop", "@{digest}", by="reader"),
    Case("an index of two compressions", environment="both"),
    Case("the hash", reference=":latest", by_hash=True),
    Case("a private digest by the hash", "image", "shop", "@{digest}", by="reader", by_hash=True),
    Case("an index by the hash", environment="index", reference=":latest", by_hash=True),
)
REFUSED = (
    Refused("no account", workspace="shop", code="UNAUTHORIZED", message="Sign in to pull {name}."),
    Refused(
        "a wrong token",
        workspace="shop",
        by="wrong token",
        code="UNAUTHORIZED",
        message="The access token has expired or was revoked, or is not this user's.",
    ),
    Refused("no permission", workspace="shop", by="stranger"),
    Refused("an unknown workspace", workspace="void", by="reader"),
    Refused("an unknown repository", environment="void"),
    Refused(
        "an unknown version", reference=":99", code="MANIFEST_UNKNOWN", message="{name} has no image 99."
    ),
    Refused(
        "an unknown digest",
        reference=f"@{NOWHERE}",
        code="MANIFEST_UNKNOWN",
        message=f"{{name}} has no image {NOWHERE}.",
    ),
    Refused(
        "an unknown tag of the hash",
        reference=":1",
        by_hash=True,
        code="MANIFEST_UNKNOWN",
        message="{name} has no image 1.",
    ),
    Refused(
        "a version without an image, by a reader",
        environment="never",
        workspace="shop",
        by="reader",
        code="MANIFEST_UNKNOWN",
        message="never:1 has no image yet. It is built there, by members who may build: http://",
    ),
)


@pytest.mark.parametrize("case", PULLED, ids=lambda case: case.name)
def test_every_client_pulls(filled: Filled, client: Client, case: Case) -> None:
    image = case.image(filled)

    done = client.pull(image, case.account(filled))

    assert done.returncode == 0, done.stdout
    assert client.layers(image) == filled.layers
    client.forget(image)


def test_a_version_is_pinned_by_its_digest(filled: Filled, client: Client) -> None:
    image = f"{filled.name()}:1@{filled.digests['image']}"

    done = client.pull(image)

    assert (done.returncode == 0) == client.pins_versions, done.stdout
    if client.pins_versions:
        assert client.layers(image) == filled.layers
        client.forget(image)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_every_client_shows_why_a_pull_is_refused(filled: Filled, client: Client, case: Refused) -> None:
    account, name = case.account(filled), case.repository(filled).partition("/")[2]

    done = client.pull(case.image(filled), account)

    assert done.returncode != 0
    assert client.shows(case.code, case.message.format(name=name), account) in done.stdout


def pull_at_once(clients: Sequence[Client], image: str, account: Account) -> list[CompletedProcess[str]]:
    """Let all clients pull the same image at the same time."""
    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(lambda client: client.pull(image, account), clients))


def builds_of(environment: str, browser: httpx.Client) -> list[str]:
    """Return the states of an environment's builds."""
    builds = browser.get("/api/v1/workspaces/shop/builds/").json()["results"]
    return [build["state"] for build in builds if build["environment"] == environment]


def test_all_clients_wait_for_the_same_build(
    filled: Filled, browser: httpx.Client, clients: list[Client]
) -> None:
    image = filled.name("later", "shop") + ":latest"

    pulls = pull_at_once(clients, image, filled.accounts["builder"])

    assert [done.returncode for done in pulls] == [0] * len(clients), pulls
    assert {client.layers(image) for client in clients} == {filled.layers}
    assert builds_of("later", browser) == ["succeeded"]
    for client in clients:
        client.forget(image)


def test_clients_that_wait_for_a_build_that_fails_show_its_cause(
    filled: Filled, browser: httpx.Client, clients: list[Client]
) -> None:
    builder = filled.accounts["builder"]

    pulls = pull_at_once(clients, filled.name("fails", "shop") + ":1", builder)

    assert builds_of("fails", browser) == ["failed"]
    cause = "The build of fails:1 failed: Can't reach localhost:9"
    for client, done in zip(clients, pulls, strict=True):
        assert done.returncode != 0
        assert client.shows("MANIFEST_UNKNOWN", cause, builder) in done.stdout


def test_the_names_on_the_page_pull(filled: Filled, browser: httpx.Client, client: Client) -> None:
    page = browser.get("/w/square/environments/image/versions/1/?use=pull").text
    command = re.findall(r"docker pull ([\w.:/@-]+)", page)[0]
    names = re.findall(r'<dd class="mono">([\w.:-]+/[\w.:/@-]+) ', page)
    pinned = [name for name in names if "@" in name]
    assert (len({command, *names}), len(pinned)) == (3, 1)  # by version, by version and digest, by hash

    for image in (command, *names):
        done = client.pull(image)

        if image in pinned and not client.pins_versions:
            assert done.returncode != 0
            continue
        assert done.returncode == 0, done.stdout
        assert client.layers(image) == filled.layers
        client.forget(image)


def test_tags_are_listed(filled: Filled, client: Client) -> None:
    if not isinstance(client, Lister):
        return
    assert client.tags(filled.name()) == ["1", "latest"]
    assert client.tags(filled.name(by_hash=True)) == ["latest"]
    assert client.tags(filled.name(workspace="shop"), filled.accounts["reader"]) == ["1", "latest"]


def test_a_download_that_was_cut_goes_on_where_it_was(filled: Filled, client: Client) -> None:
    """Or the pull fails, and works when it is repeated."""
    with CuttingProxy(filled.studio.port, cut_after=LAYER_BYTES // 2).serving() as proxy:
        reference = filled.name().replace(filled.address, f"127.0.0.1:{proxy.port}") + ":1"
        done = client.pull(reference)
        assert proxy.has_cut
        if not client.resumes:
            assert done.returncode != 0
            done = client.pull(reference)

    assert done.returncode == 0, done.stdout
    assert all(0 < first < LAYER_BYTES for first in proxy.resumed_at)
    assert bool(proxy.resumed_at) == client.resumes
    assert client.layers(reference) == filled.layers
    client.forget(reference)


def test_the_documented_commands_are_those_tested(client: Client) -> None:
    assert f"| `{client.command}` |" in Path("docs/registry.md").read_text()
