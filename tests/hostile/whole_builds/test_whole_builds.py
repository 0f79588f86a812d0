"""Hostile input in whole builds, from the request to the end: they blame the author or the server, and harm nobody."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from builds.models import Build, BuildState
from builds.worker import runner
from environments.connections.service import add_connection
from environments.definition import read
from environments.models import Role
from environments.network.deadlines import Deadlines
from environments.versions.service import save_reading
from tests.builds.imaging.bases.test_bases import DEBIAN, tarred
from tests.builds.imaging.conda.making import index as index_channel
from tests.builds.imaging.making import make_wheel
from tests.builds.imaging.serving import Index
from tests.builds.scenarios import person, queue_build, workspace_named
from tests.hostile import tars
from tests.hostile.network.registries import Image, Registry
from tests.hostile.network.trickling import BODIES, HEADS, Trickle
from tests.hostile.packages.conda_packages import Making, link, listed, raw
from tests.hostile.packages.wheels import claiming, rewritten
from tests.hostile.whole_builds.invariants import assert_no_secret, files_of, modest, punctual, unchanged

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SECRET = "s3cret-of-the-studio"


@dataclass
class Attacked:
    """A worker with secrets, in its environment, its settings, on its disk and in a connection."""

    folder: Path
    made: Path
    settings: Settings

    @property
    def secret(self) -> Path:
        return self.folder / "outside" / "secret"

    def build(self, text: str, name: str = "requirements.txt") -> Build:
        """Build a definition as a worker does. Asserts the invariants."""
        reading = read(text, name)
        assert reading.definition is not None, reading.findings
        version = save_reading(workspace_named("lab"), "hostile", reading, source=text).version
        build = queue_build(version)

        def work() -> None:
            try:
                runner.run_build(build.pk, "a worker of a test")
            finally:
                connection.close()

        worker = threading.Thread(target=work, name="worker")
        before = files_of([self.made])
        with unchanged(self.folder), modest(tree=True), punctual(build):
            worker.start()
            worker.join(300)
            assert not worker.is_alive()
        secrets = (SECRET, self.settings.SECRET_KEY, *self.settings.ENCRYPTION_KEYS)
        assert_no_secret(
            [secret.encode() for secret in secrets], build, files_of([self.made]).keys() - before.keys()
        )
        return build

    def refused(self, text: str, *codes: str, name: str = "requirements.txt") -> Build:
        """Build a definition that must fail, and not by the studio's fault."""
        build = self.build(text, name)
        assert (build.state, build.error_code in codes) == (BuildState.FAILED, True), (
            build.error_code,
            build.error,
        )
        assert build.error_fault != "studio"
        return build


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of store and cache, which all these builds share."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def attacked(tmp_path: Path, made: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Attacked:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    settings.STORE, settings.CACHE = made / "store", made / "cache"
    settings.INDEX_URL = "http://127.0.0.1:9/simple"
    result = Attacked(tmp_path, made, settings)
    result.secret.parent.mkdir()
    result.secret.write_text(SECRET)
    return result


@pytest.fixture
def index(attacked: Attacked) -> Iterator[Index]:
    """A private index of one folder; the workspace has its password."""
    folder = attacked.folder / "index"
    folder.mkdir()
    served = Index(folder, f"robot:{SECRET}")
    with served.server.running():
        attacked.settings.INDEX_URL = served.url
        add_connection(
            workspace_named("lab"), "index", served.url, "robot", SECRET, person("olga", lab=Role.OWNER)
        )
        yield served


def _bomb(folder: Path) -> Path:
    wheel = make_wheel(folder)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(zipfile.ZipInfo("shop/x.bin"), bytes(256 << 20), zipfile.ZIP_DEFLATED)
    return claiming(wheel, "shop/x.bin", 10)


def _hiding(folder: Path) -> Path:
    return make_wheel(folder, files={"shop/.wh..wh..opq": ""})


