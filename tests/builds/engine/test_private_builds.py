"""Builds that need every kind of connection, for real; and that their passwords are in nothing that was written.

Private sources: registry, index (for the solver, for fetching and for building from source) and channel.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import zstandard

from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.download.fetch import Fetched
from builds.imaging.lock import Lock
from builds.imaging.publish.push import push
from builds.imaging.reporting import Quiet
from environments.network.credentials import Login, Logins
from tests.builds.imaging.conda.making import index as index_channel
from tests.builds.imaging.conda.making import make_package
from tests.builds.imaging.making import make_sdist, make_wheel
from tests.builds.imaging.serving import Channel, Index
from tests.services.fixtures import HostWorkshop
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.registry import Registry
from tests.studio.management.commands import Desk, Done

INDEX_PASSWORD = 'p@ss/word "index" s3cret+x=='
CHANNEL_PASSWORD = "ch@nnel/s3cret+token=="
BUILDER = "def build():\n    return 'built by a private package'\n"
# All output of tools is masked, and nothing of the file is there after the build.
SPYING = """
import privbuilder
print(privbuilder.build())
print('the file says', open('/studio-build/home/.netrc').read())
"""
CONNECT = """
import json, os
from django.contrib.auth.models import User
from environments.connections.service import add_connection
from environments.models import Workspace
for connection in json.loads(os.environ["CONNECTIONS"]):
    add_connection(Workspace.objects.get(name="default"), *connection, User.objects.get(username="admin"))
"""
DUMP = """
import zlib
from django.apps import apps
from builds.images.exports import formats_for, lock_as
from builds.imaging.lock import Lock
from builds.models import Image
for model in apps.get_models():
    for row in model.objects.values_list():
        for value in row:
            data = bytes(value) if isinstance(value, (bytes, memoryview)) else None
            print(zlib.decompress(data).decode() if data else value)
for lock in Image.objects.exclude(lock=None).values_list("lock", flat=True):
    # SPDX has no way to write an address with a number for its host.
    for format in set(formats_for(Lock.model_validate(lock))) - {"spdx"}:
        print(lock_as(Lock.model_validate(lock), format, "exported"))
