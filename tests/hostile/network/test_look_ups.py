"""Name servers that never answer: what waits for a name goes on after a deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from environments.network import look_up
from environments.network.client import checked_client, timed_client
from environments.network.deadlines import Deadlines
from environments.network.look_up import resolve_host
from environments.network.policy import EgressPolicy

SOON = 0.2


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the system's resolver wait for name servers that do not answer for names below `.silent`."""
    over, system = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **options: Any) -> Any:
        if host.endswith(".silent") and not options.get("flags"):
            over.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no name server answers")
        return system(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(look_up, "LOOK_UP_SECONDS", SOON)
    monkeypatch.setattr(look_up, "_slots", threading.BoundedSemaphore(2))
    yield over
    over.set()


def test_a_name_that_nobody_answers_for_is_given_up(silent: threading.Event) -> None:
    began = time.monotonic()
    with pytest.raises(socket.gaierror, match=r"looking up a\.silent takes longer"):
        resolve_host("a.silent", 443)
    assert time.monotonic() - began < 5


def test_forgotten_look_ups_do_not_pile_up_and_addresses_need_none(silent: threading.Event) -> None:
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            resolve_host("a.silent", 443)
    before = threading.active_count()
    with pytest.raises(socket.gaierror, match="too many names"):
        resolve_host("b.silent", 443)
    assert threading.active_count() <= before
    assert resolve_host("127.0.0.1", 80) == ["127.0.0.1"]
    assert resolve_host("::1", 80) == ["::1"]
    silent.set()
    assert _after_the_others("localhost") in (
        ["127.0.0.1"],
        ["::1"],
        ["::1", "127.0.0.1"],
        ["127.0.0.1", "::1"],
    )


def _after_the_others(host: str) -> list[str]:
    for _ in range(100):
        try:
            return resolve_host(host, 80)
        except socket.gaierror:
            continue
    raise AssertionError("the slots are not given back")


@pytest.mark.parametrize("checked", [True, False])
def test_the_deadline_of_an_exchange_counts_for_the_look_up_too(
    silent: threading.Event, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    monkeypatch.setattr(look_up, "LOOK_UP_SECONDS", 60.0)
    deadlines = Deadlines(head=SOON, whole=SOON)
    client = checked_client(EgressPolicy(), deadlines=deadlines) if checked else timed_client(deadlines)
    began = time.monotonic()
    with client, pytest.raises(httpx.HTTPError):
        client.get("http://registry.silent/")
    assert time.monotonic() - began < 5


def test_names_are_looked_up_side_by_side() -> None:
    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(lambda _: resolve_host("localhost", 80), range(200)))


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "\0", "ü" * 300])
def test_what_is_no_name_is_an_error(host: str) -> None:
    with pytest.raises((OSError, ValueError)):
        resolve_host(host, 80)
