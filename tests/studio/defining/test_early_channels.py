"""The names of a channel's packages are read from each form of its index, within limits."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from environments.network.credentials import Login, Logins
from studio.defining.early import channels
from studio.defining.early.channels import ChannelNames
from tests.builds.imaging.conda.making import index, make_package
from tests.builds.imaging.serving import Answer, Server

NAMES = frozenset(("numpy", "r-base", "_openmp_mutex", "a" * 40, "x"))
FORMS = ("repodata_shards.msgpack.zst", "repodata.json.zst", "repodata.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("channel")
    for name in NAMES:
        make_package(path, name, files={f"share/{name}": "1"})
    index(path)
    return path


class Channel:
    """A channel that serves the forms of its index that a test names, to those with its password."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.forms: tuple[str, ...] = FORMS
        self.password = ""
        self.server = Server(self._answer)

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        if self.password and request.headers.get("Authorization") != self.password:
            return 401, {}, b""
        file = self.folder / request.path.lstrip("/")
        if file.name not in self.forms or not file.is_file():
            return 404, {}, b""
        return 200, {}, file.read_bytes()


@pytest.fixture
def channel(folder: Path) -> Iterator[Channel]:
    channel = Channel(folder)
    with channel.server.running():
        yield channel


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_index_has_the_same_names(form: str, channel: Channel) -> None:
    assert (channel.folder / "linux-64" / form).is_file()
    channel.forms = (form,)
    assert ChannelNames().of(channel.server.url, "linux-64", Logins()) == NAMES


def test_a_channel_is_read_once_for_all_its_packages(channel: Channel) -> None:
    names = ChannelNames()
    assert [names.of(channel.server.url, "linux-64", Logins()) for _ in range(3)] == [NAMES] * 3
    assert len(channel.server.requests) == 1


@pytest.mark.parametrize(("limit", "value"), [("MOST_ARRIVING", 20), ("MOST_BYTES", 20), ("MOST_NAMES", 2)])
def test_an_index_over_a_limit_has_no_names(
    limit: str, value: int, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, limit, value)
    assert ChannelNames().of(channel.server.url, "linux-64", Logins()) is None


def test_a_channel_that_is_no_channel_has_no_names(channel: Channel) -> None:
    names = ChannelNames()
    channel.forms = ()
    assert names.of(channel.server.url, "linux-64", Logins()) is None
    assert names.of("http://127.0.0.1:1", "linux-64", Logins()) is None
    assert names.of("http://[::", "linux-64", Logins()) is None


def test_damaged_content_has_no_names(channel: Channel, tmp_path: Path) -> None:
    (tmp_path / "linux-64").mkdir()
    channel.folder = tmp_path
    for content in (b"", b"no zstd at all", b"\x28\xb5\x2f\xfd" + b"\xff" * 50):
        (tmp_path / "linux-64" / FORMS[0]).write_bytes(content)
        assert not ChannelNames().of(channel.server.url, "linux-64", Logins())


def test_a_private_channel_is_read_with_the_workspaces_password_and_kept_for_it_alone(
    channel: Channel,
) -> None:
    names, url = ChannelNames(), channel.server.url
    channel.password = "Basic " + base64.b64encode(b"ann:secret").decode()
    own = Logins([Login("channel", url, "ann", "secret")], "mark")
    assert names.of(url, "linux-64", own) == NAMES
    assert names.of(url, "linux-64", Logins()) is None
