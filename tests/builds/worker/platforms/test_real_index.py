"""One image for amd64 and arm64: Debian's Python and packages of PyPI, of which nothing is run until it is pulled."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from django.conf import settings as studio
from pytest_django import Settings

from builds.images.platforms import deviations, locks_of
from builds.imaging.oci.index import image_of, manifests_of
from builds.imaging.oci.manifest import OCI_INDEX, Descriptor, descriptors_of
from builds.imaging.oci.store import BlobStore
from builds.logs import read_log
from builds.models import BaseImage, Build, BuildState, Image
from builds.queue.requests import request_build
from builds.worker import runner
from environments.definition import read
from environments.definition.model import Selection
from environments.models import Version
from environments.versions.service import save_reading
from tests.builds.imaging.making import as_it_is, make_sdist
from tests.builds.imaging.serving import Index
from tests.builds.scenarios import queue_build, workspace_named
from tests.services.servers.docker_engine import DockerEngine

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

BOTH = ("linux/amd64", "linux/arm64")
MACHINES = {"amd64": 62, "arm64": 183}  # of ELF
TRY = "import markupsafe, packaging, ssl, ctypes; print(markupsafe._escape_inner.__module__, packaging.__version__)"


def saved(base: str, *requirements: str, platforms: tuple[str, ...] = BOTH, name: str = "both") -> Version:
    text = "\n".join(requirements)
    reading = read(text, "requirements.txt", default_image=base, selection=Selection(platforms=platforms))
    assert reading.definition is not None, reading.findings
    return save_reading(workspace_named("lab"), name, reading, source=text).version


def built(version: Version) -> Build:
    build = queue_build(version)
    runner.run_build(build.pk, "a worker of a test")
    build.refresh_from_db()
    assert build.state == BuildState.SUCCEEDED, build.error
    return build


def manifests(image: Image) -> list[Descriptor]:
    store = BlobStore(studio.STORE)
    whole = image_of(store, image.digest)
    assert whole.media_type == OCI_INDEX
    assert store.whole(whole)
    return manifests_of(store, whole)


def layers(manifest: Descriptor) -> list[Descriptor]:
    return descriptors_of(json.loads(BlobStore(studio.STORE).read(manifest.digest)))[1:]


def unpacked(layout: Path, into: Path) -> Path:
    """Unpack an image of an OCI layout that holds no other."""
    index = json.loads((layout / "index.json").read_text())
    blobs = layout / "blobs" / "sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"].removeprefix("sha256:")).read_text())
    into.mkdir()
    for layer in manifest["layers"]:
        with tarfile.open(blobs / layer["digest"].removeprefix("sha256:")) as archive:
            archive.extraction_filter = as_it_is
            archive.extractall(into)  # noqa: S202 (our own)
    return into


def machines(root: Path) -> dict[int, int]:
    """Return how many ELF files there are of each machine, below a folder."""
    counts: dict[int, int] = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                head = file.read(20)
            if head.startswith(b"\x7fELF"):
                machine = int.from_bytes(head[18:20], "little")
                counts[machine] = counts.get(machine, 0) + 1
    return counts


def test_an_image_of_two_platforms_runs_on_both(
    debian_python: str, skopeo: Path, qemu: Path, tmp_path: Path
) -> None:
    workspace = workspace_named("lab")
    workspace.registry = debian_python.partition("/")[0] + "/pushed"
    workspace.save()
    version = saved(debian_python, "markupsafe==3.0.2", "packaging==24.2")

    image = built(version).image

    assert image is not None
    assert image.platforms == "linux/amd64,linux/arm64"
    amd64, arm64 = manifests(image)
    assert (amd64.platform, arm64.platform) == (
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
    )
    shared = {layer.digest for layer in layers(amd64)} & {layer.digest for layer in layers(arm64)}
    assert len(shared) >= 2  # the skeleton, and the layer of what is for any platform
    assert {layer["digest"] for layer in image.layers} == {
        layer.digest for manifest in (amd64, arm64) for layer in layers(manifest)
    }
    assert [
        package.filename
        for lock in locks_of(image).values()
        for package in lock.packages
        if package.name == "markupsafe"
    ] == [
        "MarkupSafe-3.0.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "MarkupSafe-3.0.2-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
    ]
    assert deviations(image) == []

    for architecture in ("amd64", "arm64"):
        layout = tmp_path / architecture
        source = f"docker://{image.pushed_to}@{image.digest}"
        options = ["--insecure-policy", f"--override-arch={architecture}", "copy", "--src-tls-verify=false"]
        subprocess.run([skopeo, *options, "--quiet", source, f"oci:{layout}"], check=True)
        root = unpacked(layout, tmp_path / f"root-{architecture}")
        assert list(machines(root)) == [MACHINES[architecture]]
    root = tmp_path / "root-arm64"
    variables = [
        "-E",
        f"PYTHONPATH={root}/opt/env/lib/python3.11/site-packages",
        "-E",
        f"PYTHONHOME={root}/usr",
    ]
    argv = [str(qemu), "-L", str(root), *variables, f"{root}/usr/bin/python3.11", "-c", TRY]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout == "markupsafe._speedups 24.2\n", done.stderr

    # Equal requests are answered by it, also of a floating base.
    assert request_build(version).image == image
    assert BaseImage.objects.count() == 0


def test_the_second_platform_adds_what_is_its_own(debian_python: str) -> None:
    """Files for any platform are packed once, and a platform has the same layers as alone."""
    alone = built(
        saved(debian_python, "markupsafe==3.0.2", "packaging==24.2", platforms=BOTH[:1], name="alone")
    )
    both = built(saved(debian_python, "markupsafe==3.0.2", "packaging==24.2"))

    assert alone.image is not None
    assert both.image is not None
    assert {layer["digest"] for layer in alone.image.layers} == {
        layer.digest for layer in layers(manifests(both.image)[0])
    }
    log = read_log(both.pk).text
    assert "For linux/arm64, at the same versions where they exist:" in log


@pytest.mark.parametrize("requirements", [["intel-openmp==2025.0.4", "mkl==2025.0.1", "packaging==24.2"]])
def test_packages_without_a_wheel_for_one_platform_are_named_before_anything_is_fetched(
    debian_python: str, requirements: list[str]
) -> None:
    build = queue_build(saved(debian_python, *requirements))
    runner.run_build(build.pk, "a worker of a test")
    build.refresh_from_db()

    assert (build.state, build.error_code) == (BuildState.FAILED, "no-matching-distribution")
    assert "intel-openmp 2025.0.4, mkl 2025.0.1" in build.error
    assert "no wheel for linux/arm64" in build.error
    assert not build.steps.filter(name="fetch").exists()


def test_a_source_is_built_once_and_its_wheel_serves_both_platforms(
    debian_python: str, docker_engine: DockerEngine, tmp_path: Path, settings: Settings
) -> None:
    settings.DOCKER_HOST = docker_engine.host
    make_sdist(tmp_path, "homemade", "1.0")
    index = Index(tmp_path)
    with index.server.running():
        build = built(
            saved(debian_python, f"--extra-index-url {index.url}", "homemade==1.0", "packaging==24.2")
        )

    assert build.image is not None
    assert deviations(build.image) == []
    log = read_log(build.pk).text
    assert log.count("Building a wheel from homemade-1.0.tar.gz") == 1
    digests = [{layer.digest for layer in layers(manifest)} for manifest in manifests(build.image)]
    assert len(digests[0] - digests[1]) == 1  # the base's layer
