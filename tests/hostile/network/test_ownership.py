"""Knowing a digest gives no access: what another workspace received is requested again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from builds.imaging.bases.find import find_base
from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.manifest import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.network.credentials import Login, Logins
from tests.builds.imaging.conda.making import index as index_channel
from tests.builds.imaging.conda.making import make_package
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_wheel
from tests.builds.imaging.serving import Channel, Index, TokenRegistry
from tests.hostile.network.registries import Image, Registry, head

LOGIN = "robot:secret"
USER, PASSWORD = LOGIN.split(":")


def of(workspace: str, workshop: Workshop, *logins: Login) -> Workshop:
    """Return the workshop of a workspace, which has these credentials."""
    return replace(workshop, logins=Logins(logins, workspace))


# Files of packages


@pytest.fixture
def private_wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "index", "privlib", files={"privlib.py": "SECRET = 1\n"})


@pytest.fixture
def index(private_wheel: Path) -> Iterator[Index]:
    served = Index(private_wheel.parent, LOGIN)
    with served.server.running():
        yield served


def lock_of(file: Path, url: str, kind: str = "wheel") -> Lock:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    name, version = file.name.split("-")[:2]
    package = LockedPackage(
        ecosystem="conda" if kind == "conda" else "pypi",
        kind=kind,
        name=name,
        version=version,
        filename=file.name,
        url=f"{url}/{file.name}",
        sha256=sha256,
        size=file.stat().st_size,
    )
    return Lock(base_digest=empty_base().digest, python="3.11.2", packages=(package,))


def test_a_wheel_of_a_private_index_is_not_given_to_a_workspace_whose_index_only_names_its_digest(
    workshop: Workshop, index: Index, private_wheel: Path, tmp_path: Path
) -> None:
    login = Login("index", index.server.url, USER, PASSWORD)
    fetch(lock_of(private_wheel, f"{index.server.url}/files"), of("lab", workshop, login), Recorder())
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / private_wheel.name).write_bytes(b"something else")
    hostile = Index(tmp_path / "empty")

    with hostile.server.running(), pytest.raises(ImageError) as error:
        fetch(lock_of(private_wheel, f"{hostile.server.url}/files"), of("spy", workshop), Recorder())

    assert error.value.code == "digest-mismatch"


def test_a_private_wheel_is_fetched_once_for_each_workspace_with_its_own_credentials(
    workshop: Workshop, index: Index, private_wheel: Path
) -> None:
    lock = lock_of(private_wheel, f"{index.server.url}/files")
    login = Login("index", index.server.url, USER, PASSWORD)
    received = [
        fetch(lock, of(workspace, workshop, login), Recorder()).received > 0
        for workspace in ("lab", "lab", "office", "office", "lab")
    ]
    assert received == [True, False, True, False, False]
    with pytest.raises(ImageError) as error:
        fetch(lock, of("spy", workshop), Recorder())
    assert error.value.code == "index-refused"


def test_a_public_wheel_is_fetched_once_for_all_workspaces(workshop: Workshop, private_wheel: Path) -> None:
    public = Index(private_wheel.parent)
    elsewhere = Login("index", "https://elsewhere.example/simple", USER, PASSWORD)
    with public.server.running():
        lock = lock_of(private_wheel, f"{public.server.url}/files")
        received = [
            fetch(lock, of("lab", workshop, elsewhere), Recorder()).received > 0,
            fetch(lock, of("office", workshop), Recorder()).received > 0,
            fetch(lock, workshop, Recorder()).received > 0,
        ]
    assert received == [True, False, False]


def test_a_file_behind_a_redirect_to_a_private_address_is_private(
    workshop: Workshop, index: Index, private_wheel: Path
) -> None:
    """The first address is anyone's, and credentials are sent to the second."""
    public = Registry(
        lambda to: head(
            to, 302, Location=f"{index.server.url}/files/{private_wheel.name}", Content_Length="0"
        )
    )
    login = Login("index", index.server.url, USER, PASSWORD)
    with public.running():
        lock = lock_of(private_wheel, f"http://{public.address}")
        fetch(lock, of("lab", workshop, login), Recorder())
        with pytest.raises(ImageError) as error:
            fetch(lock, of("spy", workshop), Recorder())
    assert error.value.code == "index-refused"


