"""The versions that share an image are named to those who see them, and counted for all others."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from builds.pages.sharing import Sharing, sharing_of
from builds.queue.requests import request_build
from environments.models import Role, Version
from tests.builds.scenarios import (
    browser_of,
    person,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)
from tests.studio.html import collapsed

pytestmark = pytest.mark.django_db


def sharing(version: Version, user: User) -> Sharing:
    return sharing_of(version.environment.workspace, [version.hash], user)[version.hash]


def test_a_rebuild_names_every_version_that_shares_the_image() -> None:
    """Rule 16."""
    version, *_ = [save_text("a==1\n", name=name) for name in ("one", "two", "three")]
    save_text("b==1\n", name="other")

    shared = sharing(version, person("rita", lab=Role.READER))

    assert [str(each) for each in shared.seen] == ["one:1", "three:1", "two:1"]
    assert shared.every == shared.seen
    assert [str(each) for each in shared.without(version).seen] == ["three:1", "two:1"]


def test_an_image_of_no_version_is_shared_by_none() -> None:
    lab = workspace_named("lab")

    assert sharing_of(lab, ["0" * 64], person("rita", lab=Role.READER)) == {"0" * 64: Sharing()}


def test_an_image_of_the_catalogue_names_the_versions_of_the_users_own_workspaces() -> None:
    curated = save_text("a==1\n", name="zebra", workspace="curated")
    for workspace in ("lab", "mine", "other"):
        save_text("a==1\n", name=f"in-{workspace}", workspace=workspace)
    member = person("mia", mine=Role.READER)

    shared = sharing(curated, member)

    assert [str(each) for each in shared.seen] == ["zebra:1", "in-mine:1"]  # its own first
    assert shared.hidden == 2
    assert sharing(curated, User.objects.create_superuser("root")).hidden == 0


def test_a_rebuild_in_the_catalogue_counts_what_the_curator_cannot_see() -> None:
    curated = save_text("a==1\n", name="AzureML-a", workspace="curated")
    succeed_build(queue_build(curated))
    for workspace in ("secret-lab", "secret-room"):
        request_build(save_text("a==1\n", name="plan", workspace=workspace))
    curator = person("cora", curated=Role.CONTRIBUTOR)

    page = collapsed(
        browser_of(curator).get("/w/curated/environments/AzureML-a/versions/1/rebuild/").content.decode()
    )

    assert "3 versions share this image and will get the new one" in page
    assert "2 versions in workspaces that you can't see" in page
    assert "secret" not in page


def test_an_image_of_the_catalogue_is_called_by_its_curated_name() -> None:
    curated = save_text("a==1\n", name="zebra", workspace="curated")
    image = succeed_build(queue_build(curated))
    save_text("a==1\n", name="ape", workspace="mine")
    browser = browser_of(person("mia", mine=Role.READER))

    page = collapsed(browser.get(f"/w/curated/images/{image.digest}/").content.decode())

    assert "<h1>zebra:1</h1>" in page
    assert ">mine/ape:1</a>" in page
    listed = browser.get(f"/api/v1/workspaces/curated/images/{image.digest}/").json()
    assert listed["shared_by"] == ["curated/zebra:1", "mine/ape:1"]
