"""Bases in use are looked up in their registries, with the credentials of each workspace."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from builds.models import BaseCheck, BaseImage, Image
from builds.rebase.bases import bases_in_use, outdated_by_workspace, outdated_images, request_checks
from builds.rebase.checks import check_due, check_when_due
from environments.connections.service import add_connection
from environments.models import Workspace
from tests.builds.rebase.making import assemble_version, push_base, save_version
from tests.builds.scenarios import image_for, person, save_text, workspace_named
from tests.services.servers.registry import PASSWORD, USER, Registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_store", "either_database")]


def on_base(reference: str, name: str = "forecast", workspace: str = "lab", **fields: object) -> Image:
    """Create an image on a base; nothing is stored."""
    image = image_for(save_text(f"{name}==1\n", name=name, workspace=workspace))
    Image.objects.filter(pk=image.pk).update(base=reference, **fields)
    return image


def all_of(name: str = "lab") -> list[Workspace]:
    return [workspace_named(name)]


def test_a_moved_tag_a_newer_patch_and_the_age_are_shown_once_they_are_looked_up(
    own_store: Path, team: str, wheel: Path
) -> None:
    push_base(own_store, f"{team}/python:3.11.9", created="2026-01-01T00:00:00Z")
    assemble_version(save_version(f"{team}/python:3.11.9"), wheel)
    (before,) = bases_in_use(all_of())
    assert (before.moved, before.newer, before.old, before.images) == (False, "", True, 1)
    moved = push_base(own_store, f"{team}/python:3.11.9", note="second", created="2026-06-01T00:00:00Z")
    for number in (*range(20), 100):
        push_base(own_store, f"{team}/python:3.11.{number}", note="second" if number == 9 else "other")
    moved = push_base(own_store, f"{team}/python:3.11.9", note="second", created="2026-06-01T00:00:00Z")

    assert request_checks(all_of()) == 1
    assert check_due() == 1
    assert check_due() == 0
    assert request_checks(all_of()) == 0  # it was a moment ago

    (base,) = bases_in_use(all_of())
    assert base.check is not None
    assert base.check.digest == moved
    assert (base.moved, base.newer) == (True, f"{team}/python:3.11.100")
    assert base.owner == team
    assert outdated_images(all_of()).count() == 1


def test_each_workspace_looks_with_its_own_credentials(
    own_store: Path, private_registry: Registry, wheel: Path
) -> None:
    reference = f"{private_registry.address}/secret/python:1"
    on_base(reference)
    on_base(reference, workspace="shop")
    add_connection(
        workspace_named("shop"), "registry", private_registry.address, USER, PASSWORD, person("ann")
    )
    request_checks([*all_of("lab"), *all_of("shop")])
    check_due()

    problems = dict(BaseCheck.objects.values_list("workspace__name", "problem"))
    assert "does not let the studio pull" in problems["lab"]
    assert "There is no image" in problems["shop"]


def test_an_address_that_the_policy_refuses_is_not_connected_to(settings: Settings) -> None:
    from environments.network.policy import EgressPolicy

    settings.EGRESS_POLICY = EgressPolicy()
    on_base("127.0.0.1:1/team/python:1")
    request_checks(all_of())
    check_due()

    assert "127.0.0.1" in BaseCheck.objects.get().problem
    assert BaseCheck.objects.get().checked_at is None


def test_the_schedule_queues_bases_that_are_used_and_forgets_others(settings: Settings) -> None:
    on_base("127.0.0.1:1/team/python:1")
    on_base("host", name="other")
    lab = workspace_named("lab")
    BaseCheck.objects.create(workspace=lab, reference="gone:1", next_at=timezone.now())
    settings.BASE_CHECK_SECONDS = 0
    assert check_when_due() == 0
    settings.BASE_CHECK_SECONDS = 3600
    assert check_when_due() == 1

    (check,) = BaseCheck.objects.all()
    assert check.reference == "127.0.0.1:1/team/python:1"
    assert check.problem
    assert check.next_at is not None
    assert check.next_at > timezone.now() + timedelta(minutes=50)
    assert not BaseImage.objects.exists()


def test_outdated_images_are_counted_by_workspace_and_reason(
    django_assert_num_queries: DjangoAssertNumQueries, settings: Settings
) -> None:
    settings.BASE_DAYS = 30
    now = timezone.now()
    on_base("a:1", "old", base_created_at=now - timedelta(days=31))
    on_base("b:1", "fresh", base_created_at=now - timedelta(days=29))
    on_base("c:1", "moved", base_digest="sha256:old")
    on_base("c:1", "both", base_digest="sha256:old", base_created_at=now - timedelta(days=31))
    on_base("d:1", "replaced", base_created_at=now - timedelta(days=99), current=False)
    on_base("a:1", "theirs", workspace="shop")
    BaseCheck.objects.create(workspace=workspace_named("lab"), reference="c:1", digest="sha256:new")

    with django_assert_num_queries(2):
        rows = outdated_by_workspace()

    assert [(row.workspace, row.images, row.outdated, row.moved, row.old) for row in rows] == [
        ("lab", 4, 3, 2, 2),
        ("shop", 1, 0, 0, 0),
    ]
