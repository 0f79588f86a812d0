"""Programs and servers on both sides of the forward proxy that misbehave."""

from __future__ import annotations

import base64
import logging
import os
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uv

from builds.imaging.download.fetch import fetch
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.workshop import Workshop
from builds.proxy.forward import ForwardProxy
from builds.proxy.limits import Limits
from builds.proxy.peers import is_own_user
from environments.network.policy import AddressRefused, EgressPolicy
from environments.network.urls import UnreadableUrl
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_wheel
from tests.builds.imaging.serving import Index, Server
from tests.hostile.network.proxying import (
    OUTSIDE,
    Raw,
    ask,
    credentials,
    echoing,
    get,
    status,
    talking,
    tunnel,
)

# Passing requests and tunnels


def test_a_request_passes_without_headers_that_are_the_proxys_own(
    proxy: ForwardProxy, outside: Server
) -> None:
    answer = get(
        proxy, f"{outside.url}/a%2Fb?q=1#x", "TE: trailers", "X-Hop: 1", "Connection: x-hop", "Accept: */*"
    )

    assert status(answer) == 200
    assert b"x-kind: public" in answer
    assert answer.endswith(b"public")
    path, headers = outside.requests[0]
    assert path == "/a%2Fb?q=1"
    assert headers == {"host": outside.address, "accept": "*/*", "connection": "close"}
    assert proxy.failure is None
    assert proxy.bytes > 100


def test_one_connection_carries_several_requests(proxy: ForwardProxy, outside: Server) -> None:
    with httpx.Client(proxy=proxy.url, trust_env=False) as client:
        assert [client.get(outside.url).text for _ in range(3)] == ["public"] * 3
        assert client.head(outside.url).headers["content-length"] == "6"


def test_bytes_pass_through_a_tunnel_in_both_directions(proxy: ForwardProxy) -> None:
    with Raw(echoing).running() as server, tunnel(proxy, server.address) as client:
        client.sendall(b"hello\r\n\r\n")
        answer = client.recv(100)
        client.sendall(b"x" * 200_000)
        received = 0
        while received < 200_000:
            received += len(client.recv(65536))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert server.heads == [b"hello\r\n\r\n"]


def test_many_connections_pass_at_once(outside: Server) -> None:
    with ForwardProxy(OUTSIDE) as proxy, ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda n: get(proxy, f"{outside.url}/{n}"), range(128)))

    assert {status(answer) for answer in answers} == {200}
    assert {path for path, _ in outside.requests} == {f"/{n}" for n in range(128)}


def test_connections_over_the_limit_are_closed_and_those_under_it_go_on() -> None:
    with (
        Raw(echoing).running() as server,
        ForwardProxy(OUTSIDE, Limits(connections=2)) as proxy,
        tunnel(proxy, server.address) as first,
        tunnel(proxy, server.address) as second,
    ):
        assert b" 200 " in first.recv(100)
        assert b" 200 " in second.recv(100)
        assert get(proxy, server.url) == b""
        first.sendall(b"still here\r\n\r\n")
        second.close()
        first.sendall(b"x")
        assert first.recv(100) == b"x"


# Credentials


@pytest.mark.parametrize("login", [b"Proxy-Authorization: Basic d3Jvbmc6b25l", b"Proxy-Authorization: x"])
def test_a_program_with_other_credentials_gets_nothing(
    proxy: ForwardProxy, outside: Server, login: bytes
) -> None:
    answer = ask(proxy, f"GET {outside.url}/ HTTP/1.1", "Host: x", login=login)

    assert status(answer) == 407
    assert outside.requests == []


