"""`manage.py clean`: nothing goes that is needed, and it is shown before it goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builds.engine.connection import BASES, Engine
from builds.imaging.bases.find import find_base
from builds.imaging.oci.manifest import OCI_LAYER_GZIP
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from environments.stored_files import FileStore
from tests.builds.engine.test_engine import NOWHERE
from tests.services.servers.docker_engine import DockerEngine
from tests.studio.management.commands import Desk


@pytest.fixture
def desk(tmp_path: Path, stock: Path, docker_engine: DockerEngine) -> Desk:
    desk = Desk.stocked(stock, tmp_path, {"DOCKER_HOST": docker_engine.host})
    assert desk.build("idna==3.10\n", "--name", "kept").code == 0
    return desk


def test_what_goes_is_shown_first_and_images_stay(desk: Desk, docker_engine: DockerEngine) -> None:
    """Issue 4, point 6: garbage collected by reference, dry run first."""
    store = BlobStore(desk.var / "store")
    stray = store.put(b"of a build that died", OCI_LAYER_GZIP)
    context = FileStore(desk.var / "contexts")
    left = context.path_of(context.add(b"of an upload that nobody used"))
    unused = desk.var / "cache" / "files" / "long-unused.whl"
    unused.write_bytes(b"x" * 2_000_000)
    os.utime(unused, (0, 0))
    before = store.tags()
    base = find_base("host", Workshop(store=store, cache=desk.var / "cache"), Quiet())
    with Engine.at(docker_engine.host) as engine:
        given = engine.give(base, store, Quiet())

    young = desk.manage("clean")
    shown = desk.manage("clean", "--hours", "0", "--days", "-1")
    assert store.has(stray.digest)
    assert docker_engine.client.images.get(given)
    assert unused.exists()
    assert left.exists()
    done = desk.manage("clean", "--hours", "0", "--days", "-1", "--yes")

    assert "Store: 0 blobs" in young.stdout, young.stderr
    assert "Build contexts: 0 files" in young.stdout
    assert "Build contexts: 1 files" in done.stdout
    assert not left.exists()
    assert "Cache: 1 files, 2.0 MB." in young.stdout
    assert not unused.exists()
    assert "takes days" in desk.manage("clean", "--cache-days", "-1", "--yes").stderr
    assert "Docker Engine: 0 base images" in young.stdout
    assert "Nothing was deleted" in shown.stdout
    assert f"  {given}: " in shown.stdout
    assert shown.stdout.splitlines()[:-1] == done.stdout.splitlines()[:-1]
    assert not store.has(stray.digest)
    assert store.tags() == before
    assert all(store.whole(manifest) for manifest in before.values())
    assert [i for i in docker_engine.client.images.list() if given in i.tags] == []
    assert given.startswith(BASES)
    again = desk.build("idna==3.10\n", "--name", "kept", "--rebuild")
    assert again.code == 0, again.stderr


def test_a_base_image_of_a_container_is_kept_and_a_missing_engine_is_reported(
    desk: Desk, docker_engine: DockerEngine
) -> None:
    store = BlobStore(desk.var / "store")
    base = find_base("host", Workshop(store=store, cache=desk.var / "cache"), Quiet())
    with Engine.at(docker_engine.host) as engine:
        given = engine.give(base, store, Quiet())
    container = docker_engine.client.containers.create(given, ["true"])

    done = desk.manage("clean", "--days", "-1", "--yes")
    alone = desk.manage("clean", DOCKER_HOST=NOWHERE)

    assert docker_engine.client.images.get(given)
    container.remove()
    docker_engine.client.images.remove(given)
    assert f"  {given}" not in done.stdout
    assert "No Docker Engine is reached" in alone.stdout
