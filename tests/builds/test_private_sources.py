"""Credentials on their way: to the address that they belong to, and to nobody else (rules 42, 43, 44)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from builds.imaging.bases.find import find_base
from builds.imaging.conda.environment import resolve_environment
from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.publish.sender import Uploads
from builds.imaging.registry_client import Registry, repositories_for
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.network.credentials import Login, Logins
from tests.builds.imaging.conda.making import index as index_channel
from tests.builds.imaging.conda.making import make_package
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_wheel, wheel_file
from tests.builds.imaging.serving import Answer, Channel, Index, Server, basic
from tests.services.workshops import copy_answers

LOGIN = "robot:p@ss w/rd"
USER, PASSWORD = LOGIN.split(":")


@pytest.fixture
def workshop(tmp_path: Path, known_python: Path) -> Workshop:
    copy_answers(known_python, tmp_path / "cache")
    return Workshop(BlobStore(tmp_path / "store"), tmp_path / "cache")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """A private index with one package."""
    make_wheel(tmp_path / "index", "privlib")
    served = Index(tmp_path / "index", LOGIN)
    with served.server.running():
        yield served


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    """A private channel with one package."""
    make_package(tmp_path / "team", "privnative", files={"share/privnative": "private\n"})
    index_channel(tmp_path / "team")
    served = Channel(tmp_path / "team", LOGIN)
    with served.server.running():
        yield served


def knowing(workshop: Workshop, kind: str, url: str, mark: str = "lab") -> Workshop:
    return replace(workshop, logins=Logins([Login(kind, url, USER, PASSWORD)], mark))


def proofs(server: Server) -> set[str]:
    """Return what the server was shown."""
    return {headers["authorization"] for _, headers in server.requests if "authorization" in headers}


def from_index(workshop: Workshop, *lines: str) -> Lock:
    return resolve(empty_base(), [*lines, "privlib"], workshop, Recorder())


def from_channel(workshop: Workshop, *urls: str) -> Lock:
    return resolve_environment(empty_base(), urls, ["privnative"], [], workshop, Recorder())


# Indexes


def test_a_private_index_lets_in_who_has_a_connection_and_remembers_it_for_nobody_else(
    workshop: Workshop, index: Index
) -> None:
    """One workspace's private data is in no cache of another, which is refused as before."""
    line = f"--index-url {index.url}"
    ours = knowing(workshop, "index", index.server.url)

    lock = from_index(ours, line)
    fetched = fetch(lock, ours, Recorder())
    with pytest.raises(ImageError) as theirs:
        from_index(workshop, line)

    assert [file.name for file in fetched.wheels] == ["privlib"]
    assert PASSWORD not in lock.model_dump_json()
    assert theirs.value.code == "index-refused"
    assert index.server.address in theirs.value.message
    assert "Settings → Connections" in theirs.value.help


@pytest.mark.parametrize("url", ["{}", "{}/elsewhere"])
def test_a_wrong_password_is_the_connections_fault(workshop: Workshop, index: Index, url: str) -> None:
    wrong = Logins([Login("index", url.format(index.server.url), USER, "wr0ng-s3cret")], "lab")

    with pytest.raises(ImageError) as refused:
        from_index(replace(workshop, logins=wrong), f"--extra-index-url {index.url}")

    assert (refused.value.code, refused.value.fault) == ("index-refused", "author")
    assert index.server.address in refused.value.message
    assert "wr0ng" not in str(refused.value)


def test_a_file_that_is_not_let_out_names_its_host(workshop: Workshop, index: Index) -> None:
    lock = from_index(knowing(workshop, "index", index.server.url), f"--index-url {index.url}")

    with pytest.raises(ImageError) as refused:
        fetch(lock, workshop, Recorder())

    assert refused.value.code == "index-refused"
    assert index.server.address in refused.value.message


