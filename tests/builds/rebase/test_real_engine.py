"""A rebased image is pulled by a real engine, from the registry and by name, and its Python imports its package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_django import Settings

from builds.imaging.bases.find import find_base
from builds.imaging.oci.index import image_of
from builds.imaging.oci.manifest import OCI_CONFIG, OCI_MANIFEST, Descriptor
from builds.imaging.publish.push import push
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from builds.rebase.single import rebase
from builds.worker.publish import push_missing_tags
from builds.worker.steps import make_workshop
from tests.builds.rebase.making import assemble_version, layer_of, save_version
from tests.builds.rebase.test_rebasing import in_registry
from tests.services.fixtures import HostWorkshop
from tests.services.servers.docker_engine import DockerEngine

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_an_engine_pulls_and_runs_a_rebased_image(
    tmp_path: Path,
    team: str,
    wheel: Path,
    host_workshop: HostWorkshop,
    docker_engine: DockerEngine,
    settings: Settings,
) -> None:
    vendor = host_workshop(tmp_path)
    settings.STORE, settings.CACHE = tmp_path / "store", tmp_path / "cache"
    in_registry(team)
    host = find_base("host", vendor, Quiet())
    push(image_of(vendor.store, host.digest), f"{team}/python:3.11", vendor, Quiet())
    old = assemble_version(save_version(f"{team}/python:3.11"), wheel)
    push_missing_tags(lambda logins: make_workshop(logins=logins))
    push(patched(vendor, host.digest), f"{team}/python:3.11", vendor, Quiet())

    new = rebase(old)

    engine = docker_engine.client
    engine.images.pull(f"{team}/lab/forecast", tag="1")
    script = "import shop, sys; print(open('/etc/note').read(), shop.x, sys.prefix)"
    printed = engine.containers.run(f"{team}/lab/forecast:1", ["python", "-c", script], remove=True)
    assert printed.decode().split() == ["patched", "1", "/opt/env"]
    before = engine.images.pull(f"{team}/lab/{old.repository}@{old.digest}")
    assert before.labels["org.opencontainers.image.base.digest"] == host.digest != new.base_digest


def patched(vendor: Workshop, digest: str) -> Descriptor:
    """Store a base with another file on top, and return its manifest."""
    store = vendor.store
    manifest = json.loads(store.read(digest))
    config = json.loads(store.read(manifest["config"]["digest"]))
    layer, diff_id = layer_of({"etc/note": "patched"}, store)
    config["rootfs"]["diff_ids"].append(diff_id)
    config["history"].append({"created_by": "COPY note"})
    manifest["layers"].append(layer.to_json())
    manifest["config"] = store.put(json.dumps(config).encode(), OCI_CONFIG).to_json()
    return store.put(json.dumps(manifest).encode(), OCI_MANIFEST)