def test_a_program_without_credentials_must_be_of_the_same_user(
    proxy: ForwardProxy, outside: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (f"GET {outside.url}/ HTTP/1.1", "Host: x", "Connection: close")
    assert status(ask(proxy, *lines, login=b"X-No: login")) == 200

    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert status(ask(proxy, *lines, login=b"X-No: login")) == 407
    assert not is_own_user(("127.0.0.1", 1), ("127.0.0.1", 2))
    assert len(outside.requests) == 1


def test_the_environment_of_a_program_names_this_proxy_and_no_exceptions(proxy: ForwardProxy) -> None:
    given = {
        "NO_PROXY": "*",
        "no_proxy": "127.0.0.1",
        "HTTPS_PROXY": "http://corp:1",
        "REQUEST_METHOD": "GET",
    }
    env = proxy.environment({**given, "PATH": "/bin"})

    names = ("http_proxy", "https_proxy", "all_proxy")
    assert env == {"PATH": "/bin"} | {
        case(name): proxy.url for name in names for case in (str.lower, str.upper)
    }


# Addresses


@pytest.mark.parametrize(
    "request_line",
    [
        "GET http://{inside}/ HTTP/1.1",
        "CONNECT {inside} HTTP/1.1",
        "CONNECT 169.254.169.254:80 HTTP/1.1",
        "GET http://[::1]/ HTTP/1.1",
        "CONNECT 0:80 HTTP/1.1",
    ],
)
def test_a_forbidden_address_is_answered_with_the_reason_and_remembered(
    proxy: ForwardProxy, inside: Server, request_line: str
) -> None:
    answer = ask(proxy, request_line.format(inside=inside.address), "Host: x")

    assert status(answer) == 403
    assert b"The studio does not connect to" in answer
    assert isinstance(proxy.failure, AddressRefused)
    assert inside.requests == []


@pytest.mark.parametrize(
    "request_line",
    [
        "GET / HTTP/1.1",
        "GET https://127.0.0.2/ HTTP/1.1",
        "GET http://ann:s3cret@127.0.0.2/ HTTP/1.1",
        "GET http:///127.0.0.2/ HTTP/1.1",
        "GET http://%31%32%37.0.0.2/ HTTP/1.1",
        "CONNECT 127.0.0.2:1/x HTTP/1.1",
        "CONNECT a@127.0.0.2:1 HTTP/1.1",
        "CONNECT [127.0.0.2:1 HTTP/1.1",
    ],
)
def test_what_cannot_be_judged_is_refused(proxy: ForwardProxy, request_line: str) -> None:
    answer = ask(proxy, request_line, "Host: x")

    assert status(answer) == 403
    assert b"s3cret" not in answer
    assert isinstance(proxy.failure, UnreadableUrl)


@pytest.mark.parametrize(
    "head", ["POST {url} HTTP/1.1\r\nHost: x", "GET {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 1"]
)
def test_nothing_is_sent_on_but_requests_to_read(proxy: ForwardProxy, outside: Server, head: str) -> None:
    answer = ask(proxy, *head.format(url=outside.url).split("\r\n"), login=credentials(proxy) + b"\r\n\r\nx")

    assert status(answer) == 405
    assert outside.requests == []


def test_a_redirect_to_this_machine_ends_at_the_proxy(proxy: ForwardProxy, inside: Server) -> None:
    leading = Server(lambda _: (307, {"Location": f"{inside.url}/secret"}, b""), "127.0.0.2")
    with leading.running(), httpx.Client(proxy=proxy.url, trust_env=False, follow_redirects=True) as client:
        answer = client.get(leading.url)

    assert (answer.status_code, str(answer.url)) == (403, f"{inside.url}/secret")
    assert "The studio does not connect to 127.0.0.1" in answer.text
    assert inside.requests == []


def test_a_name_that_changes_its_address_is_resolved_once_for_each_connection() -> None:
    lookups = []
    with closing(socket.create_server(("127.0.0.1", 0))) as secret:
        port = int(secret.getsockname()[1])
        answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1"]])

        def rebinding(host: str, port: int) -> list[str]:
            lookups.append((host, port))
            return next(answers)

        hello = talking(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        with (
            Raw(hello, port=port).running() as server,
            ForwardProxy(replace(OUTSIDE, look_up=rebinding)) as proxy,
        ):
            name = f"rebind.example:{port}"
            assert get(proxy, f"http://{name}/").endswith(b"hi")
            assert status(get(proxy, f"http://{name}/")) == 403
            with tunnel(proxy, name) as first, tunnel(proxy, name) as second:
                statuses = [first.recv(20)[9:12]]
                statuses.append(second.recv(20)[9:12])
        secret.setblocking(False)
        with pytest.raises(BlockingIOError):
            secret.accept()

    assert sorted(statuses) == [b"200", b"403"]
    assert lookups == [("rebind.example", port)] * 4
    assert len(server.heads) == 2
    assert f"Host: rebind.example:{port}".encode().lower() in server.heads[0].lower()


def test_a_name_that_nobody_knows_is_unreachable_but_not_refused(proxy: ForwardProxy) -> None:
    for line in ("GET http://nobody.invalid/ HTTP/1.1", "CONNECT nobody.invalid:443 HTTP/1.1"):
        answer = ask(proxy, line, "Host: x", "Connection: close")
        assert status(answer) == 502
        assert b"nobody.invalid is unknown" in answer

    assert proxy.failure is None


@pytest.mark.parametrize(
    "written", ["%31%32%37.0.0.1", "%6cocalhost", "/127.0.0.1", "local\u00adhost", "0x7f.1"]
)
@pytest.mark.parametrize("option", ["--index-url", "--find-links"])
def test_uv_itself_reaches_nothing_inside_however_it_reads_a_url(
    inside: Server, tmp_path: Path, written: str, option: str
) -> None:
    """Not even without the check of the definition's URLs beforehand."""
    port = inside.address.rpartition(":")[2]
    argv = [uv.find_uv_bin(), "pip", "compile", "-", "--no-cache", option, f"http://{written}:{port}/x"]
    with ForwardProxy(EgressPolicy()) as proxy:
        env = proxy.environment({**os.environ, "UV_HTTP_RETRIES": "0", "NO_PROXY": "*"})
        subprocess.run(argv, input=b"shop\n", env=env, cwd=tmp_path, capture_output=True, check=False)
        assert isinstance(proxy.failure, AddressRefused)

    assert inside.requests == []


# The log


def test_no_credentials_and_no_paths_are_logged(
    proxy: ForwardProxy, outside: Server, inside: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        get(
            proxy,
            f"{outside.url}/t/s3cret/simple?token=s3cret",
            "Authorization: Bearer s3cret",
            "Cookie: s3cret",
        )
        get(proxy, f"{inside.url}/t/s3cret")
        get(proxy, "http://ann:s3cret@127.0.0.2/")
        get(proxy, f"{outside.url}/", "Broken s3cret")
        ask(proxy, f"GET {outside.url}/ HTTP/1.1", "Host: x", login=b"Proxy-Authorization: Basic s3cret")
        with tunnel(proxy, outside.address) as client:
            client.sendall(b"GET /s3cret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            client.recv(100)
            while client.recv(100):
                pass

    assert f"GET {outside.address}: 200" in caplog.text
    assert f"GET {inside.address}: 403" in caplog.text
    assert "s3cret" not in caplog.text
    assert proxy.url.partition("@")[0].rpartition(":")[2] not in caplog.text
    assert outside.requests[0][1]["authorization"] == "Bearer s3cret"


# Behind the operator's own proxy


def test_through_the_operators_proxy_addresses_are_judged_before_it_is_asked(
    inside: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that does not resolve here is for that proxy to judge."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    with Raw(talking(answer), "127.0.0.1").running() as corporate:
        monkeypatch.setenv("http_proxy", f"http://ann:s3cret@{corporate.address}")
        with ForwardProxy(OUTSIDE) as proxy:
            assert get(proxy, "http://nobody.invalid/x").endswith(b"hi")
            assert status(get(proxy, inside.url)) == 403

    head = corporate.heads[0].lower()
    assert head.startswith(b"get http://nobody.invalid/x http/1.1\r\n")
    assert b"proxy-authorization: basic " + base64.b64encode(b"ann:s3cret").lower() in head
    assert head.count(b"proxy-authorization") == 1
    assert len(corporate.heads) == 1
    assert inside.requests == []


def test_tunnels_go_through_the_operators_proxy_but_not_to_its_exceptions(
    outside: Server, inside: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connecting(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\nfirst")
        echoing(connection)

    with Raw(connecting, "127.0.0.1").running() as corporate:
        monkeypatch.setenv("https_proxy", corporate.url)
        with ForwardProxy(OUTSIDE) as proxy:
            with tunnel(proxy, "nobody.invalid:443") as client:
                answer = b""
                while not answer.endswith(b"first"):
                    answer += client.recv(100)
                client.sendall(b"more")
                assert client.recv(100) == b"more"
            assert status(ask(proxy, f"CONNECT {inside.address} HTTP/1.1", "Host: x")) == 403
            monkeypatch.setenv("no_proxy", "127.0.0.2")
            with tunnel(proxy, outside.address) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b""
                while data := client.recv(100):
                    answer += data
                assert answer.endswith(b"public")

    assert [head.split(b"\r\n")[0] for head in corporate.heads] == [b"CONNECT nobody.invalid:443 HTTP/1.1"]
    assert len(outside.requests) == 1


@pytest.mark.parametrize(
    "behave",
    [
        talking(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),
        talking(b""),
        talking(b"nonsense\r\n\r\n"),
    ],
)
def test_an_operators_proxy_that_refuses_is_an_error(
    behave: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Raw(behave, "127.0.0.1").running() as corporate, ForwardProxy(OUTSIDE) as proxy:
        monkeypatch.setenv("https_proxy", corporate.url)
        assert status(ask(proxy, "CONNECT nobody.invalid:443 HTTP/1.1", "Host: x")) == 502
        monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
        assert b"socks5:// is not supported" in ask(proxy, "CONNECT nobody.invalid:443 HTTP/1.1", "Host: x")


def test_an_index_that_only_the_operators_proxy_knows_is_reached_through_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "index", "shop", "1.0")
    corporate = Index(tmp_path / "index")
    with corporate.server.running():
        monkeypatch.setenv("http_proxy", corporate.server.url)
        workshop = Workshop(BlobStore(tmp_path / "store"), tmp_path / "cache", reach=OUTSIDE)
        lines = ["--index-url http://index.invalid/simple", "shop"]
        lock = resolve(empty_base(), lines, workshop, Recorder())
        fetched = fetch(lock, workshop, Recorder())

    assert [file.name for file in fetched.wheels] == ["shop"]
    assert {path.split("/")[2] for path, _ in corporate.server.requests} == {"index.invalid"}
