"""Definitions and indexes that spell this machine's address in every way: a build connects to it in none."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Literal

import pytest
import zstandard

from builds.imaging.conda.environment import resolve_environment
from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.network.credentials import Login, Logins
from environments.network.policy import AddressRefused, EgressPolicy
from environments.network.urls import UnreadableUrl, parse_url
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base
from tests.builds.imaging.serving import Answer, Server

SPELLINGS = (
    "http://127.0.0.1:{port}",
    "HTTP://127.0.0.1:{port}",
    "http://localhost:{port}",
    "http://localhost.:{port}",
    "http://127.0.0.1.:{port}",
    "http://127.1:{port}",
    "http://2130706433:{port}",
    "http://0x7f.1:{port}",
    "http://0177.0.0.01:{port}",
    "http://0:{port}",
    "http://[::ffff:127.0.0.1]:{port}",
    "http://[0:0:0:0:0:ffff:7f00:1]:{port}",
    "http://%31%32%37.0.0.1:{port}",
    "http://%6cocalhost:{port}",
    "http://127%2e0.0.1:{port}",
    "http://local\u00adhost:{port}",  # soft hyphen
    "http://local%C2%ADhost:{port}",
    "http://\uff11\uff12\uff17.0.0.1:{port}",  # full-width digits
    "http://\u2460\u2461\u2466.0.0.1:{port}",  # circled digits
    "http://127\u30020\u30020\u30021:{port}",  # ideographic full stops
    "http:///127.0.0.1:{port}",
    "http:////127.0.0.1:{port}",
    "http://\\127.0.0.1:{port}",
    "http:\\\\127.0.0.1:{port}",
    "http:127.0.0.1:{port}",
    "http:/127.0.0.1:{port}",
    "http://127.0\t.0.1:{port}",
    "http://127.0\n.0.1:{port}",
    "ht\ttp://127.0.0.1:{port}",
    "http://8.8.8.8\\@127.0.0.1:{port}",
    "http://8.8.8.8:80@127.0.0.1:{port}",
    "http://8.8.8.8%2f@127.0.0.1:{port}",
    "http://127.0.0.1:{port}\\@8.8.8.8",
    "http://127.0.0.1:{port}#@8.8.8.8",
)
POSITIONS: dict[str, Callable[[str, Workshop], object]] = {
    "index": lambda url, shop: resolve(empty_base(), [f"--index-url {url}/simple", "shop"], shop, Recorder()),
    "extra index": lambda url, shop: resolve(
        empty_base(), [f"--extra-index-url={url}/simple", "shop"], shop, Recorder()
    ),
    "links": lambda url, shop: resolve(empty_base(), [f"--find-links {url}/x", "shop"], shop, Recorder()),
    "file": lambda url, shop: resolve(
        empty_base(), [f"shop @ {url}/shop-1.0-py3-none-any.whl"], shop, Recorder()
    ),
    "channel": lambda url, shop: resolve_environment(
        empty_base(), [f"{url}/team"], ["shop"], [], shop, Recorder()
    ),
    "spec": lambda url, shop: resolve_environment(
        empty_base(), ["http://127.0.0.2:9/team"], [f"{url}/team::shop"], [], shop, Recorder()
    ),
}


class Listener:
    """A listener that only the studio's machine reaches; it counts the connections, and closes them."""

    def __init__(self) -> None:
        self.reached = 0
        self._socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._accept)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.reached += 1
                connection.close()

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def inside() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


@pytest.fixture
def shared(tmp_path: Path) -> Workshop:
    """A workshop of a shared studio: 127.0.0.2 represents all public addresses."""
    store = BlobStore(tmp_path / "store")
    reach = EgressPolicy.read(["127.0.0.2"])
    index = "http://127.0.0.2:9/simple"
    return Workshop(store=store, cache=tmp_path / "cache", reach=reach, index_url=index, file_channels=False)


