"""Pythons that uv installs to compile with, from a mirror of the test's own."""

from __future__ import annotations

import hashlib
import json
import platform
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases import host
from builds.imaging.bytecode import managed, providers
from builds.imaging.bytecode.compilers import Compilers
from builds.imaging.bytecode.interpreters import running
from builds.imaging.bytecode.managed import failed_before, managed_interpreter
from builds.imaging.bytecode.providers import find_interpreter
from builds.imaging.reporting import Cancelled
from builds.imaging.workshop import ManagedPythons, Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, locked, make_wheel, unpacked
from tests.builds.imaging.serving import Answer, Server

MINOR = running().minor
ARCHIVE = "cpython.tar.gz"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return this Python as python-build-standalone has it."""
    path = tmp_path_factory.mktemp("mirror") / ARCHIVE
    library = f"python/lib/{host._NAME}"
    with tarfile.open(path, "w:gz", compresslevel=1, dereference=True) as file:
        file.add(host._interpreter(), f"python/bin/{host._NAME}")
        for module in host._modules():
            file.add(module, f"{library}/{module.relative_to(host._stdlib())}")
        for extension in host._extensions().glob("*.so"):
            file.add(extension, f"{library}/lib-dynload/{extension.name}")
    return path


class Mirror:
    """A list of downloads and the archive that it names, which is sent once `held` is set."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive.read_bytes()
        self.sha256 = hashlib.sha256(self.archive).hexdigest()
        self.requested = threading.Event()
        self.held = threading.Event()
        self.held.set()
        self.server = Server(self._answer)

    def count(self, name: str) -> int:
        return sum(path.endswith(name) for path, _ in self.server.requests)

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        if request.path == "/list.json":
            return 200, {}, json.dumps(self._list()).encode()
        if not request.path.endswith(ARCHIVE):
            return 404, {}, b""
        self.requested.set()
        self.held.wait(60)
        return 200, {}, self.archive

    def _list(self) -> dict[str, object]:
        major, minor, patch = running().version.split(".")
        machine = platform.machine()
        return {
            f"cpython-{running().version}-linux-{machine}-gnu": {
                "name": "cpython",
                "arch": {"family": machine, "variant": None},
                "os": "linux",
                "libc": "gnu",
                "major": int(major),
                "minor": int(minor),
                "patch": int(patch),
                "prerelease": "",
                "url": f"{self.server.url}/{ARCHIVE}",
                "sha256": self.sha256,
                "variant": None,
                "build": "20260101",
            }
        }


@pytest.fixture
def mirror(archive: Path) -> Iterator[Mirror]:
    served = Mirror(archive)
    with served.server.running():
        yield served
        served.held.set()


@pytest.fixture
def shop(workshop: Workshop, mirror: Mirror, tmp_path: Path) -> Workshop:
    pythons = ManagedPythons(tmp_path / "pythons", downloads_json_url=f"{mirror.server.url}/list.json")
    return replace(workshop, managed_pythons=pythons)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "machine_interpreter", lambda *_: None)


def test_uv_installs_what_the_machine_lacks_once_and_it_compiles_the_same(
    tmp_path: Path, shop: Workshop, mirror: Mirror, reporter: Recorder, bare_machine: None
) -> None:
    chosen = find_interpreter(MINOR, shop, reporter)
    again = find_interpreter(MINOR, replace(shop, interpreters={}), reporter)

    assert chosen is not None
    assert chosen == again
    assert (chosen.provider, chosen.version) == ("uv", running().version)
    assert chosen.identity == running().identity
    assert mirror.count(ARCHIVE) == 1
    assert f"Bytecode: CPython {running().version} installed by uv" in reporter.lines
    # It is in a folder of its own, which the processes that pack have to read.
    lock, fetched = locked(make_wheel(tmp_path))
    image = assemble(empty_base(), lock, fetched, ImageSettings(), shop, reporter)
    paths = [path for layer in image.layers for path in unpacked(shop.store, layer.digest, tmp_path / "root")]
    assert [path for path in paths if path.endswith(".pyc")]
    batch = [("a.py", b"def f(a):\n    return a in {'x', 'y', 'z'}\n"), ("b.py", b"b = 1, 'b', b'b'\n")]
    with Compilers(chosen, 1) as theirs, Compilers(running(), 1) as ours:
        assert theirs.compile(batch).result() == ours.compile(batch).result()


