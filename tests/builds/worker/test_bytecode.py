"""The Python that compiled an image: in the log of its build, and in its row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from builds.imaging.bytecode import providers
from builds.imaging.bytecode.interpreters import running
from builds.models import Build, Image
from builds.worker import runner
from environments.definition import read
from environments.versions.service import save_reading
from tests.builds.imaging.making import make_wheel
from tests.builds.imaging.serving import Index
from tests.builds.queue.test_cancelling_builds import log_of
from tests.builds.scenarios import queue_build, workspace_named
from tests.services.servers.docker_engine import DockerEngine

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
MINOR = ".".join(running().version.split(".")[:2])


@pytest.fixture(autouse=True)
def index(tmp_path: Path, settings: Settings) -> Iterator[None]:
    """An index with one package, on a machine where uv installs nothing and no engine is there."""
    make_wheel(tmp_path / "wheels", "mover", "1.0")
    served = Index(tmp_path / "wheels")
    settings.PYTHON_DOWNLOADS, settings.PYTHON_FOLDER = False, tmp_path / "pythons"
    settings.DOCKER_HOST = f"unix://{tmp_path}/nobody.sock"
    with served.server.running():
        settings.INDEX_URL = served.url
        yield


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "machine_interpreter", lambda *_: None)


def built(text: str = "mover==1.0\n", filename: str = "requirements.txt") -> tuple[Image, list[str]]:
    reading = read(text, filename)
    build = queue_build(save_reading(workspace_named("lab"), "forecast", reading, source=text).version)
    runner.run_build(build.pk, "a worker of a test")
    build = Build.objects.get(pk=build.pk)
    assert build.image is not None, build.error
    return build.image, log_of(build).splitlines()


def test_the_log_says_once_who_compiles_before_packages_are_resolved() -> None:
    image, lines = built()

    assert image.bytecode is not None
    assert image.bytecode["provider"] == "machine"
    assert image.bytecode["python"] == image.bytecode["identity"]
    sentence = f"Bytecode: CPython {image.bytecode['python']} of this machine"
    assert lines.count(sentence) == 1
    assert lines.index(sentence) < next(n for n, line in enumerate(lines) if line.startswith("Resolv"))


def test_an_image_without_bytecode_is_built_again_when_somebody_can_compile(
    monkeypatch: pytest.MonkeyPatch, docker_engine: DockerEngine, settings: Settings, bare_machine: None
) -> None:
    image, lines = built()
    assert image.bytecode == {"provider": "none", "python": MINOR, "identity": "", "modules": "none"}
    assert f"No bytecode, as no Python {MINOR} is here to make it: imports will take longer" in lines

    settings.DOCKER_HOST = docker_engine.host
    Build.objects.all().delete()
    Image.objects.all().delete()
    better, lines = built("mover==1.0\n# again\n")
    assert better.bytecode is not None
    assert better.bytecode["provider"] == "base"
    assert better.base_digest in better.bytecode["identity"]
    assert f"Bytecode: CPython {running().version} of the base image, in a container" in lines
    assert better.digest != image.digest
    assert docker_engine.containers() == []


def test_nothing_to_compile_is_nobodys() -> None:
    image, lines = built("image: host\n", "environment.yaml")

    assert image.bytecode is None
    assert not [line for line in lines if "ytecode" in line]