def test_a_package_of_a_private_channel_is_not_given_to_a_workspace_that_knows_its_digest(
    workshop: Workshop, tmp_path: Path
) -> None:
    file = make_package(tmp_path / "team", "privnative", files={"share/privnative": "private\n"})
    index_channel(tmp_path / "team")
    channel = Channel(tmp_path / "team", LOGIN)
    with channel.server.running():
        url = f"{channel.url}/{file.parent.name}"
        lock = lock_of(file, url, "conda")
        login = Login("channel", channel.url, USER, PASSWORD)
        fetch(lock, of("lab", workshop, login), Recorder())
        with pytest.raises(ImageError) as error:
            fetch(lock, of("spy", workshop), Recorder())
    assert error.value.code == "channel-refused"


# Blobs of images


def private_image() -> dict[str, tuple[str, bytes]]:
    """Return the documents and blobs of a private image."""
    image = Image()
    manifest = json.dumps(image.written()).encode()
    config, layer = (digest for digest in image.blobs)
    return {
        "1": (OCI_MANIFEST, manifest),
        config: (OCI_CONFIG, image.blobs[config]),
        layer: (OCI_LAYER_GZIP, image.blobs[layer]),
    }


@pytest.fixture
def registry() -> Iterator[TokenRegistry]:
    served = TokenRegistry(private_image(), USER, PASSWORD)
    with served.server.running():
        yield served


def test_a_layer_of_a_private_image_is_not_given_to_a_workspace_whose_image_only_names_its_digest(
    workshop: Workshop, registry: TokenRegistry
) -> None:
    login = Login("registry", registry.server.url, USER, PASSWORD)
    find_base(f"{registry.server.address}/team/base:1", of("lab", workshop, login), Recorder())
    layer = next(name for name, (kind, _) in registry.blobs.items() if kind == OCI_LAYER_GZIP)

    def answer(to: BaseHTTPRequestHandler) -> None:
        """Name the other image's blobs, and have none of them."""
        if to.path.rpartition("/")[2] == layer:
            head(to, 404, Content_Length="0")
        else:
            Image().answer(to)

    with Registry(answer).running() as hostile, pytest.raises(ImageError) as error:
        find_base(f"{hostile.address}/mine/base:1", of("spy", workshop), Recorder())

    assert error.value.code == "base-not-found"


def test_a_private_image_is_fetched_once_for_each_workspace(
    workshop: Workshop, registry: TokenRegistry
) -> None:
    login = Login("registry", registry.server.url, USER, PASSWORD)
    cached = [
        find_base(f"{registry.server.address}/team/base:1", of(workspace, workshop, login), Recorder()).cached
        for workspace in ("lab", "lab", "office", "office")
    ]
    assert cached == [False, True, False, True]


def test_a_public_image_is_fetched_once_for_all_workspaces(workshop: Workshop) -> None:
    with Registry(Image().answer).running() as public:
        cached = [
            find_base(f"{public.address}/team/base:1", of(workspace, workshop), Recorder()).cached
            for workspace in ("lab", "office", "lab")
        ]
    assert cached == [False, True, True]


def test_a_layer_that_the_studio_packed_is_no_base_for_those_who_know_its_digest(workshop: Workshop) -> None:
    """Layers with the packages of a private index lie in the same store."""
    layer = Image().layer
    with workshop.store.writer() as blob:
        blob.write(layer)
        blob.commit()

    def answer(to: BaseHTTPRequestHandler) -> None:
        if "/blobs/" in to.path and to.path.endswith(hashlib.sha256(layer).hexdigest()):
            head(to, 404, Content_Length="0")
        else:
            Image().answer(to)

    with Registry(answer).running() as hostile, pytest.raises(ImageError) as error:
        find_base(f"{hostile.address}/mine/base:1", of("spy", workshop), Recorder())
    assert error.value.code == "base-not-found"