def test_two_builds_at_once_share_one_installation(shop: Workshop, mirror: Mirror) -> None:
    mirror.held.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(managed_interpreter, MINOR, shop, Recorder())
        assert mirror.requested.wait(60)
        second = pool.submit(managed_interpreter, MINOR, shop, Recorder())
        mirror.held.set()
        assert first.result() == second.result() is not None

    assert mirror.count(ARCHIVE) == 1


def test_a_download_with_another_checksum_is_not_used_and_not_fetched_again_for_a_while(
    shop: Workshop, mirror: Mirror, reporter: Recorder, bare_machine: None
) -> None:
    mirror.sha256 = "0" * 64
    assert find_interpreter(MINOR, shop, reporter) is None
    requests = len(mirror.server.requests)

    assert find_interpreter(MINOR, replace(shop, interpreters={}), reporter) is None
    assert len(mirror.server.requests) == requests
    assert "uv could not install CPython" in reporter.log
    assert "Hash mismatch" in reporter.log
    assert "imports will take longer" in reporter.log


def test_a_failure_is_forgotten_after_a_while_or_with_other_settings(
    shop: Workshop, mirror: Mirror, reporter: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.sha256 = "0" * 64
    assert managed_interpreter(MINOR, shop, reporter) is None
    assert failed_before(MINOR, shop)
    assert shop.managed_pythons is not None
    other = replace(shop, managed_pythons=replace(shop.managed_pythons, mirror="http://127.0.0.1:1"))
    assert not failed_before(MINOR, other)
    monkeypatch.setattr(managed, "_FAILURE_SECONDS", 0.0)
    assert not failed_before(MINOR, shop)


def test_a_mirror_that_cannot_be_reached_costs_one_attempt(workshop: Workshop, tmp_path: Path) -> None:
    pythons = ManagedPythons(tmp_path / "pythons", mirror="http://127.0.0.1:1/releases")
    shop = replace(workshop, managed_pythons=pythons)
    reporter = Recorder()

    assert managed_interpreter(MINOR, shop, reporter) is None
    assert managed_interpreter(MINOR, shop, reporter) is None
    installing, failed = reporter.lines
    assert installing.startswith("uv installs CPython")
    assert "Connection refused" in failed


def test_a_mirror_of_uvs_own_releases_is_requested_under_their_paths(
    workshop: Workshop, mirror: Mirror, tmp_path: Path
) -> None:
    pythons = ManagedPythons(tmp_path / "pythons", mirror=f"{mirror.server.url}/releases")
    shop = replace(workshop, managed_pythons=pythons)

    assert managed_interpreter(MINOR, shop, Recorder()) is None
    (path, *_) = [path for path, _ in mirror.server.requests]
    assert path.startswith("/releases/20")
    assert f"/cpython-{MINOR[0]}.{MINOR[1]}." in path


def test_a_cancelled_build_does_not_wait_for_a_mirror_and_leaves_no_half_of_a_python(
    shop: Workshop, mirror: Mirror, reporter: Recorder
) -> None:
    mirror.held.clear()

    class Cancelling(Recorder):
        def check(self) -> None:
            if mirror.requested.is_set():
                raise Cancelled

    with pytest.raises(Cancelled):
        managed_interpreter(MINOR, shop, Cancelling())
    assert shop.managed_pythons is not None
    assert managed.installed(MINOR, shop) is None
    mirror.held.set()
    assert managed_interpreter(MINOR, shop, reporter) is not None


def test_what_is_there_is_used_where_downloads_are_off(
    shop: Workshop, mirror: Mirror, reporter: Recorder
) -> None:
    assert shop.managed_pythons is not None
    offline = replace(shop, managed_pythons=replace(shop.managed_pythons, download=False))

    assert managed_interpreter(MINOR, offline, reporter) is None
    assert mirror.server.requests == []
    installed = managed_interpreter(MINOR, shop, reporter)
    assert managed_interpreter(MINOR, offline, reporter) == installed is not None