def test_another_path_of_the_same_host_is_not_shown_the_password(workshop: Workshop, tmp_path: Path) -> None:
    """The solver by itself shows a password to everything of its host that asks for one."""
    make_wheel(tmp_path / "files", "privlib")
    page = f'<a href="/ours/{next((tmp_path / "files").iterdir()).name}">privlib-1.0-py3-none-any.whl</a>'.encode()

    def two(request: BaseHTTPRequestHandler) -> Answer:
        if request.path.startswith("/ours/") and request.headers.get("Authorization") == basic(LOGIN):
            if request.path.endswith(".whl"):
                return 200, {}, next((tmp_path / "files").iterdir()).read_bytes()
            return 200, {"Content-Type": "text/html"}, page
        return 401, {"WWW-Authenticate": "Basic realm=index"}, b""

    with Server(two).running() as server:
        known = knowing(workshop, "index", f"{server.url}/ours")
        lines = [f"--extra-index-url {server.url}/ours/simple", f"--index-url {server.url}/theirs/simple"]
        lines.reverse()
        with pytest.raises(ImageError):
            resolve(empty_base(), [*lines, "privlib", "other"], known, Recorder())
        with pytest.raises(ImageError) as beside:
            resolve(
                empty_base(),
                [lines[1], f"other @ {server.url}/theirs/other-1.0-py3-none-any.whl"],
                known,
                Recorder(),
            )

    shown = [path for path, headers in server.requests if "authorization" in headers]
    assert [path for path in shown if not path.startswith("/ours/")] == []
    assert shown
    assert beside.value.code == "index-refused"


@pytest.mark.parametrize("kind", ["wheel", "conda"])
def test_a_redirect_takes_the_password_nowhere(workshop: Workshop, tmp_path: Path, kind: str) -> None:
    """Neither to another server nor to another path of the same server; nor is it requested there."""
    wheel = wheel_file(make_wheel(tmp_path, "privlib"))
    thief = Server(lambda _: (200, {}, wheel.path.read_bytes()))

    def sent_on(request: BaseHTTPRequestHandler) -> Answer:
        if request.path.startswith("/files/"):
            return 302, {"Location": "/elsewhere"}, b""
        return 302, {"Location": f"{thief.url}/{wheel.path.name}"}, b""

    with ExitStack() as stack:
        stack.enter_context(thief.running())
        server = stack.enter_context(Server(sent_on).running())
        package = LockedPackage(
            ecosystem="conda" if kind == "conda" else "pypi",
            kind="conda" if kind == "conda" else "wheel",
            name="privlib",
            version="1.0",
            url=f"{server.url}/files/{wheel.path.name}",
            sha256=wheel.sha256,
            filename=wheel.path.name,
        )
        known = knowing(workshop, "channel" if kind == "conda" else "index", f"{server.url}/files")
        fetch(Lock(packages=(package,)), known, Recorder())

    assert [headers.get("authorization") for _, headers in server.requests] == [basic(LOGIN), None]
    assert proofs(thief) == set()


