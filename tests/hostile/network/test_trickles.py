"""A server that sends a byte now and then is not waited for: no part of an answer, and on no route."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from builds.engine.dockerfiles import additions
from builds.engine.dockerfiles.named import Addition
from builds.imaging import answers, registry_client
from builds.imaging.bases.find import find_base
from builds.imaging.download import fetch as fetching
from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Kind, Lock, LockedPackage
from builds.imaging.oci.manifest import OCI_MANIFEST
from builds.imaging.publish import sender as pushing
from builds.imaging.publish.push import push
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.network.client import checked_client, timed_client
from environments.network.deadlines import Deadlines
from environments.network.policy import LOCAL_POLICY
from studio.defining import completion
from tests.builds.imaging.conftest import Recorder
from tests.hostile.network.registries import Image
from tests.hostile.network.trickling import BODIES, HEADS, Trickle

# Much longer than the pause between two pieces, and than a busy machine keeps a thread waiting.
SOON = Deadlines(head=0.5, whole=60.0, pace=1e6)
LATE = "does not begin within|slower than|takes longer than"
FILE = "shop-1.0-py3-none-any.whl"

Answer = Callable[[str], Iterator[bytes]]


@pytest.fixture
def hurried(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A workshop that waits for no server, and asks only once."""
    for module in (registry_client, fetching, pushing):
        monkeypatch.setattr(module, "ATTEMPTS", 1)
    monkeypatch.setattr(answers, "MOST_SECONDS", 0.5)
    return replace(workshop, reach=replace(LOCAL_POLICY, deadlines=SOON))


def read(client: httpx.Client, url: str) -> bytes:
    with client.stream("GET", url) as response:
        return b"".join(response.iter_raw())


@pytest.mark.parametrize("shape", [*HEADS, *BODIES])
def test_no_part_of_an_answer_trickles_on(shape: str) -> None:
    with (
        Trickle({**HEADS, **BODIES}[shape]).running() as server,
        checked_client(LOCAL_POLICY, deadlines=SOON, timeout=20.0, follow_redirects=True) as client,
        pytest.raises(httpx.ReadTimeout, match=LATE),
    ):
        read(client, server.url)