def _of_another_name(folder: Path) -> Path:
    return rewritten(
        make_wheel(folder), lambda path, data: (path, data.replace(b"Name: shop", b"Name: till"))
    )


def _naming_a_thief(folder: Path) -> Path:
    return make_wheel(folder, files={"shop/x.py": ""}, entry_points="[console_scripts]\n../../x = shop:x\n")


@pytest.mark.parametrize("make", [_bomb, _hiding, _of_another_name, _naming_a_thief])
def test_a_hostile_wheel(make: Callable[[Path], Path], attacked: Attacked, index: Index) -> None:
    make(index.folder)

    attacked.refused("shop==1.0\n", "bad-wheel", "resolve-failed", "no-matching-distribution")


def test_sources_that_bring_their_compiler_down_are_left_without_bytecode(
    attacked: Attacked, index: Index
) -> None:
    files = {
        "shop/deep.py": "(" * 200_000,
        "shop/wide.py": "x = " + "-" * 3_000_000 + "1\n",
        "shop/y.py": "y = 1\n",
    }
    make_wheel(index.folder, files=files)

    assert attacked.build("shop==1.0\n").state == BuildState.SUCCEEDED


@pytest.mark.parametrize("target", ["secret", "/proc/self/environ"])
@pytest.mark.parametrize("make", [Making.new, Making.old], ids=["conda", "tar.bz2"])
def test_a_conda_package_that_reads_outside(
    make: Callable[[Making, Path], Path], target: str, attacked: Attacked
) -> None:
    channel = attacked.folder / "channel"
    (channel / "linux-64").mkdir(parents=True)
    where = str(attacked.secret) if target == "secret" else target
    making = Making([link("share/x", where), raw("share/y", b"y")], listed("share/x", "share/y"))
    make(making, channel / "linux-64")
    attacked.settings.FILE_CHANNELS = True

    text = f"name: x\nchannels: [{index_channel(channel)}, nodefaults]\ndependencies: [evil]\n"
    attacked.refused(text, "bad-package", name="environment.yml")


LIBRARY = b"GNU C Library version 2." * 40_000


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(lambda: tars.gzipped(tars.HEADERS["pax"]), id="header of 64 MB"),
        pytest.param(
            lambda: tars.gzipped([tarred({**DEBIAN, "usr/lib/x86_64-linux-gnu/libc.so.6": LIBRARY})]),
            id="slow pattern",
        ),
        pytest.param(lambda: b"\x1f\x8b\x08\0" + b"\xff" * 600, id="damaged"),
    ],
)
def test_a_hostile_base_image(layer: Callable[[], bytes], attacked: Attacked) -> None:
    image = Image()
    image.layer = layer()
    with Registry(image.answer).running() as registry:
        text = f"image: {registry.address}/team/base:1\nconda_file:\n  dependencies: [pip, {{pip: [shop==1.0]}}]\n"
        attacked.refused(text, "bad-layer", "base-unfit", "index-unreachable", name="environment.yaml")


@pytest.mark.parametrize("shape", ["headers", "header of a chunk"])
def test_a_registry_that_trickles(shape: str, attacked: Attacked) -> None:
    attacked.settings.EGRESS_POLICY = replace(
        attacked.settings.EGRESS_POLICY, deadlines=Deadlines(head=0.5, pace=1e6)
    )
    answer: Any = {**HEADS, **BODIES}[shape]
    with ExitStack() as stack:
        registry = stack.enter_context(Trickle(answer).running())
        text = f"image: {registry.address}/team/base:1\nconda_file:\n  dependencies: [pip, {{pip: [shop==1.0]}}]\n"
        attacked.refused(text, "registry-unreachable", name="environment.yaml")


@pytest.mark.parametrize(
    "line", ["--index-url http://%31%32%37.0.0.1/simple", "--find-links http:///127.0.0.1/"]
)
def test_a_definition_that_names_an_address_inside(line: str, attacked: Attacked) -> None:
    attacked.refused(f"{line}\nshop==1.0\n", "bad-spec", "address-refused")
