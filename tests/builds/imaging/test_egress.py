"""Definitions that name addresses inside the studio's network: a build asks none of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.bases.find import find_base
from builds.imaging.conda.environment import resolve_environment
from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.manifest import OCI_MANIFEST, Descriptor
from builds.imaging.pip.resolve import resolve
from builds.imaging.publish.push import push
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.network.policy import EgressPolicy
from tests.builds.imaging.conda.making import index as index_channel
from tests.builds.imaging.conda.making import make_package
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_wheel
from tests.builds.imaging.serving import Channel, Index, Server


@pytest.fixture
def inside() -> Iterator[Server]:
    """A server that only the studio's machine reaches."""
    with Server(lambda _: (200, {}, b"a secret of the house")).running() as server:
        yield server


@pytest.fixture
def outside(inside: Server) -> Iterator[Server]:
    """A server that counts as public here, and sends everybody on to where only the studio gets."""
    sending = Server(lambda request: (307, {"Location": f"{inside.url}{request.path}"}, b""), "127.0.0.2")
    with sending.running() as server:
        yield server


@pytest.fixture
def shared(workshop: Workshop) -> Workshop:
    """A workshop with limited egress: 127.0.0.2 represents all public addresses."""
    return replace(workshop, reach=EgressPolicy.read(["127.0.0.2"]), file_channels=False)


def refused(error: pytest.ExceptionInfo[ImageError]) -> bool:
    assert "STUDIO_ALLOW_ADDRESSES" in error.value.help
    return (error.value.code, error.value.fault) == ("address-refused", "author")


@pytest.mark.parametrize(
    "lines",
    [
        ["--index-url {url}/simple", "shop"],
        ["--extra-index-url {url}/simple", "shop"],
        ["--find-links {url}/files", "shop"],
        ["shop @ {url}/shop-1.0-py3-none-any.whl"],
    ],
)
def test_the_solver_is_sent_to_no_index_inside(shared: Workshop, inside: Server, lines: list[str]) -> None:
    written = [line.format(url=inside.url) for line in lines]

    with pytest.raises(ImageError) as error:
        resolve(empty_base(), written, shared, Recorder())

    assert refused(error)
    assert inside.requests == []


@pytest.mark.parametrize("spec", ["shop", "{url}/team::shop"])
def test_the_solver_is_sent_to_no_channel_inside(shared: Workshop, inside: Server, spec: str) -> None:
    channels = [f"{inside.url}/team"] if spec == "shop" else ["http://127.0.0.2:9/team"]

    with pytest.raises(ImageError) as error:
        resolve_environment(empty_base(), channels, [spec.format(url=inside.url)], [], shared, Recorder())

    assert refused(error)
    assert inside.requests == []


def test_no_base_comes_from_a_registry_inside(shared: Workshop, inside: Server, outside: Server) -> None:
    for address in (inside.address, outside.address):
        with pytest.raises(ImageError) as error:
            find_base(f"{address}/team/base:1", shared, Recorder())
        assert refused(error)

    assert inside.requests == []
    assert outside.requests


def test_a_registry_cannot_redirect_token_requests_to_the_inside(shared: Workshop, inside: Server) -> None:
    asking = Server(
        lambda _: (401, {"WWW-Authenticate": f'Bearer realm="{inside.url}/token",service="x"'}, b""),
        "127.0.0.2",
    )
    with asking.running(), pytest.raises(ImageError) as error:
        find_base(f"http://{asking.address}/team/base:1".removeprefix("http://"), shared, Recorder())

    assert refused(error)
    assert inside.requests == []


def test_no_image_is_pushed_to_a_registry_inside(shared: Workshop, inside: Server) -> None:
    manifest = b'{"config": {"mediaType": "x", "digest": "sha256:%s", "size": 1}, "layers": []}' % (b"0" * 64)
    shared.store.put(manifest, OCI_MANIFEST)
    digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
    image = Descriptor(media_type=OCI_MANIFEST, digest=digest, size=len(manifest))

    with pytest.raises(ImageError) as error:
        push(image, f"{inside.address}/team/image:1", shared, Recorder())

    assert refused(error)
    assert inside.requests == []


@pytest.mark.parametrize("way", ["straight", "redirected"])
@pytest.mark.parametrize("kind", ["wheel", "conda"])
def test_a_file_is_fetched_from_nowhere_inside(
    shared: Workshop, inside: Server, outside: Server, kind: str, way: str
) -> None:
    """An index outside may say that its files are anywhere."""
    server = inside if way == "straight" else outside

    with pytest.raises(ImageError) as error:
        fetch(lock_of(kind, f"{server.url}/files/shop-1.0-py3-none-any.whl"), shared, Recorder())

    assert refused(error)
    assert inside.requests == []


@pytest.mark.parametrize("kind", ["wheel", "conda"])
def test_an_index_or_channel_cannot_name_a_file_of_the_machine(
    shared: Workshop, tmp_path: Path, kind: str
) -> None:
    """Not even one whose bytes it knows, nor one beside a folder that the settings name."""
    wheel = make_wheel(tmp_path, "shop")
    mirrored = replace(shared, channel_mirrors={"conda-forge": (tmp_path / "channel").as_uri()})

    for url in (wheel.as_uri(), f"{(tmp_path / 'channel').as_uri()}/../{wheel.name}"):
        with pytest.raises(ImageError) as error:
            fetch(lock_of(kind, url, wheel.read_bytes()), mirrored, Recorder())
        assert error.value.code == "address-refused"


def test_addresses_in_the_settings_are_reached_even_inside(shared: Workshop, tmp_path: Path) -> None:
    make_wheel(tmp_path / "index", "shop")
    make_package(tmp_path / "team", "native", files={"share/native": "x\n"})
    index_channel(tmp_path / "team")
    index, channel = Index(tmp_path / "index"), Channel(tmp_path / "team")
    with index.server.running(), channel.server.running():
        named = EgressPolicy.read([], [index.url, channel.url])
        known = replace(
            shared, reach=named, index_url=index.url, channel_mirrors={"conda-forge": channel.url}
        )
        wheels = fetch(resolve(empty_base(), ["shop"], known, Recorder()), known, Recorder())
        native = resolve_environment(empty_base(), ["conda-forge"], ["native"], [], known, Recorder())
        packages = fetch(native, known, Recorder())

    assert [file.name for file in (*wheels.wheels, *packages.conda)] == ["shop", "native"]


def lock_of(kind: str, url: str, content: bytes = b"") -> Lock:
    package = LockedPackage(
        ecosystem="conda" if kind == "conda" else "pypi",
        kind="conda" if kind == "conda" else "wheel",
        name="shop",
        version="1.0",
        url=url,
        sha256=hashlib.sha256(content).hexdigest(),
        filename="shop-1.0-py3-none-any.whl",
    )
    return Lock(packages=(package,))