@pytest.mark.parametrize("shape", ["headers", "header of a chunk"])
def test_an_answer_through_the_operators_proxy_does_not_trickle_on(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Trickle({**HEADS, **BODIES}[shape]).running() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        with (
            checked_client(LOCAL_POLICY, deadlines=SOON, timeout=20.0) as client,
            pytest.raises(httpx.ReadTimeout, match=LATE),
        ):
            read(client, "http://registry.invalid/v2/")
        assert proxy.requests == ["GET http://registry.invalid/v2/ HTTP/1.1"]


@pytest.mark.parametrize("proxied", [False, True])
def test_a_handshake_does_not_trickle_on(proxied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def hello(line: str) -> Iterator[bytes]:
        if line.startswith("CONNECT"):
            yield b"HTTP/1.1 200 Connection established\r\n\r\n"
        yield b"\x16\x03\x03\x40\x00"
        for _ in range(1500):
            yield b"\x02"

    with Trickle(hello).running() as server:
        if proxied:
            monkeypatch.setenv("https_proxy", server.url)
            monkeypatch.delenv("no_proxy", raising=False)
        with (
            timed_client(SOON, timeout=20.0) as client,
            pytest.raises(httpx.TimeoutException, match=LATE),
        ):
            read(client, "https://registry.invalid/" if proxied else f"https://{server.address}/")


def test_a_server_that_takes_an_upload_byte_by_byte_is_not_waited_for() -> None:
    """It reads nothing after the head of the request, and so the upload does not go on."""
    with (
        Trickle(lambda line: (b"" for _ in range(1500))).running() as server,
        timed_client(SOON, timeout=20.0) as client,
        pytest.raises(httpx.ReadTimeout, match="slower than"),
    ):
        client.put(server.url, content=iter([bytes(1 << 20)] * 64))


def test_a_body_that_keeps_its_pace_may_take_longer_than_its_head() -> None:
    def steady(line: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"
        for _ in range(100):
            yield bytes(100)

    limits = Deadlines(head=1.0, whole=60.0, pace=10.0)
    with Trickle(steady).running() as server, timed_client(limits, timeout=20.0) as client:
        assert len(read(client, server.url)) == 10_000


def test_time_that_the_studio_takes_itself_is_not_the_servers() -> None:
    answered = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"
    with (
        Trickle(lambda _: iter((answered, b"b"))).running() as server,
        timed_client(SOON, timeout=20.0) as client,
        client.stream("GET", server.url) as response,
    ):
        pieces = response.iter_raw(1)
        assert next(pieces) == b"a"
        server.over.wait(1.2 * SOON.head)  # a full disk, a long queue
        assert list(pieces) == [b"b"]


def test_the_next_request_on_a_connection_has_its_own_time() -> None:
    def kept(line: str) -> Iterator[bytes]:
        for _ in range(2):
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
            for _ in range(10):
                yield b""

    with Trickle(kept).running() as server, timed_client(SOON, timeout=20.0) as client:
        assert read(client, server.url) == b"a"
        assert read(client, server.url) == b"a"
        assert len(server.requests) == 1


def pulled(server: Trickle, workshop: Workshop) -> None:
    find_base(f"{server.address}/team/base:1", workshop, Recorder())


def downloaded(kind: Kind) -> Callable[[Trickle, Workshop], None]:
    def download(server: Trickle, workshop: Workshop) -> None:
        package = LockedPackage(
            ecosystem="pypi" if kind == "wheel" else "conda",
            name="shop",
            version="1.0",
            url=f"{server.url}/{FILE}",
            sha256=hashlib.sha256(b"").hexdigest(),
            filename=FILE,
            kind=kind,
        )
        fetch(Lock(platform="linux", base_digest="", packages=(package,)), workshop, Recorder())

    return download


def added(server: Trickle, workshop: Workshop) -> None:
    addition: Any = Addition(urls=(f"{server.url}/file",), checksum="", line=1)
    additions.fetched(addition, "linux/amd64", workshop, Recorder())


def pushed(server: Trickle, workshop: Workshop) -> None:
    image = workshop.store.put(json.dumps(Image().written()).encode(), OCI_MANIFEST)
    push(image, f"{server.address}/team/image:1", workshop, Recorder())


ROUTES: dict[str, Callable[[Trickle, Workshop], None]] = {
    "registry": pulled,
    "index": downloaded("wheel"),
    "channel": downloaded("conda"),
    "ADD": added,
    "push": pushed,
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("shape", ["headers", "redirects"])
def test_no_route_waits_for_the_head_of_an_answer(route: str, shape: str, hurried: Workshop) -> None:
    with Trickle(HEADS[shape]).running() as server, pytest.raises(ImageError) as error:
        ROUTES[route](server, hurried)
    assert error.value.fault != "studio"
    assert re.search(LATE, f"{error.value} {error.value.detail}")


@pytest.mark.parametrize("route", sorted(ROUTES.keys() - {"push"}))  # which reads no body
@pytest.mark.parametrize("shape", ["chunks", "header of a chunk"])
def test_no_route_waits_for_the_body_of_an_answer(route: str, shape: str, hurried: Workshop) -> None:
    with Trickle(BODIES[shape]).running() as server, pytest.raises(ImageError) as error:
        ROUTES[route](server, hurried)
    assert error.value.fault != "studio"
    assert re.search(LATE, f"{error.value} {error.value.detail}")


@pytest.mark.parametrize("shape", ["headers", "header of a chunk"])
@pytest.mark.parametrize("path", ["/token", "/blobs/"])
def test_neither_tokens_nor_blobs_trickle_on(path: str, shape: str, hurried: Workshop) -> None:
    image = Image()
    manifest = json.dumps(image.written()).encode()

    def answer(line: str) -> Iterator[bytes]:
        if path in line:
            yield from {**HEADS, **BODIES}[shape](line)
        elif path == "/token":
            challenge = f'WWW-Authenticate: Bearer realm="{server.url}/token"\r\n'.encode()
            yield b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n" + challenge + b"\r\n"
        else:
            yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(manifest)
            yield manifest

    with Trickle(answer).running() as server, pytest.raises(ImageError) as error:
        pulled(server, hurried)
    assert error.value.fault != "studio"
    assert re.search(LATE, f"{error.value} {error.value.detail}")
    assert any(path in line for line in server.requests)


@pytest.mark.parametrize("shape", [*HEADS, *BODIES])
def test_completion_waits_for_no_index(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "DEADLINE_SECONDS", 0.5)
    with (
        Trickle({**HEADS, **BODIES}[shape]).running() as server,
        pytest.raises(httpx.ReadTimeout, match=LATE),
    ):
        completion.fetch_versions(server.url, "shop")
