"""Every client pulls images by tag and by digest, with and without an account, and sees why it is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import pytest

from tests.builds.distribution.clients import Account, Client, Filled, Lister
from tests.builds.distribution.clients.cutting import CuttingProxy
from tests.builds.fill_for_clients import LAYER_BYTES

pytestmark = pytest.mark.slow

NOWHERE = "sha256:" + "0" * 64

By = Literal["nobody", "member", "stranger", "wrong token"]


@dataclass(frozen=True)
class Case:
    """A pull: of which repository and reference (`{digest}` is the right digest), and by whom."""

    name: str
    what: str = "image"
    workspace: str = "square"
    reference: str = ":latest"
    by: By = "nobody"

    def of(self, filled: Filled) -> str:
        """Return the reference for clients."""
        digest = filled.digests.get(self.what, "")
        return filled.repository(self.what, workspace=self.workspace) + self.reference.format(digest=digest)

    def account(self, filled: Filled) -> Account | None:
        """Return the account that pulls."""
        accounts = {
            "nobody": None,
            "member": filled.member,
            "stranger": filled.stranger,
            "wrong token": Account("ada", "studio_" + "x" * 43),
        }
        return accounts[self.by]


@dataclass(frozen=True)
class Refused(Case):
    """A pull that is refused, with this code and message (`{name}` is the repository's name)."""

    code: str = ""
    message: str = ""


PULLED = (
    Case("a tag"),
    Case("a digest", reference="@{digest}"),
    Case("a private image", workspace="shop", by="member"),
    Case("a private image by its digest", workspace="shop", reference="@{digest}", by="member"),
    Case("an open image with an account", by="stranger"),
    Case("an index", what="index"),
    Case("an index by its digest", what="index", reference="@{digest}"),
    Case("a private index", what="index", workspace="shop", by="member"),
)
UNKNOWN_NAME = "There is no repository {name} that you can see."
REFUSED = (
    Refused("no account", workspace="shop", code="UNAUTHORIZED", message="Sign in to pull {name}."),
    Refused(
        "a wrong token",
        workspace="shop",
        by="wrong token",
        code="UNAUTHORIZED",
        message="The access token has expired or was revoked, or is not this user's.",
    ),
    Refused("no permission", workspace="shop", by="stranger", code="NAME_UNKNOWN", message=UNKNOWN_NAME),
    Refused("an unknown workspace", workspace="void", by="member", code="NAME_UNKNOWN", message=UNKNOWN_NAME),
    Refused("an unknown repository", what="unknown", code="NAME_UNKNOWN", message=UNKNOWN_NAME),
    Refused("an unknown tag", reference=":99", code="MANIFEST_UNKNOWN", message="{name} has no image 99."),
    Refused(
        "an unknown digest",
        reference=f"@{NOWHERE}",
        code="MANIFEST_UNKNOWN",
        message=f"{{name}} has no image {NOWHERE}.",
    ),
)


@pytest.mark.parametrize("case", PULLED, ids=lambda case: case.name)
def test_every_client_pulls(filled: Filled, client: Client, case: Case) -> None:
    reference = case.of(filled)

    done = client.pull(reference, case.account(filled))

    assert done.returncode == 0, done.stdout
    assert client.layers(reference) == filled.layers
    client.forget(reference)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_every_client_shows_why_a_pull_is_refused(filled: Filled, client: Client, case: Refused) -> None:
    name = filled.repository(case.what, workspace=case.workspace).partition("/")[2]

    done = client.pull(case.of(filled), case.account(filled))

    assert done.returncode != 0
    assert client.shows(case.code, case.message.format(name=name), case.account(filled)) in done.stdout


def test_the_command_on_the_page_pulls(filled: Filled, browser: httpx.Client, client: Client) -> None:
    page = browser.get("/w/square/environments/image/versions/1/").text
    (reference,) = set(re.findall(r"docker pull ([\w.:/@-]+)", page))

    done = client.pull(reference)

    assert done.returncode == 0, done.stdout
    assert client.layers(reference) == filled.layers
    client.forget(reference)


def test_tags_are_listed(filled: Filled, client: Client) -> None:
    if not isinstance(client, Lister):
        return
    assert client.tags(filled.repository()) == ["latest"]
    assert client.tags(filled.repository(workspace="shop"), filled.member) == ["latest"]


def test_a_download_that_was_cut_goes_on_where_it_was(filled: Filled, client: Client) -> None:
    """Or the pull fails, and works when it is repeated."""
    with CuttingProxy(filled.studio.port, cut_after=LAYER_BYTES // 2).serving() as proxy:
        reference = filled.repository().replace(filled.address, f"127.0.0.1:{proxy.port}") + ":latest"
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
