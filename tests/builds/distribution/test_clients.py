"""Clients of a real server run what they pulled, push, read slowly, and hang up."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from docker.errors import ImageNotFound

from tests.builds.distribution import NAME
from tests.services.machine_image import machine_files
from tests.services.processes import Process, free_port, wait_until
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.preloaded import PreloadedProcess, run_preloaded
from tests.services.servers.service import TRUSTS_NOBODY
from tests.services.studio import PRIVATE, copy_stock

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Studio:
    """A running studio with images to pull."""

    port: int
    process: Process
    manifest: str
    layer: str
    size: int
    folder: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"


def serve(folder: Path, stock: Path, layer: bytes) -> Iterator[Studio]:
    """Start a studio whose images have this layer."""
    env = {name: value for name, value in os.environ.items() if name not in PRIVATE}
    env |= {"STUDIO_VAR": str(folder / "var"), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    copy_stock(stock, folder / "var")
    (folder / "layer.tar").write_bytes(layer)
    stocked = run_preloaded(["-m", "tests.builds.fill_registry", folder / "layer.tar"], env=env)
    assert stocked.returncode == 0, stocked.stderr
    port = free_port()
    argv = [sys.executable, "-m", "uvicorn", "studio.asgi:application", "--port", str(port)]
    process: Process = PreloadedProcess(argv, output=folder / "uvicorn.txt", env=env)
    try:
        process.wait_until(lambda: answers(port))
        result = json.loads(stocked.stdout)
        yield Studio(port, process, result["manifest"], result["layer"], result["size"], folder)
    finally:
        process.kill_family()


def answers(port: int) -> bool:
    try:
        return (
            httpx.get(f"http://127.0.0.1:{port}/v2/", trust_env=False, verify=TRUSTS_NOBODY).status_code
            == 401
        )
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, stock: Path) -> Iterator[Studio]:
    """A studio with a small image that runs."""
    yield from serve(tmp_path_factory.mktemp("studio"), stock, machine_files(["/bin/sh"]))


@pytest.fixture(scope="module")
def heavy_studio(tmp_path_factory: pytest.TempPathFactory, stock: Path) -> Iterator[Studio]:
    """A studio with an image of one layer of 64 MB: more than a pull may take of memory."""
    yield from serve(tmp_path_factory.mktemp("heavy"), stock, os.urandom(64 * MEGABYTE))


def forget(engine: DockerEngine, image: str) -> None:
    with suppress(ImageNotFound):
        engine.client.images.remove(image, force=True)


def test_the_engine_pulls_and_runs_what_everybody_may_pull(
    studio: Studio, docker_engine: DockerEngine
) -> None:
    image = f"{studio.address}/square/{NAME}"

    docker_engine.client.images.pull(image, tag="latest")

    assert docker_engine.client.containers.run(image, remove=True) == b"it runs\n"
    forget(docker_engine, image)


def test_a_push_from_the_engine_is_refused_with_a_reason(studio: Studio, docker_engine: DockerEngine) -> None:
    image, pushed = f"{studio.address}/square/{NAME}", f"{studio.address}/square/other"
    docker_engine.client.images.pull(image, tag="latest").tag(pushed)

    events = list(docker_engine.client.images.push(pushed, tag="latest", stream=True, decode=True))

    assert any("takes no pushes" in event.get("error", "") for event in events), events
    forget(docker_engine, image)
    forget(docker_engine, pushed)


def memory(studio: Studio) -> int:
    """Return the most bytes that the server has ever held."""
    status = Path(f"/proc/{studio.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def blobs_open(studio: Studio) -> int:
    folder = Path(f"/proc/{studio.process.pid}/fd")
    count = 0
    for entry in folder.iterdir():
        try:
            count += "blobs/sha256" in str(entry.readlink())
        except FileNotFoundError:
            continue  # closed while we looked
    return count


def begin_pull(studio: Studio) -> socket.socket:
    """Ask for the layer and read nothing of it but the first bytes."""
    client = socket.create_connection(("127.0.0.1", studio.port))
    request = f"GET /v2/square/{NAME}/blobs/{studio.layer} HTTP/1.1\r\nHost: {studio.address}\r\n\r\n"
    client.sendall(request.encode())
    assert client.recv(12) == b"HTTP/1.1 200"
    return client


def test_slow_pulls_hold_neither_memory_nor_pages_and_end_when_the_client_hangs_up(
    heavy_studio: Studio,
) -> None:
    before = memory(heavy_studio)

    clients = [begin_pull(heavy_studio) for _ in range(10)]

    assert blobs_open(heavy_studio) == 10
    manifest = f"{heavy_studio.url}/v2/square/{NAME}/manifests/latest"
    assert httpx.get(manifest, trust_env=False).status_code == 200
    assert memory(heavy_studio) - before < 100 * MEGABYTE
    for client in clients:
        client.close()
    wait_until(lambda: blobs_open(heavy_studio) == 0, 20, "the blobs are still open")


def test_a_large_blob_arrives_whole(heavy_studio: Studio, tmp_path: Path) -> None:
    before = memory(heavy_studio)
    url = f"{heavy_studio.url}/v2/square/{NAME}/blobs/{heavy_studio.layer}"

    with httpx.stream("GET", url, trust_env=False) as answer, (tmp_path / "blob").open("wb") as file:
        for chunk in answer.iter_raw():
            file.write(chunk)

    result = (tmp_path / "blob").read_bytes()
    stored = heavy_studio.folder / "var/store/blobs/sha256" / heavy_studio.layer.removeprefix("sha256:")
    assert result == stored.read_bytes()
    assert memory(heavy_studio) - before < 50 * MEGABYTE
