"""Each real part really answers, and comes back at the same address after an outage."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
import pytest
import redis
from playwright.sync_api import sync_playwright

from tests.services.machine_image import import_machine_image
from tests.services.parts import debian_release
from tests.services.servers.chromium import launch_options
from tests.services.servers.containerd import Containerd
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.postgres import Postgres
from tests.services.servers.redis import Redis
from tests.services.servers.registry import Registry

pytestmark = pytest.mark.slow


def push_blob(registry: Registry, repository: str, content: bytes) -> str:
    """Push a blob as any client would; return its digest."""
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    with httpx.Client(base_url=registry.url, auth=registry.auth, trust_env=False) as client:
        upload = client.post(f"/v2/{repository}/blobs/uploads/")
        assert upload.status_code == 202
        # The address holds a state of its own, so the digest is added to its query.
        url = httpx.URL(upload.headers["Location"]).copy_merge_params({"digest": digest})
        done = client.put(url, content=content)
        assert done.status_code == 201
    return digest


def pull_blob(registry: Registry, repository: str, digest: str) -> httpx.Response:
    return httpx.get(f"{registry.url}/v2/{repository}/blobs/{digest}", auth=registry.auth, trust_env=False)


@pytest.mark.parametrize(
    ("text", "release"), [("12.11\n", 12), ("13.2\n", 13), ("forky/sid\n", 99), (None, 0)]
)
def test_the_release_of_debian_is_known(tmp_path: Path, text: str | None, release: int) -> None:
    file = tmp_path / "debian_version"
    if text is not None:
        file.write_text(text)

    assert debian_release(file) == release


def test_the_registry_gives_back_what_was_pushed_even_after_a_crash(stoppable_registry: Registry) -> None:
    digest = push_blob(stoppable_registry, "shop/model", b"a layer")

    with stoppable_registry.outage(crash=True):
        assert not stoppable_registry.answers()

    assert pull_blob(stoppable_registry, "shop/model", digest).content == b"a layer"


def test_the_registry_deletes(registry: Registry) -> None:
    digest = push_blob(registry, "shop/model", b"to be deleted")

    answer = httpx.delete(f"{registry.url}/v2/shop/model/blobs/{digest}", trust_env=False)

    assert answer.status_code == 202
    assert pull_blob(registry, "shop/model", digest).status_code == 404


def test_a_container_runs_from_an_image_made_here(docker_engine: DockerEngine) -> None:
    image = import_machine_image(docker_engine.client, "studio-tests/machine")

    output = docker_engine.client.containers.run(image, ["/bin/sh", "-c", "echo it runs"], remove=True)

    assert output == b"it runs\n"


def test_the_engine_pushes_to_the_registry_and_pulls_from_it(
    docker_engine: DockerEngine, registry: Registry
) -> None:
    client = docker_engine.client
    import_machine_image(client, f"{registry.address}/shop/machine")
    client.images.push(f"{registry.address}/shop/machine", tag="latest")
    client.images.remove(f"{registry.address}/shop/machine:latest")

    client.images.pull(f"{registry.address}/shop/machine", tag="latest")

    assert registry.tags("shop/machine") == ["latest"]


@pytest.mark.parametrize("crash", [False, True], ids=["restart", "crash"])
def test_the_engine_keeps_its_images_while_it_is_away(docker_engine: DockerEngine, crash: bool) -> None:
    image = import_machine_image(docker_engine.client, "studio-tests/kept")

    with docker_engine.outage(crash=crash):
        assert not docker_engine.answers()

    assert docker_engine.client.images.get(image).tags == ["studio-tests/kept:latest"]


def test_containerd_comes_back_at_the_same_address_after_a_crash(containerd: Containerd) -> None:
    with containerd.outage(crash=True):
        assert not containerd.answers()

    assert containerd.answers()


def test_containers_are_on_the_run_s_own_network(docker_engine: DockerEngine) -> None:
    image = import_machine_image(docker_engine.client, "studio-tests/machine")

    routes = docker_engine.client.containers.run(image, ["cat", "/proc/net/route"], remove=True)

    gateway = docker_engine.network[1].packed[::-1].hex().upper()
    assert gateway in routes.decode()


def test_postgres_keeps_what_was_committed_over_a_crash(stoppable_postgres: Postgres) -> None:
    with stoppable_postgres.fresh_database() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE word (text text)")
            connection.execute("INSERT INTO word VALUES ('kept')")

        with stoppable_postgres.outage(crash=True):
            assert not stoppable_postgres.answers()

        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT text FROM word").fetchall() == [("kept",)]


def test_a_fresh_database_is_dropped_while_somebody_is_still_connected(postgres: Postgres) -> None:
    with postgres.fresh_database() as url:
        psycopg.connect(url)

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_redis_gives_every_test_an_empty_database(redis_server: Redis) -> None:
    first, other = (redis.Redis.from_url(redis_server.fresh_url()) for _ in range(2))
    first.set("word", "here")

    assert other.get("word") is None
    assert first.get("word") == b"here"


def test_redis_comes_back_at_the_same_address(stoppable_redis: Redis) -> None:
    with stoppable_redis.outage(crash=True):
        assert not stoppable_redis.answers()

    assert stoppable_redis.answers()


def test_a_private_registry_wants_its_login(private_registry: Registry) -> None:
    assert httpx.get(f"{private_registry.url}/v2/", trust_env=False).status_code == 401

    digest = push_blob(private_registry, "secret/model", b"a private layer")

    assert pull_blob(private_registry, "secret/model", digest).content == b"a private layer"


def test_skopeo_lists_the_tags_of_the_registry(
    skopeo: Path, docker_engine: DockerEngine, registry: Registry
) -> None:
    name = f"{registry.address}/shop/listed"
    import_machine_image(docker_engine.client, name)
    docker_engine.client.images.push(name, tag="latest")

    listed = subprocess.run(
        [skopeo, "list-tags", "--tls-verify=false", f"docker://{name}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(listed.stdout)["Tags"] == ["latest"]


def test_chromium_runs_the_scripts_of_a_page(chromium: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options(chromium))
        page = browser.new_page()
        page.set_content("<h1>Studio</h1><script>document.title = 'ready'</script>")

        assert page.title() == "ready"
        assert page.get_by_role("heading").inner_text() == "Studio"
        browser.close()


def test_chromium_cannot_watch_the_networks_of_the_machine() -> None:
    def problem_of(family: str) -> str:
        code = f"import socket; socket.socket(socket.{family}, socket.SOCK_DGRAM).close()"
        options = launch_options(Path(sys.executable))
        done = subprocess.run(
            [options["executable_path"], "-c", code],
            env=options["env"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr

    assert "Address family not supported" in problem_of("AF_NETLINK")
    assert problem_of("AF_INET") == problem_of("AF_UNIX") == ""
