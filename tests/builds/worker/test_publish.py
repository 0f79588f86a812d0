"""A workspace's registry: what a build pushes there, and what happens when it is away."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from builds.imaging.bases.find import find_base
from builds.imaging.oci.manifest import OCI_MANIFEST, Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.publish.push import push
from builds.imaging.registry_client import ATTEMPTS
from builds.imaging.reporting import Quiet
from tests.services.fixtures import HostWorkshop
from tests.services.processes import free_port, wait_until
from tests.services.servers.failing_registry import FailingRegistry
from tests.services.servers.preloaded import run_preloaded
from tests.services.servers.registry import Registry
from tests.services.studio import Studio
from tests.studio.management.commands import Desk, Done

IDNA = "idna==3.10\n"
IDNA_AND_SIX = "idna==3.10\nsix==1.17.0\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, stock: Path) -> Desk:
    """A studio with one image, which was made before its workspace had a registry."""
    desk = Desk.stocked(stock, tmp_path_factory.mktemp("pushing"))
    made = desk.build(IDNA, "--name", "one")
    assert made.code == 0, made.stderr
    return desk


def use(desk: Desk, registry: str, *options: str) -> Done:
    done = desk.manage("registry", "default", registry, *options)
    assert done.code == 0, done.stderr
    return done


def manifest_in(registry: Registry, name: str, reference: str = "latest") -> httpx.Response:
    address = f"{registry.url}/v2/{name}/manifests/{reference}"
    return httpx.get(address, headers={"Accept": OCI_MANIFEST}, trust_env=False)


def current(desk: Desk) -> dict[str, str]:
    """Return the digest of each name in the studio's own store."""
    return {name: descriptor.digest for name, descriptor in BlobStore(desk.var / "store").tags().items()}


