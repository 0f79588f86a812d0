"""Images in gzip, zstd and both: whole builds, and the engines that pull them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from builds.imaging.oci.manifest import INDEXES, MANIFESTS, OCI_INDEX, OCI_LAYER_GZIP, OCI_LAYER_ZSTD
from builds.imaging.oci.store import BlobStore
from tests.services.servers.docker_engine import DockerEngine
from tests.services.servers.registry import Registry
from tests.studio.management.commands import Desk, Done

pytestmark = pytest.mark.slow

IDNA = "idna==3.10\n"
ANNOTATION = "io.github.containers.compression.zstd"  # by which containers/image prefers a manifest


def built(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.stderr
    result: dict[str, Any] = done.result
    return result


def document(desk: Desk, digest: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(BlobStore(desk.var / "store").read(digest))
    return result


def added_layers(desk: Desk, digest: str) -> set[str]:
    """Return the media types of the layers above the base's."""
    return {layer["mediaType"] for layer in document(desk, digest)["layers"][1:]}


def diff_ids(desk: Desk, digest: str) -> list[str]:
    config = document(desk, document(desk, digest)["config"]["digest"])
    result: list[str] = config["rootfs"]["diff_ids"]
    return result


@dataclass(frozen=True)
class Made:
    """A studio whose image was built before anybody chose a compression, requested with zstd, and then rebuilt."""

    desk: Desk
    gzip: dict[str, Any]
    equal: dict[str, Any]
    zstd: dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, stock: Path) -> Made:
    desk = Desk.stocked(stock, tmp_path_factory.mktemp("compression"))
    gzip = built(desk.build(IDNA, "--name", "one"))
    equal = built(desk.build(IDNA, "--name", "one", STUDIO_COMPRESSION="zstd"))
    zstd = built(desk.build(IDNA, "--name", "one", "--rebuild", STUDIO_COMPRESSION="zstd"))
    return Made(desk, gzip, equal, zstd)


def test_an_equal_build_takes_the_image_in_another_compression_and_a_rebuild_makes_its_own(
    made: Made,
) -> None:
    desk, before = made.desk, made.gzip

    assert (made.equal["digest"], made.equal["reused"]) == (before["digest"], True)
    assert made.zstd["digest"] != before["digest"]
    assert added_layers(desk, before["digest"]) == {OCI_LAYER_GZIP}
    assert added_layers(desk, made.zstd["digest"]) == {OCI_LAYER_ZSTD}
    assert diff_ids(desk, made.zstd["digest"]) == diff_ids(desk, before["digest"])


def test_an_image_in_zstd_is_a_base_and_packages_go_on_top_of_it(made: Made) -> None:
    definition = {
        "image": f"127.0.0.1:8000/{made.zstd['image']}",
        "conda_file": {"dependencies": ["python", {"pip": ["six==1.17.0"]}]},
    }

    second = built(made.desk.build(json.dumps(definition), "--name", "two", name="environment.yml"))

    layers = document(made.desk, second["digest"])["layers"]
    assert {layer["mediaType"] for layer in layers} == {OCI_LAYER_GZIP, OCI_LAYER_ZSTD}


def test_both_is_an_index_with_gzip_first_that_old_engines_pull(
    made: Made, registry: Registry, docker_engine: DockerEngine, skopeo: Path, tmp_path: Path
) -> None:
    desk, old, zstd = made.desk, made.gzip["digest"], made.zstd["digest"]
    prefix = f"both-{tmp_path.name.replace('_', '-')}"
    done = desk.manage("registry", "default", f"{registry.address}/{prefix}")
    assert done.code == 0, done.stderr

    both = built(desk.build(IDNA, "--name", "one", "--rebuild", STUDIO_COMPRESSION="both"))

    index = document(desk, both["digest"])
    assert index["mediaType"] == OCI_INDEX
    # The same manifests as on their own.
    assert [entry["digest"] for entry in index["manifests"]] == [old, zstd]
    assert [entry.get("annotations") for entry in index["manifests"]] == [None, {ANNOTATION: "true"}]
    name = f"{registry.address}/{prefix}/{both['image'].partition('/')[2]}"
    repository = name.partition("/")[2]
    accept = {"Accept": ", ".join(MANIFESTS + INDEXES)}
    answer = httpx.get(f"{registry.url}/v2/{repository}/manifests/latest", headers=accept, trust_env=False)
    assert answer.headers["Docker-Content-Digest"] == both["digest"]
    docker_engine.client.images.pull(name, tag="latest")
    try:
        output = docker_engine.client.containers.run(
            name, ["python", "-c", "import idna; print(idna.__version__)"], remove=True, network_mode="none"
        )
        assert output.decode().strip() == "3.10"
    finally:
        docker_engine.client.images.remove(name, force=True)
    # A client that reads zstd gets it by its digest.
    target = tmp_path / "copied"
    copied = subprocess.run(
        [skopeo, "copy", "--src-tls-verify=false", f"docker://{name}@{zstd}", f"oci:{target}:copy"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert copied.returncode == 0, copied.stderr
    assert BlobStore(target).find("copy") is not None
