"""The container image and compose.yaml: built and run by a real engine, as far as no registry is needed.

The base image comes from a registry, which tests do not reach: this machine's Python stands in for it,
under the same name. compose.yaml is read as compose reads it, and its pieces are run by hand.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import yaml
from docker import APIClient
from docker.models.containers import Container
from docker.models.images import Image
from docker.utils.build import tar

from builds.engine.exchange import Exchange
from builds.engine.output import Output, output_of
from builds.engine.syntax import BUILDKIT
from builds.imaging.reporting import Quiet
from tests.services.machine_image import machine_files
from tests.services.processes import free_port, wait_until
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.postgres import Postgres
from tests.services.servers.redis import Redis
from tests.services.servers.service import TRUSTS_NOBODY
from tests.services.studio import ROOT

BASE = "python:3.11-slim-bookworm"
PROGRAMS = "ldd cat ls rm mkdir chown id groupadd useradd env sed cmp cp".split()
FILES = [
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/login.defs",
    "/etc/ssl/certs/ca-certificates.crt",
    "/usr/share/zoneinfo/UTC",
    "/usr/share/python-wheels",  # Debian's ensurepip
]
# Libraries that wheels expect on every Linux
LIBRARIES = [
    "librt.so.1",
    "libdl.so.2",
    "libpthread.so.0",
    "libutil.so.1",
    "libm.so.6",
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libz.so.1",
    "libexpat.so.1",
]
LEFT_OUT = ("/test", "/site-packages", "/idlelib", "/tkinter", "/config-3.11", "/share")


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return services


def where(program: str) -> str:
    folders = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
    return next(path for folder in folders if os.path.exists(path := f"{folder}/{program}"))


def base_files() -> bytes:
    """Return what stands in for the base: a shell, a few programs, and this machine's Python in /usr/local."""
    prefix = Path(sys.base_prefix)
    python = prefix / "bin" / "python3.11"
    # Complete below; a Python in /usr shares its folder with the rest of the machine.
    parts = (str(python), *(f"{prefix}/lib/{name}" for name in ("python3.11", "libpython")))
    libraries = sorted(
        {str(path) for name in LIBRARIES for path in Path("/usr/lib").glob(f"*-linux-gnu/{name}")}
    )
    extensions = map(str, (prefix / "lib/python3.11/lib-dynload").glob("*.so"))
    machine = io.BytesIO(
        machine_files(["/bin/sh", "/bin/bash", *map(where, PROGRAMS), *libraries, str(python), *extensions])
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        with tarfile.open(fileobj=machine) as files:
            for member in files:
                if not f"/{member.name}".startswith(parts):
                    archive.addfile(member, files.extractfile(member) if member.isfile() else None)
        for file in filter(os.path.exists, FILES):
            archive.add(file)
        # Its install location, where it looks for itself; all users must be able to reach it.
        for folder in reversed(prefix.parents):
            entry = tarfile.TarInfo(str(folder).lstrip("/") or ".")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        archive.add(python)
        for folder in (prefix / "lib").iterdir():
            if folder.name.startswith(("python3.11", "libpython")):
                archive.add(folder, filter=without_ballast)
        for name in ("python", "python3", "python3.11"):
            link = tarfile.TarInfo(f"usr/local/bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, str(python)
            archive.addfile(link)
    return buffer.getvalue()


def without_ballast(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if any(left in f"/{member.name}" for left in LEFT_OUT) else member


def build_with_buildkit(api: APIClient, arguments: dict[str, str]) -> str:
    """Build the Dockerfile as `docker build` does, tag the image, and return its id."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    # BuildKit knows an archive by its first bytes: those of gzip it always knows.
    context = tar(ROOT, exclude=patterns, gzip=True)
    options = {
        "version": BUILDKIT,
        "t": "environment-studio",
        "networkmode": "host",
        "buildargs": json.dumps(arguments),
    }
    output = Output()
    log: list[str] = []
    building = Exchange(
        api, "POST", "/build", params=options, data=context.read(-1), content_type="application/x-tar"
    )
    with building:
        for event in building.events(Quiet()):
            log += output_of(event, output)
    text = "\n".join(log)
    assert output.image, f"The image was not built: {output.error}\n{text[-3000:]}"
    return output.image


@pytest.fixture(scope="module")
def image(docker_engine: DockerEngine) -> Iterator[Image]:
    """The studio's image, built by the Dockerfile on a stand-in base."""
    api = docker_engine.client.api
    # The base of a company trusts the company's certificates, as this machine does.
    trusted = "/etc/ssl/certs/ca-certificates.crt"
    change = [
        f"ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LD_LIBRARY_PATH={sys.base_prefix}/lib",
        f"ENV PIP_CERT={trusted} SSL_CERT_FILE={trusted}",
    ]
    api.import_image_from_data(
        base_files(), repository=BASE.split(":")[0], tag=BASE.split(":")[1], changes=change
    )
    index = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    arguments = {"PIP_INDEX_URL": os.environ.get("PIP_INDEX_URL") or index or "https://pypi.org/simple"}
    # They come from GitHub, which a test does not depend on.
    arguments["PYTHONS"] = ""
    built = build_with_buildkit(api, arguments)
    yield docker_engine.client.images.get(built)
    docker_engine.client.images.remove("environment-studio", force=True)


class Studio:
    """Containers of the image, with the settings that compose.yaml gives them."""

    def __init__(self, engine: DockerEngine, volume: str, settings: dict[str, str]) -> None:
        self.engine, self.volume, self.settings = engine, volume, settings
        self.containers: list[Container] = []

    def run(self, service: str, **more: str) -> Container:
        """Start a service of compose.yaml, with its own command."""
        command = compose()["services"][service].get("command")
        if command is not None:
            command = [word.replace("$$", "$").replace("${STUDIO_URL:-", "").rstrip("}") for word in command]
        container = self.engine.client.containers.run(
            "environment-studio",
            command,
            detach=True,
            init=True,
            network_mode="host",
            environment={**self.settings, **more},
            volumes={self.volume: {"bind": "/var/lib/studio"}},
        )
        self.containers.append(container)
        return container


@pytest.fixture
def studio(
    image: Image, docker_engine: DockerEngine, postgres: Postgres, redis_server: Redis
) -> Iterator[Studio]:
    volume = docker_engine.client.volumes.create()
    with postgres.fresh_database() as url:
        settings = {
            "DATABASE_URL": url,
            "CELERY_BROKER_URL": redis_server.fresh_url(),
            "SECRET_KEY": "k" * 50,
        }
        settings |= {"STUDIO_BUILDS_AT_ONCE": "1", "STUDIO_DEFAULT_BASE": "host"}
        for name in ("PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
            if name in os.environ:
                settings[name] = os.environ[name]
        running = Studio(docker_engine, volume.name, settings)
        yield running
        for container in running.containers:
            container.remove(force=True)
    volume.remove(force=True)


def logs_of(container: Container) -> str:
    return str(container.logs().decode())


def test_the_image_holds_no_more_than_the_studio_runs_on(image: Image, docker_engine: DockerEngine) -> None:
    listed = docker_engine.client.containers.run(
        "environment-studio", ["ls", "-a", "/srv/studio"], remove=True
    )
    with_archive = {".dockerignore", "Dockerfile"}  # a context that is an archive brings these two
    held = set(listed.decode().split()) - {".", ".."} - with_archive
    assert held == {
        *(
            "manage.py",
            "pyproject.toml",
            "uv.lock",
            "scripts",
            "studio",
            "environments",
            "builds",
            "locale",
            "docs",
            "CHANGELOG.md",
            "templates",
            "static",
            "examples",
        )
    }
    history = json.dumps(image.history())
    assert "SECRET_KEY" not in history


def test_web_and_worker_of_the_image_are_ready_and_build(studio: Studio) -> None:
    prepared = studio.run("prepare")
    assert prepared.wait(timeout=60)["StatusCode"] == 0, logs_of(prepared)
    assert "Sign in once as admin" in logs_of(prepared)
    port = free_port()
    web, worker = studio.run("web", PORT=str(port)), studio.run("worker")
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/readyz", trust_env=False, verify=TRUSTS_NOBODY).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(ready, 40, lambda: logs_of(web))
    # Not by `docker exec`: on a busy machine, the output of a short command can be lost.
    running = cast("dict[str, list[list[str]]]", web.top(ps_args="-eo uid,pid"))["Processes"]
    assert {process[0] for process in running} == {"10001"}
    page = httpx.get(f"{url}/login/", trust_env=False).text
    sheet = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert sheet
    style = httpx.get(f"{url}{sheet}", trust_env=False)
    assert style.status_code == 200
    assert style.headers["Content-Encoding"] == "gzip"
    assert "immutable" in style.headers["Cache-Control"]
    check = web.attrs["Config"]["Healthcheck"]["Test"][1:]
    assert web.exec_run(check, environment={"PORT": str(port)}).exit_code == 0

    def heard() -> bool:
        return "studio_workers 1.0" in httpx.get(f"{url}/metrics", trust_env=False, verify=TRUSTS_NOBODY).text

    wait_until(heard, 40, lambda: logs_of(worker))
    text = "print('six==1.16.0', file=open('/tmp/requirements.txt', 'w'))"
    assert worker.exec_run(["python", "-c", text]).exit_code == 0
    built = worker.exec_run(["python", "manage.py", "build", "/tmp/requirements.txt", "--json"], demux=True)
    answer, log = cast(tuple[bytes, bytes], built.output)
    assert built.exit_code == 0, log.decode()
    assert json.loads(answer.splitlines()[-1])["state"] == "succeeded"


def test_compose_and_dockerfile_agree() -> None:
    configuration = compose()
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"ARG PYTHON={BASE}" in dockerfile
    assert "USER 10001:10001" in dockerfile
    services = configuration["services"]
    assert set(services) == {"prepare", "web", "worker", "postgres", "redis", "registry"}
    for name, service in services.items():
        tag = service.get("image", "")
        assert tag == "environment-studio" or ":" in tag, f"{name} is pinned to no tag"
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in configuration["volumes"]
        for needed in service.get("depends_on", {}):
            assert needed in services


def test_no_service_is_given_the_engines_socket_or_a_password_by_default() -> None:
    configuration = compose()
    assert "docker.sock" not in json.dumps(configuration)
    for service in configuration["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or name == "SECRET_KEY":
                assert value.startswith("${")
                assert ":?" in value


def test_every_setting_that_compose_gives_is_one_that_is_documented() -> None:
    documentation = (ROOT / "docs" / "running.md").read_text()
    for name in compose()["services"]["web"]["environment"]:
        assert f"`{name}`" in documentation, f"docs/running.md says nothing of {name}"