class BreakingProxy:
    """A proxy to a registry that breaks after so many bytes: once, or permanently."""

    def __init__(self, registry: Registry, *, breaks_after: int, permanently: bool) -> None:
        self._registry = registry
        self._left: int | None = breaks_after
        self._permanently = permanently
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", free_port()))
        self.address = "{}:{}".format(*self._listening.getsockname())
        self.broken = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # A closed socket goes on listening as long as a thread waits on it.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._registry.port))
                threading.Thread(target=self._outward, args=(near, far), daemon=True).start()
                threading.Thread(target=self._forward, args=(far, near), daemon=True).start()

    def _outward(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(65536):
                with self._lock:
                    if self._left is not None:
                        self._left -= len(data)
                    breaks = self._left is not None and self._left <= 0
                    if breaks and not self._permanently:
                        self._left = None
                if breaks:
                    self.broken.set()
                    if self._permanently:
                        self.close()
                    for end in (near, far):
                        end.shutdown(socket.SHUT_RDWR)
                    return
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(request: pytest.FixtureRequest, registry: Registry) -> Iterator[BreakingProxy]:
    """A proxy that breaks in the middle of a layer."""
    with closing(
        BreakingProxy(registry, breaks_after=2_000_000, permanently=request.param == "permanently")
    ) as proxy:
        yield proxy


@pytest.mark.parametrize("proxy", ["permanently"], indirect=True)
def test_a_registry_that_goes_away_in_the_middle_fails_the_build_and_changes_nothing(
    desk: Desk, proxy: BreakingProxy
) -> None:
    """Rule 16."""
    before = current(desk)
    use(desk, f"{proxy.address}/away")

    done = desk.build(IDNA, "--name", "one", "--rebuild")

    assert proxy.broken.is_set()
    assert (done.code, done.result["error"]["code"]) == (1, "registry-unreachable"), done.stderr
    assert "Can't reach" in done.stderr
    assert current(desk) == before
    again = desk.build(IDNA, "--name", "one")
    assert (again.code, again.result["reused"]) == (0, True)


@pytest.mark.parametrize("proxy", ["once"], indirect=True)
def test_a_connection_that_breaks_once_is_only_slower(
    desk: Desk, proxy: BreakingProxy, registry: Registry
) -> None:
    use(desk, f"{proxy.address}/broken")

    done = desk.build("six==1.16.0\n", "--name", "broken-once")

    assert done.code == 0, done.stderr
    assert proxy.broken.is_set()
    name = f"broken/{done.result['image'].partition('/')[2].partition('@')[0]}"
    assert manifest_in(registry, name).headers["Docker-Content-Digest"] == done.result["digest"]


LAST_BUILD = """
import json
from builds.models import Build
build = Build.objects.latest("queued_at")
print(json.dumps([build.state, build.attempt, build.error_code, build.error_fault]))
"""


def test_a_registry_that_refuses_every_manifest_fails_the_build_once(desk: Desk, registry: Registry) -> None:
    before = current(desk)
    with FailingRegistry(registry, "503", times=1000).running() as failing:
        use(desk, f"{failing.address}/refusing")
        done = desk.build("six==1.15.0\n", "--name", "refused")

    assert (done.code, done.result["error"]["code"]) == (1, "registry-unreachable"), done.stderr
    assert "it answered 503" in done.stderr
    assert "Requested again" not in done.stderr
    assert failing.refused == ATTEMPTS
    ended = json.loads(desk.manage("shell", "-v", "0", "-c", LAST_BUILD).stdout)
    assert ended == ["failed", 1, "registry-unreachable", "outside"]
    assert current(desk) == before


def test_what_was_made_before_is_pushed_and_the_next_image_sends_only_what_is_new(
    desk: Desk, registry: Registry
) -> None:
    """By cross-repository mounts; only missing blobs are sent."""
    pushed = use(desk, f"{registry.address}/ml", "--push").stdout
    again = use(desk, f"{registry.address}/ml", "--push").stdout
    done = desk.build(IDNA_AND_SIX, "--name", "two")

    assert f"Pushed {registry.address}/ml/azureml/azureml_" in pushed
    assert "is there already" in again
    assert done.code == 0, done.stderr
    # The layer of six was sent ahead; its bytecode, unless that was sent ahead too, and the config follow. The rest is
    # the first image's.
    (line,) = [line for line in done.stderr.splitlines() if "Pushed" in line]
    assert "Sent layers of 0.0 MB to" in done.stderr
    counts = re.search(r"(\d) blobs sent \(0\.0 MB\), 4 mounted, (\d) there already", line)
    assert counts is not None, line
    assert counts.groups() in {("2", "1"), ("1", "2")}
    name = f"ml/azureml/azureml_{done.result['hash']}"
    there = manifest_in(registry, name)
    assert there.headers["Docker-Content-Digest"] == done.result["digest"]
    assert manifest_in(registry, name, done.result["digest"]).content == there.content


PUSH_TAGS = """
from builds.worker import publish, steps
publish.push_missing_tags(lambda logins: steps.make_workshop(logins=logins))
"""
TAGS = """
import json
from builds.models import PushedTag
rows = PushedTag.objects.filter(environment__name="NAME").order_by("-version")
print(json.dumps([[row.registry, row.attempts, row.problem] for row in rows]))
"""


def tags_pushed(desk: Desk, environment: str) -> list[list[object]]:
    rows: list[list[object]] = json.loads(
        desk.manage("shell", "-v", "0", "-c", TAGS.replace("NAME", environment)).stdout
    )
    return rows


def test_images_get_the_names_of_their_versions_without_sending_a_byte_again(
    desk: Desk, registry: Registry
) -> None:
    pushed = use(desk, f"{registry.address}/named", "--push").stdout

    by_hash, *by_name = (
        [line for line in pushed.splitlines() if "Pushed" in line and "/azureml/" in line],
        [line for line in pushed.splitlines() if "Pushed" in line and "/azureml/" not in line],
    )
    assert by_hash
    assert by_name[0]
    assert all(": 0 blobs sent (0.0 MB)" in line for line in by_name[0]), by_name
    assert registry.tags("named/one") == ["1", "latest"]
    digests = {
        manifest_in(registry, "named/one", tag).headers["Docker-Content-Digest"] for tag in ("1", "latest")
    }
    assert len(digests) == 1
    assert (
        f"Pushed {registry.address}/named/one:" not in use(desk, f"{registry.address}/named", "--push").stdout
    )


def test_a_worker_names_what_a_build_made_and_what_a_version_shares_without_a_build(
    desk: Desk, registry: Registry
) -> None:
    use(desk, f"{registry.address}/shared")
    made = desk.build("six==1.14.0\n", "--name", "made")
    shared = desk.build("six==1.14.0\n", "--name", "Shared")
    assert (made.code, shared.code, shared.result["reused"]) == (0, 0, True), shared.stderr

    assert desk.manage("shell", "-c", PUSH_TAGS).code == 0

    for name in ("shared/made", "shared/shared--e3c4b39d6d50"):
        for tag in ("1", "latest"):
            there = manifest_in(registry, name, tag)
            assert there.headers["Docker-Content-Digest"] == made.result["digest"]


def test_a_registry_that_refuses_a_name_is_tried_again_later_and_holds_up_no_build(
    desk: Desk, registry: Registry
) -> None:
    use(desk, f"{registry.address}/later")
    assert desk.build("six==1.13.0\n", "--name", "later").code == 0
    with FailingRegistry(registry, "503", times=1000).running() as failing:
        point = "from environments.models import Workspace; from builds.models import Image\n"
        point += f"Workspace.objects.filter(name='default').update(registry='{failing.address}/later')\n"
        point += "for image in Image.objects.exclude(pushed_to=''):\n"
        point += f"    image.pushed_to = '{failing.address}/later/' + image.repository; image.save()\n"
        assert desk.manage("shell", "-c", point + PUSH_TAGS).code == 0
        rows = tags_pushed(desk, "later")

    assert [row[:2] for row in rows] == [["", 1], ["", 1]]
    assert all("it answered 503" in str(row[2]) for row in rows)


SAVE_AND_REQUEST = """
import os
from builds.queue.requests import request_build
from environments.models import Workspace
from tests.builds.scenarios import save_text
Workspace.objects.get_or_create(name="tagged", title="Tagged", registry=os.environ["REGISTRY"])
print(request_build(save_text("six==1.12.0\\n", workspace="tagged", name=os.environ["NAME"])).reused)
"""


def test_a_running_studio_pushes_names_after_a_build_and_for_an_existing_image(
    studio: Studio, registry: Registry
) -> None:
    for name, reused in (("built", "False"), ("found", "True")):
        env = {**studio.environment(), "REGISTRY": f"{registry.address}/tagged", "NAME": name}
        done = run_preloaded(["manage.py", "shell", "-v", "0", "-c", SAVE_AND_REQUEST], env=env)
        assert done.stdout.strip() == reused, done.stderr

        wait_for_tags(registry, f"tagged/{name}", studio)


def wait_for_tags(registry: Registry, repository: str, studio: Studio) -> None:
    wait_until(
        lambda: registry.tags(repository) == ["1", "latest"],
        100,
        lambda: f"{repository} has {registry.tags(repository)}: {studio.text()}",
    )


CONNECT = """
import json, os
from django.contrib.auth.models import User
from environments.connections.service import add_connection
from environments.models import Workspace
login = json.loads(os.environ["LOGIN"])
add_connection(Workspace.objects.get(name="default"), *login, User.objects.get(username="admin"))
"""


def test_what_was_made_before_is_pushed_with_the_workspaces_login(
    desk: Desk, private_registry: Registry
) -> None:
    use(desk, f"{private_registry.address}/old")
    refused = desk.manage("registry", "default", "--push")
    assert (refused.code, "Traceback" in refused.stderr) == (1, False)

    login = json.dumps(
        ["registry", private_registry.address, private_registry.user, private_registry.password]
    )
    assert desk.manage("shell", "-c", CONNECT, LOGIN=login).code == 0
    pushed = desk.manage("registry", "default", "--push")

    assert pushed.code == 0, pushed.stderr
    assert f"Pushed {private_registry.address}/old/azureml/azureml_" in pushed.stdout
    assert private_registry.password not in pushed.stdout + pushed.stderr


def test_the_bases_layers_are_mounted_from_the_bases_own_repository(
    desk: Desk, registry: Registry, tmp_path: Path, host_workshop: HostWorkshop
) -> None:
    workshop = host_workshop(tmp_path)
    base = find_base("host", workshop, Quiet())
    size = workshop.store.size(base.digest)
    manifest = Descriptor(media_type=OCI_MANIFEST, digest=base.digest, size=size)
    push(manifest, f"{registry.address}/bases/host:1", workshop, Quiet())
    use(desk, f"{registry.address}/on-the-base")
    definition = {"image": f"{registry.address}/bases/host:1", "conda_file": {"dependencies": ["python"]}}

    done = desk.build(json.dumps(definition), "--name", "on-base", name="environment.yml")

    assert done.code == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "Pushed" in line]
    assert "1 mounted" in line


def test_an_address_that_is_none_is_refused(desk: Desk) -> None:
    for wrong in (
        "https://registry.example.com",
        "just-a-name",
        "registry.example.com/UPPER",
        "user:pw@h.com",
    ):
        done = desk.manage("registry", "default", wrong)
        assert done.code == 1
        assert "no address of a container registry" in done.stderr
    assert "There is no workspace nobodys" in desk.manage("registry", "nobodys").stderr
