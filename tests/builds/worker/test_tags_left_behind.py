"""The tags of removed labels leave the workspace's registry, or the page says that they stay."""

from __future__ import annotations

import pytest
from django.conf import settings

from builds.imaging.oci.store import BlobStore
from builds.imaging.publish.push import push
from builds.imaging.reporting import Quiet
from builds.models import PushedTag
from builds.queue import registry_tags
from builds.worker import publish, steps
from environments.models import Role, Version, Workspace
from environments.versions.labels import remove_label, set_label
from tests.builds.distribution import store_image
from tests.builds.imaging.publish.test_removal import undeletable  # noqa: F401 (a fixture)
from tests.builds.scenarios import browser_of, person, save_text
from tests.services.servers.registry import Registry

pytestmark = pytest.mark.django_db


def pushed_label(registry: Registry, name: str) -> Version:
    """Return a version whose labels `prod` and `kept` are in the workspace's registry."""
    version = save_text("numpy==2.1.3", name=name)
    Workspace.objects.filter(name="lab").update(registry=f"{registry.address}/left")
    image = store_image(BlobStore(settings.STORE), b"\0" * 512)
    for label in ("prod", "kept"):
        set_label(version, label, user=None)
        push(image, f"{registry.address}/left/{name}:{label}", steps.make_workshop(), Quiet())
        PushedTag.objects.create(
            environment=version.environment,
            label=label,
            registry=f"{registry.address}/left",
            digest=image.digest,
        )
    return version


def remove_tags() -> None:
    publish.remove_tags_left_behind(lambda logins: steps.make_workshop(logins=logins))


def test_a_removed_label_leaves_no_tag(registry: Registry) -> None:
    version = pushed_label(registry, "gone")
    remove_tags()
    assert registry.tags("left/gone") == ["kept", "prod"]
    remove_label(version.environment, "prod", user=None)
    remove_tags()
    assert registry.tags("left/gone") == ["kept"]
    assert list(PushedTag.objects.values_list("label", flat=True)) == ["kept"]


def test_a_tag_that_a_registry_keeps_is_on_the_page(undeletable: Registry) -> None:  # noqa: F811
    version = pushed_label(undeletable, "stays")
    remove_label(version.environment, "prod", user=None)
    reader = browser_of(person("cora", lab=Role.CONTRIBUTOR))
    pages = ("/w/lab/environments/stays/?tab=versions", "/w/lab/environments/stays/versions/1/label/")
    assert all("is still in the registry" not in reader.get(page).text for page in pages)
    remove_tags()
    assert undeletable.tags("left/stays") == ["kept", "prod"]
    for page in pages:
        text = reader.get(page).text
        assert f"{undeletable.address}/left/stays:prod</code> is still in the registry" in text
        assert "does not allow deletion." in text
    assert registry_tags.claim_left_behind() == []  # until tomorrow
    set_label(version, "prod", user=None)
    assert "is still in the registry" not in reader.get(pages[0]).text


def test_a_registry_out_of_reach_is_tried_again_soon(registry: Registry) -> None:
    version = pushed_label(registry, "later")
    remove_label(version.environment, "prod", user=None)
    Workspace.objects.filter(name="lab").update(registry="127.0.0.1:1/left")
    PushedTag.objects.update(registry="127.0.0.1:1/left")
    remove_tags()
    row = PushedTag.objects.get(label="prod")
    assert (row.attempts, "127.0.0.1:1" in row.problem) == (1, True)
