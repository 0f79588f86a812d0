"""The egress policy, on real sockets and with a resolver that lies."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured

from environments.network.client import checked_client
from environments.network.policy import LOCAL_POLICY, AddressRefused, EgressPolicy
from studio.configuration import read_reach
from tests.builds.imaging.serving import Answer, Server

NOTHING = EgressPolicy()
METADATA = "169.254.169.254"


@pytest.fixture
def inside() -> Iterator[Server]:
    """A server that only the studio's machine reaches."""
    with Server(lambda _: (200, {}, b"a secret of the house")).running() as server:
        yield server


@pytest.fixture
def outside(inside: Server) -> Iterator[Server]:
    """A server that counts as public here; /inside and /metadata lead elsewhere."""

    def answer(request: BaseHTTPRequestHandler) -> Answer:
        if request.path == "/inside":
            return 302, {"Location": f"{inside.url}/"}, b""
        if request.path == "/metadata":
            return 307, {"Location": f"http://{METADATA}/latest/meta-data/"}, b""
        return 200, {}, b"public"

    with Server(answer, "127.0.0.2").running() as server:
        yield server


@pytest.fixture
def reach() -> EgressPolicy:
    return EgressPolicy.read(["127.0.0.2"])


# Which addresses


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::127.0.0.1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("10.2.3.4", "private"),
        ("172.31.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd12::1", "private"),
        ("fec0::1", "private"),
        ("::ffff:10.0.0.1", "private"),
        (METADATA, "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("2002:a9fe:a9fe::", "link-local"),
        ("2a00:1450::5efe:a9fe:a9fe", "link-local"),
        ("100.100.100.200", "cloud"),
        ("168.63.129.16", "cloud"),
        ("fd00:ec2::254", "cloud"),
        ("0.0.0.0", "no machine"),  # noqa: S104 (nothing listens there)
        ("0.1.2.3", "no machine"),
        ("::", "no machine"),
        ("224.0.0.251", "no machine"),
        ("ff02::fb", "no machine"),
        ("255.255.255.255", "no machine"),
        ("240.0.0.1", "no machine"),
    ],
)
def test_an_address_of_the_house_is_refused_however_it_is_written(address: str, kind: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        replace(NOTHING, look_up=lambda *_: [address]).addresses("index.example", 443)

    assert refused.value.message.startswith(
        "The studio does not connect to index.example: index.example is at "
    )
    assert kind in refused.value.message
    assert "index.example to STUDIO_ALLOW_ADDRESSES" in refused.value.help


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::"])
def test_a_public_address_is_reached_by_everybody(address: str) -> None:
    assert replace(NOTHING, look_up=lambda *_: [address]).addresses("a.example", 443) == [address]


@pytest.mark.parametrize("address", [METADATA, "fe80::1", "fd00:ec2::254", "100.100.100.200", "0.0.0.0"])  # noqa: S104
def test_where_clouds_keep_passwords_must_be_named_even_on_ones_own_machine(address: str) -> None:
    own = replace(LOCAL_POLICY, look_up=lambda *_: [address])
    with pytest.raises(AddressRefused):
        own.addresses("cloud.example", 80)

    assert EgressPolicy.read([address]).addresses(address, 80) == [address]


def test_of_several_addresses_only_those_that_may_be_are_taken() -> None:
    policy = replace(NOTHING, look_up=lambda *_: ["127.0.0.1", "8.8.8.8", METADATA])

    assert policy.addresses("both.example", 443) == ["8.8.8.8"]


@pytest.mark.parametrize(
    ("entry", "host", "port", "address"),
    [
        ("loopback", "localhost", 5000, "127.0.0.1"),
        ("private", "r.corp.example", 443, "10.1.2.3"),
        ("10.1.0.0/16", "r.corp.example", 443, "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3", 443, "10.1.2.3"),
        ("fd12::/16", "r.corp.example", 443, "fd12::1"),
        ("10.1.0.0/16", "r.corp.example", 443, "::ffff:10.1.2.3"),
        ("r.corp.example", "R.corp.example.", 443, "10.1.2.3"),
        (".corp.example", "deep.r.corp.example", 443, "10.1.2.3"),
        ("r.corp.example:5000", "r.corp.example", 5000, "10.1.2.3"),
    ],
)
def test_what_is_named_in_the_setting_is_reached(entry: str, host: str, port: int, address: str) -> None:
    allowed = replace(EgressPolicy.read([entry]), look_up=lambda *_: [address])

    assert allowed.addresses(host, port) == [address]
    with pytest.raises(AddressRefused):
        allowed.addresses("other.example", 6000) if "." in entry and not entry[0].isdigit() else replace(
            allowed, look_up=lambda *_: [METADATA]
        ).addresses(host, port)


def test_a_name_like_an_allowed_one_is_not_allowed() -> None:
    allowed = replace(EgressPolicy.read(["corp.example", ".corp.example"]), look_up=lambda *_: ["10.1.2.3"])

    for name in ("evilcorp.example", "corp.example.evil.example", "example"):
        with pytest.raises(AddressRefused):
            allowed.addresses(name, 443)


def test_what_settings_name_is_reached_at_that_very_port() -> None:
    named = read_reach([], ["127.0.0.1:5000", "https://10.0.0.7/simple", "file:///srv/channel"])

    assert named.addresses("127.0.0.1", 5000)
    assert named.addresses("10.0.0.7", 443)
    for host, port in (("127.0.0.1", 5001), ("10.0.0.7", 80)):
        with pytest.raises(AddressRefused):
            named.addresses(host, port)


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/99", "http://corp.example", "a b", "corp.example/x", "*.corp.example", "r:port"]
)
def test_a_setting_that_means_nothing_stops_the_start(entry: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="STUDIO_ALLOW_ADDRESSES"):
        read_reach([entry], [])


