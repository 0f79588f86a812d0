"""Servers that do not end, and clients that leave: the forward proxy ends their connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from builds.imaging.egress import way_out
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from builds.proxy.forward import ForwardProxy
from builds.proxy.limits import LimitReached, Limits
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base
from tests.hostile.network.proxying import (
    OUTSIDE,
    Raw,
    credentials,
    dripping,
    endless,
    endless_beginnings,
    endless_headers,
    get,
    silent,
    status,
    talking,
    tunnel,
)

# Servers that do not end


@pytest.mark.parametrize("way", ["request", "tunnel"])
def test_an_endless_answer_is_cut_off_and_ends_the_build(way: str) -> None:
    with Raw(endless).running() as server, ForwardProxy(OUTSIDE, Limits(bytes=1 << 20)) as proxy:
        if way == "request":
            received = len(get(proxy, server.url))
        else:
            received = 0
            with tunnel(proxy, server.address) as client, suppress(ConnectionResetError):
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                while data := client.recv(65536):
                    received += len(data)
        assert server.ended.wait(10)

        assert received < 2 << 20
        assert isinstance(proxy.failure, LimitReached)
        assert status(get(proxy, server.url)) == 502


def test_bytes_count_for_the_builds_own_limit(tmp_path: Path) -> None:
    over = ImageError("disk-limit", "The build has written too much.")

    spent = []

    def spend(size: int) -> None:
        spent.append(size)
        if sum(spent) > 1 << 20:
            raise over

    workshop = Workshop(BlobStore(tmp_path), tmp_path, reach=OUTSIDE, reserve_disk=spend)
    with Raw(endless).running() as server, pytest.raises(ImageError) as error:
        resolve(empty_base(), [f"--index-url {server.url}/simple", "shop"], workshop, Recorder())

    assert error.value is over
    assert sum(spent) < 4 << 20


def test_a_solver_ends_at_the_first_limit_with_a_cause_of_its_own(tmp_path: Path) -> None:
    workshop = Workshop(BlobStore(tmp_path), tmp_path, reach=OUTSIDE)
    with way_out(workshop, Recorder()) as way:
        way.check()
        assert f"127.0.0.1:{way.port}" in way.environment({})["HTTPS_PROXY"]
        way._proxy._account.remember(LimitReached("The servers sent more than 4,295 MB of listings."))
        with pytest.raises(ImageError, match="sent more than") as error:
            way.check()

    assert error.value.code == "endless-answer"


@pytest.mark.parametrize("behave", [endless_headers, endless_beginnings])
def test_a_head_that_does_not_end_is_an_error(behave: Callable[[socket.socket], None]) -> None:
    with Raw(behave).running() as server, ForwardProxy(OUTSIDE) as proxy:
        answer = get(proxy, server.url)
        assert server.ended.wait(10)

        assert status(answer) == 502
        assert proxy.bytes < 1 << 20


@pytest.mark.parametrize(
    ("behave", "limits"),
    [(silent, Limits(idle_seconds=0.3)), (silent, Limits(connection_seconds=0.3))],
)
def test_a_server_that_does_not_answer_is_left(
    behave: Callable[[socket.socket], None], limits: Limits
) -> None:
    with Raw(behave).running() as server, ForwardProxy(OUTSIDE, limits) as proxy:
        assert status(get(proxy, server.url)) == 504
        with tunnel(proxy, server.address) as client:
            client.sendall(b"hello\r\n\r\n")
            assert b" 200 " in client.recv(100)
            with suppress(ConnectionResetError):
                assert client.recv(100) == b""


def test_an_answer_byte_by_byte_is_cut_and_does_not_look_whole() -> None:
    limits = Limits(connection_seconds=0.5, idle_seconds=0.2)
    with Raw(dripping).running() as server, ForwardProxy(OUTSIDE, limits) as proxy:
        began = time.monotonic()
        with httpx.Client(proxy=proxy.url, trust_env=False) as client, pytest.raises(httpx.TransportError):
            client.get(server.url)
        assert time.monotonic() - began < 10
        assert server.ended.wait(10)


def test_a_proxy_has_a_time_for_all_its_connections() -> None:
    with Raw(dripping).running() as server, ForwardProxy(OUTSIDE, Limits(seconds=0.3)) as proxy:
        get(proxy, server.url)
        assert server.ended.wait(10)
        assert isinstance(proxy.failure, LimitReached)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
    ],
)
def test_an_answer_that_breaks_off_does_not_look_whole(proxy: ForwardProxy, answer: bytes) -> None:
    with (
        Raw(talking(answer)).running() as server,
        httpx.Client(proxy=proxy.url, trust_env=False) as client,
        pytest.raises(httpx.TransportError),
    ):
        client.get(server.url)


@pytest.mark.parametrize(
    "answer",
    [b"", b"hello", b"HTTP/1.1 101 Switching\r\n\r\n", b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", b"\0" * 100],
)
def test_an_answer_that_is_no_http_is_an_error(proxy: ForwardProxy, answer: bytes) -> None:
    with Raw(talking(answer)).running() as server:
        assert status(get(proxy, server.url)) == 502


def test_a_response_with_two_lengths_has_the_length_of_its_chunks(proxy: ForwardProxy) -> None:
    """The shorter length would leave the rest of the body to be read as the next response."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        Raw(talking(head, b"6\r\nwhole!\r\n0\r\n\r\n")).running() as server,
        httpx.Client(proxy=proxy.url, trust_env=False) as client,
    ):
        answer = client.get(server.url)

    assert answer.text == "whole!"
    assert "content-length" not in answer.headers


# Clients that leave


@pytest.mark.parametrize("behave", [silent, dripping, endless])
def test_a_client_that_hangs_up_ends_the_servers_connection(
    proxy: ForwardProxy, behave: Callable[[socket.socket], None]
) -> None:
    with Raw(behave).running() as server:
        client = socket.create_connection(("127.0.0.1", proxy.port))
        head = [f"GET {server.url}/ HTTP/1.1".encode(), b"Host: x", credentials(proxy), b"", b""]
        client.sendall(b"\r\n".join(head))
        while not server.heads:
            time.sleep(0.01)
        client.close()

        assert server.ended.wait(5)


def test_a_client_that_reads_slowly_does_not_fill_the_memory(proxy: ForwardProxy) -> None:
    with Raw(endless).running() as server, tunnel(proxy, server.address) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        time.sleep(0.5)
        first = proxy.bytes
        time.sleep(0.3)

        assert proxy.bytes == first
        assert first < 64 << 20


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01 hello\r\n\r\n", b"GET http://x/ HTTP/1.1\r\n" + b"A: b\r\n" * 20_000]
)
def test_a_client_that_does_not_speak_http_is_answered(proxy: ForwardProxy, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client, suppress(ConnectionError):
        client.sendall(sent)
        assert status(client.recv(100)) == 400


def test_leaving_the_proxy_ends_all_connections() -> None:
    with Raw(dripping).running() as server:
        with ForwardProxy(OUTSIDE) as proxy:
            client = tunnel(proxy, server.address)
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(10)
        with client, suppress(ConnectionResetError):
            while client.recv(65536):
                pass
        assert server.ended.wait(5)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port))
