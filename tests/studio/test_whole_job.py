"""The main job from end to end: the demo, the studio serving what it built, a real engine running it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.fixtures import StartStudio
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.preloaded import run_preloaded
from tests.services.servers.registry import Registry
from tests.services.studio import Studio
from tests.studio.management.commands import Desk

FIT = (
    "from sklearn.datasets import load_iris; from sklearn.linear_model import LogisticRegression; "
    "x, y = load_iris(return_X_y=True); print(LogisticRegression(max_iter=500).fit(x, y).score(x, y) > 0.9)"
)


def test_the_demo_builds_reuses_and_its_image_fits_a_model_in_a_real_engine(
    studio: Studio, docker_engine: DockerEngine
) -> None:
    done = run_preloaded(["manage.py", "demo"], env=studio.environment())

    assert done.returncode == 0, done.stdout + done.stderr
    shown = dict(line.split(None, 1) for line in done.stdout.splitlines() if line.startswith("  "))
    assert shown["digest"].startswith("sha256:")
    assert "Resolved " in done.stdout
    assert "Cache hit in " in done.stdout
    name = f"localhost:{studio.port}/{shown['image']}"
    image = docker_engine.client.images.pull(name, tag="latest")
    output = docker_engine.client.containers.run(image, ["python", "-c", FIT], remove=True)
    assert output.strip() == b"True"
    docker_engine.client.images.remove(name, force=True)


@pytest.fixture(scope="module")
def python_base(
    registry: Registry, skopeo: Path, stock: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A Python image in a real registry, under the name that Docker Hub has it by."""
    desk = Desk.stocked(stock, tmp_path_factory.mktemp("base"))
    made = desk.build("name: base\nimage: host\n", name="base.yaml").result
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    source = f"oci:{desk.var}/store:{made['image']}:latest"
    target = f"docker://{registry.address}/library/python:{minor}-slim-bookworm"
    argv = [str(skopeo), "copy", "--quiet", "--dest-tls-verify=false", source, target]
    subprocess.run(argv, check=True, capture_output=True)
    return f"docker.io/library/python:{minor}-slim-bookworm"


def test_a_v2_environment_on_a_base_from_a_registry_is_built_and_runs(
    start_studio: StartStudio, stock: Path, python_base: str, registry: Registry, docker_engine: DockerEngine
) -> None:
    studio = start_studio(stock, STUDIO_REGISTRY_MIRRORS=f"docker.io={registry.address}")
    desk = Desk(studio.var.parent, studio.environment())
    minor = python_base.rpartition(":")[2].partition("-")[0]
    definition = (
        f"$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\n"
        f"name: onregistry\nimage: {python_base}\n"
        f"conda_file:\n  channels: [conda-forge]\n"
        f"  dependencies: [python={minor}, pip, pip: [six==1.17.0]]\n"
    )

    result = desk.build(definition, name="env.yaml").result

    assert result["state"] == "succeeded", result
    # Rule 18: the base's own digest is on record, though the tag is as it was written.
    stored = json.loads((studio.var / "store" / "blobs" / result["digest"].replace(":", "/")).read_bytes())
    assert stored["annotations"]["org.opencontainers.image.base.name"] == python_base
    name = f"localhost:{studio.port}/{result['image']}"
    image = docker_engine.client.images.pull(name, tag="latest")
    command = ["python", "-c", "import six, sys; print(six.__version__, sys.prefix)"]
    assert docker_engine.client.containers.run(image, command, remove=True) == b"1.17.0 /opt/env\n"
    assert docker_engine.client.containers.run(image, ["pip", "--version"], remove=True).startswith(b"pip ")
    docker_engine.client.images.remove(name, force=True)
