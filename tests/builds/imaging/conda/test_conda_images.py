"""Conda environments in images that a real engine runs: a conda Python on a base that has none, pip on top."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from builds.imaging.assemble import AssembledImage, ImageSettings, assemble
from builds.imaging.bases.model import Base
from builds.imaging.conda.environment import resolve_environment
from builds.imaging.conda.layers import environment_layers
from builds.imaging.download.fetch import Fetched, fetch
from builds.imaging.lock import Lock
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.check import check_lock
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conda.making import VERSION
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.test_real_images import push
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.registry import Registry

pytestmark = pytest.mark.slow

MINOR = ".".join(VERSION.split(".")[:2])


@dataclass(frozen=True)
class Made:
    lock: Lock
    fetched: Fetched
    image: AssembledImage


def make(workshop: Workshop, base: Base, channel: Path, *conda: str, pip: tuple[str, ...] = ()) -> Made:
    reporter = Recorder()
    lock = resolve_environment(base, [channel.as_uri()], conda, pip, workshop, reporter)
    fetched = fetch(lock, workshop, reporter)
    layers = environment_layers(base, lock, fetched, workshop, reporter)
    image = assemble(base, lock, fetched, ImageSettings(), workshop, reporter, extra_layers=layers)
    return Made(lock, fetched, image)


@pytest.fixture(scope="module")
def made(shared_workshop: Workshop, bare: Base, channel: Path) -> Made:
    """greeter, what it needs, and pip packages on top of conda's Python."""
    requirements = ("pip", "six==1.16.0", "greeter>=1.5")
    return make(shared_workshop, bare, channel, f"python={MINOR}", "greeter", "tomli", pip=requirements)


Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(
    made: Made, shared_workshop: Workshop, skopeo: Path, registry: Registry, docker_engine: DockerEngine
) -> Run:
    """Run a command in a container of the image."""
    target = f"{registry.address}/tests/conda:latest"
    push(skopeo, shared_workshop, made.image, target)
    image = docker_engine.client.images.pull(target.rpartition(":")[0], tag="latest")

    def run(*command: str) -> str:
        output: bytes = docker_engine.client.containers.run(
            image, list(command), remove=True, network_mode="none", read_only=True
        )
        return output.decode()

    return run


def test_condas_python_runs_on_a_base_without_one(run: Run) -> None:
    output = run("python", "-c", "import ssl, sqlite3, sys; print(sys.prefix, sys.executable, sys.version)")

    assert output.split()[:3] == ["/opt/env", "/opt/env/bin/python", VERSION]


def test_entry_points_and_rewritten_prefixes_work(run: Run) -> None:
    assert run("greet") == "greeter 2.0\n"
    assert run("native") == "from the native package\n"
    assert run("sh", "-c", "tail -c +5 /opt/env/lib/libnative.so | head -c 14; echo") == "/opt/env/share\n"


def test_pip_packages_stand_on_condas_python(run: Run) -> None:
    where = f"/opt/env/lib/python{MINOR}/site-packages/six.py"

    assert run("python", "-c", "import six; print(six.__file__)").strip() == where
    assert run("python", "-m", "pip", "check").strip() == "No broken requirements found."


def test_what_conda_installed_is_not_installed_again_by_pip(made: Made, run: Run) -> None:
    listed = json.loads(run("pip", "list", "--format", "json"))

    assert {entry["name"]: entry["version"] for entry in listed}.items() >= {
        "greeter": "2.0",
        "tomli": "2.0.1",
        "six": "1.16.0",
    }.items()
    assert [p.ecosystem for p in made.lock.packages if p.name == "greeter"] == ["conda"]
    assert check_lock(made.lock, made.fetched, Quiet()) == []


def test_the_environment_is_condas_and_nobody_elses(run: Run) -> None:
    names = run("sh", "-c", "echo $PATH $CONDA_PREFIX [$VIRTUAL_ENV]; ls /opt/env").split()

    assert names[:3] == ["/opt/env/bin:/usr/bin:/bin", "/opt/env", "[]"]
    assert "pyvenv.cfg" not in names


def test_modules_come_with_bytecode(run: Run) -> None:
    loaded = "python -v -c 'import greeter, json.decoder' 2>&1 | grep 'code object from'"
    output = run("sh", "-c", f"{loaded} | grep -E 'greeter|json/(__pycache__/)?decoder'")

    assert [line.rstrip("'").endswith(".pyc") for line in output.splitlines()] == [True, True]


def test_the_same_lock_gives_the_same_image_from_empty_caches(
    made: Made, bare: Base, shared_workshop: Workshop, channel: Path, tmp_path: Path
) -> None:
    fresh = replace(shared_workshop, store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache")
    reporter = Recorder()
    fetched = fetch(made.lock, fresh, reporter)

    layers = environment_layers(bare, made.lock, fetched, fresh, reporter)
    again = assemble(bare, made.lock, fetched, ImageSettings(), fresh, reporter, extra_layers=layers)

    assert again.digest == made.image.digest
    assert not again.cached
    assert list((tmp_path / "store" / "ingest").iterdir()) == []
