"""Finding a base image: in the studio's own store, its registry, among the engine's own images."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django import Settings

from builds.engine import build_base
from builds.engine.connection import BASES, LABEL, Engine
from builds.imaging.bases.find import find_base
from builds.imaging.bases.model import Base
from builds.imaging.oci.index import manifests_of
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from builds.models import Image
from builds.worker.bases import resolve_base
from environments.models import Version, Workspace
from tests.builds.distribution import store_index
from tests.builds.engine.test_engine import NOWHERE, PROGRAMS, Listener, definition
from tests.builds.scenarios import save_text
from tests.services.machine_image import import_machine_image
from tests.services.servers.docker_engine import DockerEngine

PLATFORM = "linux/amd64"
NAME = "studio-tests/own:1"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    store = BlobStore(tmp_path / "store")
    return Workshop(store=store, cache=tmp_path / "cache", mirrors={"docker.io": "127.0.0.1:1"})


@pytest.fixture
def lab(db: None) -> Workspace:
    return Workspace.objects.create(name="lab", title="Lab")


@pytest.fixture
def own(docker_engine: DockerEngine, settings: Settings) -> Iterator[str]:
    """An image that only the engine has."""
    settings.DOCKER_HOST = docker_engine.host
    settings.LOCAL_IMAGES = True
    image = import_machine_image(docker_engine.client, "studio-tests/own", PROGRAMS)
    docker_engine.client.images.get(image).tag("studio-tests/own", "1")
    yield image
    docker_engine.client.images.remove(image, force=True)


@pytest.fixture(autouse=True)
def no_docker_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builds.imaging.registry_client.HUB_HOST", "127.0.0.1:1")


def resolved(
    lab: Workspace, workshop: Workshop, reference: str = NAME, reporter: Listener | None = None
) -> Base:
    return resolve_base(lab, reference, workshop, reporter or Listener(), platform=PLATFORM)


def test_what_no_registry_gives_is_taken_from_the_engine_once(
    own: str, lab: Workspace, workshop: Workshop
) -> None:
    listener = Listener()

    first = resolved(lab, workshop, reporter=listener)
    again = resolved(lab, workshop)

    assert f"docker.io/{NAME} is taken from the Docker Engine's own images." in "\n".join(listener.lines)
    assert (first.cached, again.cached, again.digest) == (False, True, first.digest)
    assert workshop.store.whole(
        Descriptor(media_type="", digest=first.digest, size=workshop.store.size(first.digest))
    )
    assert first.probe.libc == "glibc"


def test_where_several_share_a_studio_the_engines_own_images_are_nobodys(
    own: str, lab: Workspace, workshop: Workshop, settings: Settings, docker_engine: DockerEngine
) -> None:
    settings.LOCAL_IMAGES = False

    with pytest.raises(ImageError) as failed:
        resolved(lab, workshop)
    with pytest.raises(ImageError) as failed_too:
        build_base(definition(f"FROM {NAME}\nRUN echo a > /tmp/a\n"), workshop, Quiet())

    assert failed.value.code == failed_too.value.code == "registry-unreachable"


def test_what_the_studio_gave_to_the_engine_is_nobodys_to_find(
    own: str, lab: Workspace, workshop: Workshop, docker_engine: DockerEngine
) -> None:
    """A base of another workspace's private registry stays in the engine for its next build."""
    base = replace(resolved(lab, workshop), reference="private.example/base:1")
    with Engine.at(docker_engine.host) as engine:
        name = engine.give(base, workshop.store, Quiet())
    image = docker_engine.client.images.get(name)
    image.tag("studio-tests/renamed", "1")

    try:
        assert LABEL in image.labels
        for reference in (name, "studio-tests/renamed:1"):
            with pytest.raises(ImageError, match="no image of that name either"):
                resolved(lab, workshop, reference)
            with pytest.raises(ImageError):
                build_base(definition(f"FROM {reference}\n"), workshop, Quiet())
    finally:
        docker_engine.client.images.remove("studio-tests/renamed:1")
        docker_engine.client.images.remove(name)
    assert name.startswith(BASES)


