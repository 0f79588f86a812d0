"""From a conda environment file to a running container: built by the studio, pulled by a real engine."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.builds.distribution.test_end_to_end import build
from tests.builds.imaging.conda.making import VERSION
from tests.services.fixtures import StartStudio
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.threads import serving

pytestmark = pytest.mark.slow

ENVIRONMENT = f"""\
name: talking
channels: [conda-forge]
dependencies:
  - python={".".join(VERSION.split(".")[:2])}
  - greeter
  - pip:
    - six==1.16.0
"""


class Quietly(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(channel: Path) -> Iterator[str]:
    """The channel, over the network."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quietly, directory=str(channel)))
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_conda_environment_is_built_and_runs(
    served: str, start_studio: StartStudio, stock: Path, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    studio = start_studio(stock, STUDIO_CHANNEL_MIRRORS=f"conda-forge={served}")
    file = tmp_path / "environment.yml"
    file.write_text(ENVIRONMENT)

    made = build(studio, file)

    name = f"localhost:{studio.port}/default/azureml/azureml_{made['hash']}"
    image = docker_engine.client.images.pull(name, tag="latest")
    command = "greet && native && python -c 'import six, sys; print(six.__version__, sys.prefix)'"
    output = docker_engine.client.containers.run(image, ["sh", "-c", command], remove=True).decode()
    assert output.split("\n") == ["greeter 2.0", "from the native package", "1.16.0 /opt/env", ""]
    docker_engine.client.images.remove(name, force=True)