@pytest.mark.parametrize(
    ("settings", "reached"),
    [
        ({}, True),
        ({"DATABASE_URL": "postgresql://localhost/x", "SECRET_KEY": "k" * 50}, False),
        ({"STUDIO_ALLOW_ADDRESSES": ""}, False),
    ],
)
def test_a_studio_of_one_person_reaches_their_machine_and_a_shared_one_does_not(
    tmp_path: Path, settings: dict[str, str], reached: bool
) -> None:
    ours = ("DATABASE_URL", "STUDIO_ALLOW_ADDRESSES")
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    script = "from studio.settings import EGRESS_POLICY; EGRESS_POLICY.check('http://127.0.0.1:9/')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**inherited, "STUDIO_VAR": str(tmp_path), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == reached
    assert ("AddressRefused" in done.stderr) != reached


# On the wire


def test_a_client_asks_what_it_may_and_connects_to_nothing_else(
    reach: EgressPolicy, inside: Server, outside: Server
) -> None:
    with checked_client(reach) as client:
        assert client.get(outside.url).text == "public"
        with pytest.raises(AddressRefused, match=r"127\.0\.0\.1 is of the studio's own machine"):
            client.get(inside.url)

    assert inside.requests == []


@pytest.mark.parametrize("written", ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
def test_other_ways_to_write_the_machine_itself_lead_nowhere_either(written: str, inside: Server) -> None:
    port = inside.address.rpartition(":")[2]

    with checked_client(NOTHING) as client, pytest.raises((AddressRefused, httpx.InvalidURL)):
        client.get(f"http://{written}:{port}/")
    with pytest.raises(AddressRefused):
        NOTHING.check_literal(f"http://{written}:{port}/")

    assert inside.requests == []


@pytest.mark.parametrize("path", ["/inside", "/metadata"])
def test_a_redirect_is_judged_like_the_first_address(
    reach: EgressPolicy, inside: Server, outside: Server, path: str
) -> None:
    with checked_client(reach, follow_redirects=True) as client, pytest.raises(AddressRefused):
        client.get(f"{outside.url}{path}")

    assert inside.requests == []


def test_a_name_that_changes_its_address_is_asked_once_and_leads_nowhere_new(reach: EgressPolicy) -> None:
    port = free_on("127.0.0.1", "127.0.0.2")
    answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]])
    lookups = []

    def rebinding(host: str, port: int) -> list[str]:
        lookups.append((host, port))
        return next(answers)

    public = Server(lambda _: (200, {"Connection": "close"}, b"public"), "127.0.0.2", port)
    secret = Server(lambda _: (200, {}, b"a secret"), "127.0.0.1", port)
    lying = replace(reach, look_up=rebinding)
    with public.running(), secret.running(), checked_client(lying) as client:
        first = client.get(f"http://rebind.example:{port}/")
        with pytest.raises(AddressRefused):
            client.get(f"http://rebind.example:{port}/")

    assert first.text == "public"
    assert lookups == [("rebind.example", port)] * 2
    assert len(public.requests) == 1
    assert secret.requests == []
    assert public.requests[0][1]["host"] == f"rebind.example:{port}"