def test_an_image_is_not_found_by_its_id(own: str, lab: Workspace, workshop: Workshop) -> None:
    with pytest.raises(ImageError):
        resolved(lab, workshop, own.removeprefix("sha256:")[:12])


def test_without_an_engine_the_registrys_error_is_raised(
    lab: Workspace, workshop: Workshop, settings: Settings
) -> None:
    settings.DOCKER_HOST, settings.LOCAL_IMAGES = NOWHERE, True

    with pytest.raises(ImageError, match="Can't reach") as failed:
        resolved(lab, workshop)

    assert failed.value.code == "registry-unreachable"


def test_an_image_for_another_processor_is_not_taken(own: str, lab: Workspace, workshop: Workshop) -> None:
    with pytest.raises(ImageError, match="made for linux/amd64, not for linux/arm64"):
        resolve_base(lab, NAME, workshop, Listener(), platform="linux/arm64")


def test_of_an_index_in_this_studio_the_first_manifest_for_the_platform_is_built_on(
    lab: Workspace, workshop: Workshop, settings: Settings
) -> None:
    tars = [io.BytesIO() for _ in range(3)]
    for number, content in enumerate(tars):
        with tarfile.open(fileobj=content, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(f"file-{number}"))
    layers = [content.getvalue() for content in tars]
    image = store_index(workshop.store, *layers, architectures=("arm64", "amd64", "amd64"))
    arm, amd, _ = manifests_of(workshop.store, image)
    repository = f"azureml/azureml_{'b' * 32}"
    Image.objects.create(
        workspace=lab, hash="b" * 32, repository=repository, digest=image.digest, size=1, base="host"
    )
    reference = f"localhost:{settings.PORT}/lab/{repository}"

    assert resolved(lab, workshop, reference).digest == amd.digest
    base = resolve_base(lab, reference, workshop, Listener(), platform="linux/arm64")
    assert (base.digest, base.probe.architecture) == (arm.digest, "arm64")
    with pytest.raises(ImageError, match="not made for linux/s390x: linux/amd64, linux/arm64") as refused:
        resolve_base(lab, reference, workshop, Listener(), platform="linux/s390x")
    assert refused.value.code == "base-not-found"


@pytest.mark.slow
def test_an_image_of_this_studio_is_built_on_by_those_who_may_pull_it(
    lab: Workspace, workshop: Workshop, settings: Settings
) -> None:
    host = find_base("host", workshop, Listener())
    stranger = Workspace.objects.create(name="stranger", title="Stranger")
    repository = f"azureml/azureml_{'a' * 32}"
    Image.objects.create(
        workspace=lab, hash="a" * 32, repository=repository, digest=host.digest, size=1, base="host"
    )
    reference = f"localhost:{settings.PORT}/lab/{repository}"

    assert resolved(lab, workshop, reference).digest == host.digest
    assert resolved(lab, workshop, f"{reference}@{host.digest}").probe == host.probe
    with pytest.raises(ImageError, match="that workspace stranger can use") as refused:
        resolved(stranger, workshop, reference)
    assert refused.value.code == "image-not-found"
    save_text("numpy\n", name="forecast")
    Image.objects.update(hash=Version.objects.get().hash)
    by_name = f"localhost:{settings.PORT}/lab/forecast"
    names = ("", ":1", ":latest", f"@{host.digest}", f":1@{host.digest}")
    assert {resolved(lab, workshop, by_name + name).digest for name in names} == {host.digest}
    for unknown in (":2", f"@sha256:{'0' * 64}"):
        with pytest.raises(ImageError, match="This studio has no image"):
            resolved(lab, workshop, by_name + unknown)
    with pytest.raises(ImageError, match="that workspace stranger can use"):
        resolved(stranger, workshop, by_name)
    lab.anonymous_pull = True
    lab.save()
    assert resolved(stranger, workshop, reference).digest == host.digest
    assert resolved(stranger, workshop, by_name).digest == host.digest