@pytest.mark.parametrize("position", POSITIONS)
def test_no_spelling_of_this_machine_is_connected_to(
    shared: Workshop, inside: Listener, position: str
) -> None:
    outcomes = {}
    for spelling in SPELLINGS:
        url = spelling.format(port=inside.port)
        with pytest.raises(ImageError) as error:
            POSITIONS[position](url, shared)
        outcomes[spelling] = (error.value.code, error.value.fault)

    assert inside.reached == 0
    expected = {("address-refused", "author"), ("bad-spec", "author")}
    assert {spelling: end for spelling, end in outcomes.items() if end not in expected} == {}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_policy_judges_the_host_that_the_solvers_connect_to(spelling: str) -> None:
    for check in (EgressPolicy().check, EgressPolicy().check_literal):
        with pytest.raises((AddressRefused, UnreadableUrl)):
            check(spelling.format(port=80))


@pytest.mark.parametrize(
    "text",
    [
        "http://1.2.3.4.5/",
        "http://256.256.256.256/",
        "http://a.example:99999/",
        "http://a b/",
        "http://a%00b/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://",
        "//a.example/",
        "ftp://a.example/",
        "file:///etc/passwd",
        f"http://a.example/{'x' * 9000}",
    ],
)
def test_what_cannot_be_judged_is_refused(text: str) -> None:
    with pytest.raises(UnreadableUrl):
        parse_url(text)


def test_a_name_that_the_resolver_does_not_know_does_not_pass(shared: Workshop) -> None:
    for name in ("nobody.invalid", f"{'a' * 64}.example", "a..example"):
        with pytest.raises(ImageError) as error:
            resolve(empty_base(), [f"--index-url http://{name}/simple", "shop"], shared, Recorder())
        assert (error.value.code, error.value.fault) == ("index-unreachable", "outside")
        assert f"{name} (host name not found)" in error.value.message
        with pytest.raises(ImageError) as error:
            resolve_environment(empty_base(), [f"https://{name}/team"], ["shop"], [], shared, Recorder())
        assert error.value.code == "channel-unreachable"


def test_urls_that_all_programs_read_alike_are_read_as_they_are_written() -> None:
    url = parse_url("https://Ann:s3cret@Index.Example:8443/simple/?x=1#y")

    assert (url.scheme, url.host, url.port, url.login) == ("https", "index.example", 8443, True)
    assert (url.target, url.authority) == ("/simple/?x=1#y", "index.example:8443")
    assert parse_url("http://[2001:DB8::1]/x").authority == "[2001:db8::1]"
    assert parse_url("https://a_b.example.").host == "a_b.example."


def test_credentials_are_for_the_host_that_a_url_leads_to() -> None:
    logins = Logins([Login("index", "http://10.0.0.5/simple", "ann", "s3cret")])

    assert logins.find("index", "http://10.5/simple/shop/")
    for url in (
        "http://10%2e0.0.5/simple",
        "http:///10.0.0.5/simple",
        "http://10.0.0.5\\@evil.example/simple",
    ):
        assert logins.find("index", url) is None


# Indexes and channels that lead elsewhere


def leading(inside: Listener, page: str, headers: dict[str, str] | None = None, status: int = 200) -> Server:
    """Return an index outside, all of whose answers are this page; {url} is the address inside."""
    url = f"http://127.0.0.1:{inside.port}"

    def answer(_: BaseHTTPRequestHandler) -> Answer:
        filled = {name: value.format(url=url) for name, value in (headers or {}).items()}
        return status, filled, page.replace("{url}", url).encode()

    return Server(answer, "127.0.0.2")


def refused_by_the_policy(error: ImageError) -> bool:
    assert (
        "The studio does not connect to 127.0.0.1: 127.0.0.1 is of the studio's own machine" in error.message
    )
    assert "STUDIO_ALLOW_ADDRESSES" in error.help
    return (error.code, error.fault) == ("address-refused", "author")


LINK = '<a href="{url}/shop-1.0-py3-none-any.whl#sha256=%s"%s>shop-1.0-py3-none-any.whl</a>'


@pytest.mark.parametrize("attribute", ["", ' data-core-metadata="true"', ' data-dist-info-metadata="true"'])
@pytest.mark.parametrize(
    "lines",
    [["--index-url {url}/simple", "shop"], ["--find-links {url}/links", "--no-index", "shop"]],
)
def test_files_and_metadata_elsewhere_are_judged_before_they_are_requested(
    shared: Workshop, inside: Listener, lines: list[str], attribute: str
) -> None:
    page = f"<html><body>{LINK % ('0' * 64, attribute)}</body></html>"
    with leading(inside, page, {"Content-Type": "text/html"}).running() as outside:
        lines = [line.format(url=outside.url) for line in lines]
        with pytest.raises(ImageError) as error:
            resolve(empty_base(), lines, shared, Recorder())

    assert refused_by_the_policy(error.value)
    assert outside.requests
    assert inside.reached == 0