def test_the_machines_own_passwords_go_to_no_index(
    workshop: Workshop, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text(f'machine 127.0.0.1 login {USER} password "{PASSWORD}"\n')
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(ImageError):
        from_index(workshop, f"--index-url {index.url}")

    assert proofs(index.server) == set()


# Channels


def test_a_private_channel_lets_in_who_has_a_connection_and_remembers_it_for_nobody_else(
    workshop: Workshop, channel: Channel
) -> None:
    ours = knowing(workshop, "channel", channel.url)

    lock = from_channel(ours, channel.url)
    fetched = fetch(lock, ours, Recorder())
    with pytest.raises(ImageError) as theirs:
        from_channel(workshop, channel.url)

    assert [file.name for file in fetched.conda] == ["privnative"]
    assert PASSWORD not in lock.model_dump_json()
    assert theirs.value.code == "channel-refused"
    assert channel.server.address in theirs.value.message
    assert "Settings → Connections" in theirs.value.help


def test_a_channels_password_goes_to_no_other_channel(workshop: Workshop, channel: Channel) -> None:
    empty = Server(lambda _: (401, {}, b""))
    with empty.running(), pytest.raises(ImageError) as refused:
        from_channel(knowing(workshop, "channel", channel.url), channel.url, f"{empty.url}/other")

    assert refused.value.code == "channel-refused"
    assert proofs(empty) == set()


def test_channels_that_the_solver_cannot_tell_apart_are_refused(workshop: Workshop, channel: Channel) -> None:
    """It knows of a request no more than host and path: another port would be shown the password."""
    thief = Server(lambda _: (401, {}, b""))
    with thief.running(), pytest.raises(ImageError) as refused:
        from_channel(knowing(workshop, "channel", channel.url), channel.url, f"{thief.url}/team")

    assert refused.value.code == "channel-refused"
    assert thief.requests == []


def test_a_channels_redirect_takes_the_password_nowhere(workshop: Workshop) -> None:
    thief = Server(lambda _: (401, {}, b""))
    with thief.running():
        sending = Server(lambda request: (302, {"Location": f"{thief.url}{request.path}"}, b""))
        with sending.running(), pytest.raises(ImageError):
            from_channel(knowing(workshop, "channel", f"{sending.url}/team"), f"{sending.url}/team")

    assert proofs(sending) == {basic(LOGIN)}
    assert thief.requests
    assert proofs(thief) == set()


def test_a_folder_of_the_machine_is_a_channel_only_where_that_is_allowed(
    workshop: Workshop, channel: Channel
) -> None:
    address = channel.folder.as_uri()

    assert from_channel(workshop, address).packages
    with pytest.raises(ImageError) as refused:
        from_channel(replace(workshop, file_channels=False), address)

    assert (refused.value.code, refused.value.fault) == ("bad-spec", "author")
    assert "STUDIO_ALLOW_FILE_CHANNELS" in refused.value.help
    mirrored = replace(workshop, file_channels=False, channel_mirrors={"conda-forge": address})
    assert from_channel(mirrored, "conda-forge").packages  # who runs the studio may


# Registries


def test_a_registry_cannot_have_the_password_taken_elsewhere(workshop: Workshop) -> None:
    """A redirect leads to a server that asks for a token: the password is not its to ask for."""
    thief = Server(
        lambda _: (401, {"WWW-Authenticate": f'Bearer realm="{thief.url}/token",service="x"'}, b"")
    )
    with thief.running():
        sending = Server(lambda request: (307, {"Location": f"{thief.url}{request.path}"}, b""))
        with sending.running(), pytest.raises(ImageError) as refused:
            find_base(
                f"{sending.address}/team/base:1", knowing(workshop, "registry", sending.url), Recorder()
            )

    assert refused.value.code == "registry-refused"
    assert proofs(thief) == proofs(sending) == set()


@pytest.mark.parametrize(
    ("registry", "realm", "shown"),
    [
        ("https://r.example", "https://auth.example/token", True),
        ("https://r.example", "http://auth.example/token", False),
        ("http://r.example", "http://r.example/token", True),
        ("http://r.example", "https://auth.example/token", False),
        ("http://127.0.0.1:5", "https://auth.example/token", True),
    ],
)
def test_the_place_that_gives_tokens_is_believed_only_from_a_registry_that_nobody_can_pose_as(
    workshop: Workshop, registry: str, realm: str, shown: bool
) -> None:
    known = knowing(replace(workshop, mirrors={"r.example": registry}), "registry", registry)
    (workspace, *_) = repositories_for("r.example", "team/base", known)

    assert Registry(workspace)._trusts(httpx.URL(realm)) is shown
    assert workspace.login is not None


def test_an_upload_that_is_taken_elsewhere_goes_without_the_password(workshop: Workshop) -> None:
    taking = Server(lambda _: (201, {}, b""))
    taking._server.RequestHandlerClass.do_PUT = taking._server.RequestHandlerClass.do_GET  # type: ignore[attr-defined]
    with taking.running():
        known = knowing(workshop, "registry", "http://127.0.0.1:9")
        (workspace,) = repositories_for("127.0.0.1:9", "team/base", known)
        uploads = Uploads(workspace)
        uploads._headers = {"Authorization": basic(LOGIN)}
        uploads.put(httpx.URL(f"{taking.url}/upload"), {}, b"blob")

    assert proofs(taking) == set()
