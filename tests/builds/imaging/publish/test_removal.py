"""Tags are removed from a real registry alone, with deletion enabled and disabled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from builds.imaging.oci.manifest import OCI_MANIFEST, Descriptor
from builds.imaging.publish.push import push
from builds.imaging.publish.removal import remove_tag
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from environments.network.credentials import Login, Logins
from tests.builds.distribution import store_image
from tests.services import parts
from tests.services.fixtures import need, running
from tests.services.servers.registry import Registry


class Undeletable(Registry):
    """A registry as Debian's package configures it: without deletion."""

    def config(self) -> dict[str, object]:
        config = super().config()
        config["storage"] = {"filesystem": {"rootdirectory": str(self.storage)}}
        return config


@pytest.fixture(scope="module")
def undeletable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    need(parts.REGISTRY)
    yield from running(Undeletable(tmp_path_factory.mktemp("undeletable") / "registry"))


@pytest.fixture
def image(workshop: Workshop) -> Descriptor:
    return store_image(workshop.store, b"\0" * 1024)


def digest_of(registry: Registry, name: str, tag: str) -> str:
    answer = httpx.get(
        f"{registry.url}/v2/{name}/manifests/{tag}",
        headers={"Accept": OCI_MANIFEST},
        auth=registry.auth,
        trust_env=False,
    )
    return str(answer.headers["Docker-Content-Digest"])


def repository(tmp_path: Path) -> str:
    return f"remove/{tmp_path.name.replace('_', '-')}"


def test_a_tag_is_removed_and_others_of_the_same_image_stay(
    workshop: Workshop, tmp_path: Path, registry: Registry, image: Descriptor
) -> None:
    name = repository(tmp_path)
    for tag in ("1", "prod", "latest"):
        push(image, f"{registry.address}/{name}:{tag}", workshop, Quiet())
    remove_tag(f"{registry.address}/{name}:prod", workshop)
    assert registry.tags(name) == ["1", "latest"]
    assert digest_of(registry, name, "1") == image.digest
    remove_tag(f"{registry.address}/{name}:prod", workshop)  # it is gone already
    push(image, f"{registry.address}/{name}:prod", workshop, Quiet())
    assert digest_of(registry, name, "prod") == image.digest


def test_a_registry_that_deletes_nothing_is_left_as_it_was(
    workshop: Workshop, tmp_path: Path, undeletable: Registry, image: Descriptor
) -> None:
    name = repository(tmp_path)
    for tag in ("1", "prod"):
        push(image, f"{undeletable.address}/{name}:{tag}", workshop, Quiet())
    with pytest.raises(ImageError, match="does not allow deletion") as problem:
        remove_tag(f"{undeletable.address}/{name}:prod", workshop)
    assert problem.value.code == "registry-refused"
    assert digest_of(undeletable, name, "prod") == image.digest
    assert json.dumps(undeletable.tags(name)) == '["1", "prod"]'


def test_a_login_is_sent_where_the_registry_requires_it(
    workshop: Workshop, tmp_path: Path, private_registry: Registry, image: Descriptor
) -> None:
    name = repository(tmp_path)
    login = Login("registry", private_registry.url, private_registry.user, private_registry.password)
    with_login = replace(workshop, logins=Logins([login]))
    push(image, f"{private_registry.address}/{name}:prod", with_login, Quiet())
    with pytest.raises(ImageError):
        remove_tag(f"{private_registry.address}/{name}:prod", workshop)
    remove_tag(f"{private_registry.address}/{name}:prod", with_login)
    assert private_registry.tags(name) == []
