"""From a definition to a running container: built here, served by the studio, pulled by a real engine."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from docker.models.images import Image as DockerImage

from tests.browser.backstage import ask
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import Studio

DOCKERFILE = """\
FROM host
ENV GREETING=hello
RUN echo "$GREETING from a step" > /greeting
"""
DEFINITION = """\
name: greeter
build:
  path: context
conda_file:
  dependencies:
    - pip
    - pip:
      - six==1.16.0
"""


def build(studio: Studio, file: Path, **settings: str) -> dict[str, Any]:
    """Build a definition on the studio's data as a user would on the command line."""
    environment = {**studio.environment(), **settings}
    done = run_preloaded(["manage.py", "build", file, "--json"], env=environment)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def made(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome of building one small package on the host base."""
    file = tmp_path_factory.mktemp("definition") / "small-requirements.txt"
    file.write_text("six==1.16.0\n")
    return build(studio, file)


@pytest.fixture(scope="module")
def pulled(studio: Studio, docker_engine: DockerEngine, made: dict[str, Any]) -> Iterator[DockerImage]:
    """The image, pulled, which stays until all tests have run: to unpack the base's layer takes seconds."""
    name = f"localhost:{studio.port}/default/azureml/azureml_{made['hash']}"
    yield docker_engine.client.images.pull(name, tag="latest")
    docker_engine.client.images.remove(name, force=True)


def test_the_engine_pulls_what_was_built_and_runs_it(
    studio: Studio, docker_engine: DockerEngine, made: dict[str, Any], pulled: DockerImage
) -> None:
    name = f"localhost:{studio.port}/default/azureml/azureml_{made['hash']}"
    command = ["python", "-c", "import six, ssl, sqlite3; print(six.__version__)"]

    assert docker_engine.client.containers.run(pulled, command, remove=True) == b"1.16.0\n"
    assert pulled.attrs["RepoDigests"] == [f"{name}@{made['digest']}"]


def test_what_the_page_gives_to_copy_works(
    studio: Studio, docker_engine: DockerEngine, made: dict[str, Any], tmp_path: Path
) -> None:
    ways = ask(studio, "ways", "default", "small-requirements", studio.url)
    program = "import six; print(six.__version__)"

    *_, name, python = shlex.split(ways["docker-run"])
    assert name == f"localhost:{studio.port}/default/small-requirements:1"
    docker_engine.client.images.pull(name)
    assert docker_engine.client.containers.run(name, [python, "-c", program], remove=True) == b"1.16.0\n"

    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(ways["dockerfile"])
    (folder / "main.py").write_text(program)
    image, _log = docker_engine.client.images.build(path=str(folder), rm=True)
    assert docker_engine.client.containers.run(image, remove=True) == b"1.16.0\n"
    docker_engine.client.images.remove(str(image.id), force=True)
    docker_engine.client.images.remove(name, force=True)

    fetch, rest = ways["uv"].replace("\\\n", " ").split("\n", 1)
    arguments = shlex.split(fetch)  # not every machine that runs this test has curl
    header = arguments[arguments.index("--header") + 1].replace("$STUDIO_TOKEN", ways["token"])
    with urlopen(Request(arguments[-1], headers=dict([header.split(": ")]))) as answer:  # noqa: S310
        (tmp_path / arguments[arguments.index("--output") + 1]).write_bytes(answer.read())
    # In an environment that is active, uv would put them there.
    outside = {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "CONDA_PREFIX"}}
    path = {"PATH": f"{Path(sys.executable).parent}:{outside['PATH']}"}
    subprocess.run(["sh", "-ec", rest], cwd=tmp_path, env=outside | path, check=True)
    printed = subprocess.run([tmp_path / ".venv/bin/python", "-c", program], capture_output=True, check=True)
    assert printed.stdout == b"1.16.0\n"


def test_packages_go_on_top_of_what_a_dockerfile_made(
    studio: Studio, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "greeter.yml").write_text(DEFINITION)
    made = build(studio, tmp_path / "greeter.yml", DOCKER_HOST=docker_engine.host)
    name = f"localhost:{studio.port}/default/azureml/azureml_{made['hash']}"
    program = "import os, six; print(os.environ['GREETING'], open('/greeting').read(), six.__version__)"

    image = docker_engine.client.images.pull(name, tag="latest")

    output = docker_engine.client.containers.run(image, ["python", "-c", program], remove=True)
    assert output == b"hello hello from a step\n 1.16.0\n"
    docker_engine.client.images.remove(name, force=True)


def test_skopeo_finds_the_same_image_on_disk_and_at_the_studio(
    studio: Studio, skopeo: Path, made: dict[str, Any]
) -> None:
    name = f"default/azureml/azureml_{made['hash']}:latest"
    stored = f"oci:{studio.var}/store:{name}"
    served = f"docker://localhost:{studio.port}/{name}"

    result = [
        json.loads(
            subprocess.run([str(skopeo), "inspect", *arguments], capture_output=True, check=True).stdout
        )
        for arguments in ([stored], ["--tls-verify=false", "--no-creds", served])
    ]

    assert [item["Digest"] for item in result] == [made["digest"], made["digest"]]
    assert result[0]["Layers"] == result[1]["Layers"]