def free_on(*hosts: str) -> int:
    """Return a port that is free on all of these."""
    while True:
        with socket.create_server((hosts[0], 0)) as first:
            port = int(first.getsockname()[1])
            try:
                for host in hosts[1:]:
                    socket.create_server((host, port)).close()
            except OSError:
                continue
            return port


def test_callers_choose_the_error_of_a_refusal(inside: Server) -> None:
    with (
        checked_client(NOTHING, refusing=lambda refused: ValueError(refused.address)) as client,
        pytest.raises(ValueError, match=r"^127\.0\.0\.1$"),
    ):
        client.get(inside.url)


def test_a_name_that_nobody_knows_is_a_failed_connection() -> None:
    with checked_client(NOTHING) as client, pytest.raises(httpx.ConnectError):
        client.get("http://nobody.invalid/")


def test_through_a_proxy_addresses_are_judged_before_it_is_asked(
    inside: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(lambda _: (200, {}, b"by the proxy")).running() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with checked_client(NOTHING) as client:
            assert client.get("http://nobody.invalid/").text == "by the proxy"
            with pytest.raises(AddressRefused):
                client.get(inside.url)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            with pytest.raises(AddressRefused):
                client.get(inside.url)

    assert [path for path, _ in proxy.requests] == ["http://nobody.invalid/"]
    assert inside.requests == []


def test_for_other_programs_urls_are_judged_and_those_that_they_may_read_otherwise_refused(
    reach: EgressPolicy, inside: Server, outside: Server
) -> None:
    reach.check(outside.url)
    with pytest.raises(OSError, match="not known"):
        reach.check("https://nobody.invalid/simple")
    with pytest.raises(AddressRefused):
        reach.check(inside.url)
    for odd in ("http://8.8.8.8\\@127.0.0.1/", "http://１２７.0.0.1/", "http://127.0\t.0.1/"):  # noqa: RUF001
        with pytest.raises(ValueError, match="ASCII"):
            reach.check(odd)


def test_without_loopback_only_addresses_of_the_loopback_itself_can_be_excepted() -> None:
    everywhere = replace(LOCAL_POLICY, look_up=lambda host, port: ["127.0.0.1"])
    urls = ["http://127.0.0.1:8080/simple", "http://localhost:3141/", "https://index.example:8443/simple"]

    policy = everywhere.without_loopback(urls)

    assert policy.addresses("127.0.0.1", 8080)
    assert policy.addresses("localhost", 3141)
    # A name that points to the loopback now may point to a metadata service later.
    for host, port in (("127.0.0.1", 8081), ("localhost", 80), ("index.example", 8443)):
        with pytest.raises(AddressRefused):
            policy.addresses(host, port)


def test_without_loopback_nothing_is_allowed_that_was_not_before() -> None:
    policy = EgressPolicy().without_loopback(["http://127.0.0.1:8080/"])

    with pytest.raises(AddressRefused):
        policy.addresses("127.0.0.1", 8080)