"""


@dataclass(frozen=True)
class Private:
    """An index, a channel and a registry that want a password."""

    base: str
    index: Index
    channel: Channel
    registry: Registry

    @property
    def connections(self) -> list[list[str]]:
        """All of them, as the form takes them."""
        return [
            ["registry", self.registry.address, self.registry.user, self.registry.password],
            ["index", self.index.url, "robot", INDEX_PASSWORD],
            ["channel", self.channel.url, "conda", CHANNEL_PASSWORD],
        ]


@pytest.fixture(scope="module")
def private(
    tmp_path_factory: pytest.TempPathFactory,
    private_registry: Registry,
    docker_engine: DockerEngine,
    host_workshop: HostWorkshop,
) -> Iterator[Private]:
    """A registry, an index and a channel with something in them."""
    folder = tmp_path_factory.mktemp("private")
    login = Login("registry", private_registry.url, private_registry.user, private_registry.password)
    shop = replace(host_workshop(folder), logins=Logins([login]))
    host = find_base("host", shop, Quiet())
    image = assemble(
        host, Lock(base_digest=host.digest), Fetched((), 0), ImageSettings(environment=False), shop, Quiet()
    )
    base = f"{private_registry.address}/private/base:1"
    push(image.descriptor, base, shop, Quiet())

    make_wheel(folder / "index", "privlib", files={"privlib.py": "x = 1\n"})
    make_wheel(folder / "index", "privbuilder", files={"privbuilder.py": BUILDER})
    make_sdist(folder / "index", "privsource", code=SPYING, requires=["privbuilder"])
    make_package(folder / "team", "privnative", files={"share/privnative": "private\n"})
    index_channel(folder / "team")
    # The engine's containers reach this address too: plain HTTP beyond this machine, as its connection says.
    index = Index(folder / "index", f"robot:{INDEX_PASSWORD}", str(docker_engine.network[1]))
    channel = Channel(folder / "team", f"conda:{CHANNEL_PASSWORD}")
    with ExitStack() as stack:
        stack.enter_context(index.server.running())
        stack.enter_context(channel.server.running())
        yield Private(base, index, channel, private_registry)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, stock: Path, docker_engine: DockerEngine) -> Desk:
    folder: Path = tmp_path_factory.mktemp("desk")
    return Desk.stocked(stock, folder, {"DOCKER_HOST": docker_engine.host, "STUDIO_LOG_LEVEL": "DEBUG"})


def from_pip(private: Private) -> str:
    requirements = [f"--extra-index-url {private.index.url}", "privlib", "privsource"]
    python = ".".join(map(str, sys.version_info[:2]))
    conda = {"dependencies": [f"python={python}", {"pip": requirements}]}
    return json.dumps({"name": "pip", "version": "1", "image": private.base, "conda_file": conda})


def from_conda(private: Private) -> str:
    conda = {"channels": [private.channel.url], "dependencies": ["privnative"]}
    return json.dumps({"name": "conda", "version": "1", "image": private.base, "conda_file": conda})


def test_without_and_with_connections_and_no_trace_of_them(
    private: Private, desk: Desk, docker_engine: DockerEngine
) -> None:
    given = {path: path.stat().st_mtime_ns for path in desk.folder.rglob("*") if path.is_file()}
    commands: list[Done] = [desk.manage("prepare")]

    def build(text: str, name: str) -> Done:
        commands.append(desk.build(text, name=name))
        return commands[-1]

    # Without a password access is denied, and the error names the setting for it.
    alone = desk.build(from_pip(private), name="pip.yaml")
    error = alone.result["error"]
    assert (alone.code, error["code"], error["fault"]) == (1, "registry-refused", "author")
    assert private.registry.address in error["message"]
    assert "Settings → Connections" in error["help"]

    # With them all three kinds are used: for a base, for packages and what builds them, for a channel.
    connections = json.dumps(private.connections)
    connected = desk.manage("shell", "-c", CONNECT, CONNECTIONS=connections)
    assert connected.code == 0, connected.stderr
    for text, name in [
        (from_pip(private), "pip.yaml"),
        (from_conda(private), "conda.yaml"),
        (f"FROM {private.base}\nENV MADE=1\n", "Dockerfile"),
    ]:
        done = build(text, name)
        assert done.code == 0, done.stdout + done.stderr
    log = commands[1].stderr
    assert "built by a private package" in log
    assert "machine" in log  # what it printed of the file is there, without the password
    assert "***" in log

    # Nothing that was written holds one of them.
    dumped = desk.manage("shell", "-c", DUMP)
    assert dumped.code == 0, dumped.stderr
    assert "privsource" in dumped.stdout
    secrets = {
        "registry": (private.registry.user, private.registry.password),
        "index": ("robot", INDEX_PASSWORD),
        "channel": ("conda", CHANNEL_PASSWORD),
    }
    forms = [form for user, password in secrets.values() for form in writings(user, password)]
    for command in (*commands, connected, dumped):
        printed = (command.stdout + command.stderr).encode()
        assert [form for form in forms if form in printed] == []
    files = [desk.folder, *(docker_engine.folder / "data" / name for name in ("containers", "image"))]
    looked_at = 0
    for path in (path for folder in files for path in folder.rglob("*") if path.is_file()):
        if path.stat().st_mtime_ns == given.get(path):
            continue
        for content in contents(path.read_bytes()):
            assert [form for form in forms if form in content] == [], path
            looked_at += 1
    assert looked_at > 100
    assert not docker_engine.containers()


def writings(user: str, password: str) -> list[bytes]:
    """Return the forms in which a password could have been left somewhere."""
    result = {
        password,
        quote(password, safe=""),
        quote(password),
        quote_plus(password),
        json.dumps(password)[1:-1],
    }
    for text in (f"{user}:{password}", password):
        result.add(base64.b64encode(text.encode()).decode().rstrip("="))
        result.add(base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))
    return [form.encode() for form in result]


def contents(data: bytes) -> Iterator[bytes]:
    """Yield a file's bytes, and what is packed in it."""
    yield data
    if data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif data.startswith(b"\x28\xb5\x2f\xfd"):
        yield zstandard.ZstdDecompressor().stream_reader(data).read()
    elif data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from contents(archive.read(name))
