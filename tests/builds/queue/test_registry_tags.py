"""Which tags are missing in the registries of workspaces. On both databases."""

from __future__ import annotations

import pytest

from builds.models import Image, PushedTag
from builds.queue import registry_tags
from builds.queue.registry_tags import (
    claim,
    clashing,
    missing_tags,
    pushed_names,
    record_failed,
    record_pushed,
)
from environments.models import Version, Workspace
from environments.versions.service import archive_version
from tests.builds.scenarios import image_for, person, save_text, workspace_named

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_database")]

REGISTRY = "registry.example.com/ml"


@pytest.fixture
def lab() -> Workspace:
    lab = workspace_named("lab")
    lab.registry = REGISTRY
    lab.save()
    return lab


def build(version: Version, registry: str = REGISTRY) -> Image:
    """Create a version's image, as a build that has pushed it does."""
    image = image_for(version)
    image.pushed_to = f"{registry}/{image.repository}"
    image.save()
    return image


def missing() -> list[str]:
    return [tag.reference.removeprefix(f"{REGISTRY}/") for tag in missing_tags()]


def push_all() -> None:
    for tag in missing_tags():
        row = claim(tag)
        assert row is not None
        record_pushed(row, tag)


def test_a_build_leaves_the_names_of_all_its_versions_to_push_and_latest_last(lab: Workspace) -> None:
    build(save_text("numpy\n"))
    save_text("numpy\n", name="Twin")
    save_text("six\n", name="other")

    assert missing()[:1] == ["forecast:1"]
    assert sorted(missing()) == sorted(
        ["forecast:1", "twin--eac9f8c23aa5:1", "forecast:latest", "twin--eac9f8c23aa5:latest"]
    )
    assert [name.partition(":")[2] for name in missing()] == ["1", "1", "latest", "latest"]
    push_all()
    assert missing() == []


def test_a_version_that_finds_an_image_gets_its_name_and_latest(lab: Workspace) -> None:
    build(save_text("numpy\n"))
    push_all()
    save_text("six\n")
    assert missing() == []  # no image yet: `latest` stays where it is

    third = save_text("numpy\n", version="3.0+a")

    assert missing() == ["forecast:_3.0_.a"]  # `latest` names this image already
    push_all()
    image = Image.objects.get()
    assert pushed_names([(image, third)]) == {(third.pk, image.digest): f"{REGISTRY}/forecast:_3.0_.a"}


def test_a_rebuild_an_archived_version_and_another_registry_move_names(lab: Workspace) -> None:
    build(save_text("numpy\n"))
    second = save_text("six\n")
    build(second)
    push_all()

    archive_version(second, person("olga"))
    assert missing() == ["forecast:latest"]
    push_all()

    Image.objects.filter(hash=second.hash).update(digest="sha256:rebuilt")
    assert missing() == ["forecast:2"]
    push_all()

    lab.registry = "other.example.com/ml"
    lab.save()
    assert missing() == []  # the images are not there
    for image in Image.objects.all():
        image.pushed_to = f"{lab.registry}/{image.repository}"
        image.save()
    assert len(missing()) == 3


def test_without_a_registry_nothing_is_missing() -> None:
    image_for(save_text("numpy\n"))

    assert missing() == []


def test_a_claimed_tag_is_nobody_elses_and_one_that_failed_waits_longer_each_time(lab: Workspace) -> None:
    build(save_text("numpy\n"))
    tag, latest = missing_tags()
    row = claim(tag)
    assert row is not None
    assert claim(tag) is None
    assert missing() == ["forecast:latest"]

    pauses = []
    for _ in range(3):
        row.refresh_from_db()
        record_failed(row, "The registry does not answer.")
        assert claim(tag) is None
        before = row.next_at
        row.refresh_from_db()
        assert before != row.next_at
        pauses.append(row.attempts)
    assert pauses == [1, 2, 3]
    assert {tag.version for tag in missing_tags(at_once=True)} == {tag.version, None}
    assert claim(tag, at_once=True) is not None
    record_pushed(row, tag)
    row.refresh_from_db()
    assert (row.problem, row.attempts, row.digest) == ("", 0, tag.image.digest)
    assert latest.reference == f"{REGISTRY}/forecast:latest"


def test_two_workspaces_with_one_registry_never_share_a_name(lab: Workspace) -> None:
    first, second = save_text("numpy\n"), save_text("six\n", workspace="shop")
    shop = second.environment.workspace
    shop.registry = REGISTRY
    shop.save()
    build(first)
    build(second)
    build(save_text("idna\n", name="own", workspace="shop"))

    assert sorted(missing()) == ["forecast:1", "forecast:latest", "own:1", "own:latest"]
    push_all()
    assert list(clashing(shop)) == [second.environment]
    assert not clashing(lab).exists()
    assert pushed_names([(Image.objects.get(hash=second.hash), second)]) == {}
    assert not PushedTag.objects.filter(environment=second.environment).exists()


def test_a_batch_is_bounded(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_tags, "BATCH", 3)
    for number in range(3):
        build(save_text(f"numpy=={number}\n"))

    assert missing() == ["forecast:1", "forecast:2", "forecast:3"]
    push_all()
    assert missing() == ["forecast:latest"]
