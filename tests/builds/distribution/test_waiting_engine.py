"""Docker Engine pulls environments by name: existing images, images that the pull has built, and failures."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.services.debian.engine import NewEngine
from tests.services.parts import program
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import Studio

pytestmark = pytest.mark.slow

PASSWORD = "a long enough password"
KEPT = "by-name:1"  # until all tests have run: to unpack the base's layer takes seconds
PREPARE = """
import os
from django.contrib.auth.models import User
from environments.models import Member, Role, Workspace
workspace = Workspace.objects.create(name="pulling", title="Pulling")
user = User.objects.create_user("pulling", password=os.environ["GIVEN"])
Member.objects.create(workspace=workspace, user=user, role=Role.CONTRIBUTOR)
"""
SAVE = """
import json, os
from tests.builds.scenarios import save_text
for name, text in json.loads(os.environ["GIVEN"]):
    save_text(text, name=name, workspace="pulling")
"""
BUILDS = """
import json
from builds.models import Build
builds = Build.objects.filter(workspace__name="pulling", version__environment__name="{name}")
print(json.dumps(list(builds.values_list("state", flat=True))))
"""


def in_studio(studio: Studio, code: str, given: str = "") -> str:
    """Run code behind the studio, with what it is given in a variable; return its output."""
    env = {**studio.environment(), "GIVEN": given}
    done = run_preloaded(["manage.py", "shell", "-v", "0", "-c", code], env=env)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@dataclass(frozen=True)
class Docker:
    """The `docker` command of a person who has logged in."""

    studio: Studio
    engine: DockerEngine
    config: Path

    @property
    def host(self) -> str:
        return f"localhost:{self.studio.port}"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [str(program("docker")), "--host", self.engine.host, "--config", str(self.config), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def pull(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.run("pull", f"{self.host}/pulling/{name}")

    def forget(self, name: str) -> None:
        """Remove a name from the engine, which other tests use too."""
        self.run("image", "rm", "--force", f"{self.host}/pulling/{name}")

    def save(self, *environments: tuple[str, str]) -> None:
        in_studio(self.studio, SAVE, json.dumps(environments))

    def builds(self, name: str) -> list[str]:
        states: list[str] = json.loads(in_studio(self.studio, BUILDS.format(name=name)))
        return states


@pytest.fixture(scope="module")
def docker(
    studio: Studio, docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Docker]:
    in_studio(studio, PREPARE, PASSWORD)
    config = tmp_path_factory.mktemp("docker")
    login = base64.b64encode(f"pulling:{PASSWORD}".encode()).decode()
    (config / "config.json").write_text(json.dumps({"auths": {f"localhost:{studio.port}": {"auth": login}}}))
    docker = Docker(studio, docker_engine, config)
    yield docker
    docker.forget(KEPT)


def test_docker_pulls_by_version_by_latest_and_by_digest(docker: Docker, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("idna==3.10\n")
    argv = ["manage.py", "build", str(file), "--name", "by-name", "--workspace", "pulling", "--json"]
    done = run_preloaded(argv, env=docker.studio.environment())
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout.splitlines()[-1])

    for name in (KEPT, "by-name:latest", "by-name", f"by-name@{made['digest']}"):
        pulled = docker.pull(name)
        assert pulled.returncode == 0, pulled.stderr
        assert made["digest"] in pulled.stdout
    docker.forget("by-name:latest")

    unknown = docker.pull("by-name:2")
    assert unknown.returncode == 1
    assert "has no image 2" in unknown.stderr


def test_two_pulls_of_a_version_without_image_succeed_when_their_one_build_ends(docker: Docker) -> None:
    docker.save(("waited", "six==1.16.0\n"))

    with ThreadPoolExecutor(2) as pool:
        pulls = list(pool.map(docker.pull, ["waited:1", "waited"]))

    assert [pull.returncode for pull in pulls] == [0, 0], [pull.stderr for pull in pulls]
    assert docker.builds("waited") == ["succeeded"]
    ran = docker.run(
        "run", "--rm", f"{docker.host}/pulling/waited:1", "python", "-c", "import six; print(six.__version__)"
    )
    assert ran.stdout == "1.16.0\n", ran.stderr
    docker.forget("waited:1")
    docker.forget("waited")


def test_a_failing_build_prints_its_cause_and_is_not_repeated(docker: Docker) -> None:
    docker.save(("failing", "six==999.0\n"))

    first, second = docker.pull("failing:1"), docker.pull("failing:1")

    for pull in (first, second):
        assert pull.returncode == 1
        assert "The build of failing:1 failed: " in pull.stderr
        assert "six" in pull.stderr
        assert "/w/pulling/builds/" in pull.stderr
    assert docker.builds("failing") == ["failed"]


def test_an_engine_that_requests_the_head_prints_the_cause_within_an_address(
    docker: Docker, containerd_engine: NewEngine
) -> None:
    docker.save(("failing-too", "six==998.0\n"))

    pull = replace(docker, engine=containerd_engine).pull("failing-too:1")

    assert pull.returncode == 1
    assert "The+build+of+failing-too:1+failed:+" in pull.stderr
    assert "/w/pulling/builds/" in pull.stderr
    assert docker.builds("failing-too") == ["failed"]


def test_an_engine_that_keeps_layers_as_they_came_pulls_what_its_pull_has_built(
    docker: Docker, containerd_engine: NewEngine
) -> None:
    docker.save(("newer", "six==1.16.0\n"))
    newer = replace(docker, engine=containerd_engine)

    pull = newer.pull("newer:1")

    assert pull.returncode == 0, pull.stderr
    ran = newer.run(
        "run", "--rm", "--network", "none", f"{docker.host}/pulling/newer:1", "python", "-c", "import six"
    )
    assert ran.returncode == 0, ran.stderr
    newer.forget("newer:1")