@pytest.mark.parametrize(
    "lines",
    [
        ["--index-url {url}/simple", "shop"],
        ["--find-links {url}/links", "--no-index", "shop"],
        ["shop @ {url}/shop-1.0-py3-none-any.whl"],
    ],
)
def test_the_pip_solver_is_redirected_to_no_address_inside(
    shared: Workshop, inside: Listener, lines: list[str]
) -> None:
    with (
        leading(inside, "", {"Location": "{url}/x"}, 307).running() as outside,
        pytest.raises(ImageError) as error,
    ):
        resolve(empty_base(), [line.format(url=outside.url) for line in lines], shared, Recorder())

    assert refused_by_the_policy(error.value)
    assert outside.requests
    assert inside.reached == 0


def test_an_index_that_is_refused_does_not_make_the_next_index_the_source(
    shared: Workshop, inside: Listener
) -> None:
    """To uv, a refusal is an index without the package."""
    with (
        leading(inside, "", {"Location": "{url}/x"}, 307).running() as private,
        leading(inside, "<html></html>", {"Content-Type": "text/html"}).running() as public,
    ):
        lines = [f"--extra-index-url {private.url}/simple", f"--index-url {public.url}/simple", "shop"]
        with pytest.raises(ImageError) as error:
            resolve(empty_base(), lines, shared, Recorder())

    assert refused_by_the_policy(error.value)


def test_the_conda_solver_is_redirected_to_no_address_inside(shared: Workshop, inside: Listener) -> None:
    with (
        leading(inside, "", {"Location": "{url}/x"}, 302).running() as outside,
        pytest.raises(ImageError) as error,
    ):
        resolve_environment(empty_base(), [f"{outside.url}/team"], ["shop"], [], shared, Recorder())

    assert refused_by_the_policy(error.value)
    assert outside.requests
    assert inside.reached == 0


def test_shards_of_a_channel_elsewhere_are_judged_before_they_are_requested(
    shared: Workshop, inside: Listener
) -> None:
    """A channel may say that its shards are at another address."""
    url = f"http://127.0.0.1:{inside.port}"
    info = {"subdir": "linux-64", "base_url": f"{url}/", "shards_base_url": f"{url}/shards/"}
    shards = zstandard.compress(packed({"info": info, "shards": {"shop": b"\0" * 32}}))

    def answer(request: BaseHTTPRequestHandler) -> Answer:
        if request.path.endswith("repodata_shards.msgpack.zst"):
            return 200, {}, shards
        return 200, {}, json.dumps({"packages": {}}).encode()

    with Server(answer, "127.0.0.2").running() as outside, pytest.raises(ImageError) as error:
        resolve_environment(empty_base(), [f"{outside.url}/team"], ["shop"], [], shared, Recorder())

    assert refused_by_the_policy(error.value)
    assert inside.reached == 0


@pytest.mark.parametrize("kind", ["wheel", "conda"])
def test_a_file_at_no_readable_address_is_refused(shared: Workshop, kind: Literal["wheel", "conda"]) -> None:
    for url in ("http://127.0.0.2:99999/x", "http://[::1/x", "http:///127.0.0.1/x", "ftp://127.0.0.1/x", "x"):
        package = LockedPackage(
            ecosystem="pypi" if kind == "wheel" else "conda",
            kind=kind,
            name="shop",
            version="1.0",
            url=url,
            sha256="0" * 64,
            filename="shop-1.0-py3-none-any.whl",
        )
        with pytest.raises(ImageError) as error:
            fetch(Lock(packages=(package,)), shared, Recorder())
        assert (error.value.code, error.value.fault) == ("address-refused", "author")


def packed(value: dict[str, Any] | str | bytes) -> bytes:
    """Return a value in MessagePack."""
    if isinstance(value, dict):
        items = b"".join(packed(key) + packed(item) for key, item in value.items())
        return bytes([0x80 | len(value)]) + items
    if isinstance(value, str):
        return bytes([0xD9, len(value)]) + value.encode()
    return bytes([0xC4, len(value)]) + value
