"""Images of several platforms and compressions on another base: what a build on it makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builds.images.platforms import locks_of
from builds.imaging.reporting import ImageError
from builds.models import Image, PushedTag
from builds.rebase.single import rebase
from builds.worker.publish import push_missing_tags
from builds.worker.steps import make_workshop
from environments.connections.service import add_connection, workspace_logins
from tests.builds.rebase.making import assemble_version, push_base, save_version, store
from tests.builds.scenarios import person, workspace_named
from tests.services.processes import free_port
from tests.services.servers.registry import PASSWORD, USER, Registry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]

BOTH = ["linux/amd64", "linux/arm64"]


def test_an_index_of_two_platforms_in_gzip_and_zstd_is_what_a_build_makes(
    own_store: Path, team: str, wheel: Path
) -> None:
    architectures = ["amd64", "arm64"]
    push_base(own_store, f"{team}/python:3.11", architectures=architectures)
    version = save_version(f"{team}/python:3.11", platforms=BOTH)
    old = assemble_version(version, wheel, compressions=["gzip", "zstd"])
    digest = push_base(
        own_store, f"{team}/python:3.11", architectures=architectures, python="3.11.10", note="second"
    )

    new = rebase(old)

    assert new.base_digest == digest
    assert len(json.loads(store().read(new.digest))["manifests"]) == 4
    assert list(locks_of(new)) == BOTH
    rows = {row.platform: (row.digest, row.python) for row in new.platform_rows.all()}
    Image.objects.all().delete()
    built = assemble_version(version, wheel, compressions=["gzip", "zstd"])
    assert (built.digest, built.layers) == (new.digest, new.layers)
    assert rows == {row.platform: (row.digest, row.python) for row in built.platform_rows.all()}


def test_a_base_with_an_environment_of_its_own_is_hidden_and_a_plain_one_is_not(
    own_store: Path, team: str, wheel: Path
) -> None:
    push_base(own_store, f"{team}/python:3.11", env=["VIRTUAL_ENV=/opt/env"])
    version = save_version(f"{team}/python:3.11")
    hidden = assemble_version(version, wheel)
    push_base(own_store, f"{team}/python:3.11", note="plain")
    plain = rebase(hidden)
    push_base(own_store, f"{team}/python:3.11", env=["VIRTUAL_ENV=/opt/env"])

    again = rebase(plain)

    assert len(plain.layers) == len(hidden.layers) - 1
    assert again.digest == hidden.digest
    assert again.pk == hidden.pk
    hidden.refresh_from_db()
    assert hidden.current


def test_names_follow_in_a_registry_that_wants_a_login(
    own_store: Path, team: str, wheel: Path, private_registry: Registry
) -> None:
    lab = workspace_named("lab")
    lab.registry = f"{private_registry.address}/{team.rpartition('/')[2]}"
    lab.save()
    add_connection(lab, "registry", private_registry.address, USER, PASSWORD, person("ann"))
    push_base(own_store, f"{team}/python:3.11")
    workshop = make_workshop(logins=workspace_logins(lab))
    old = assemble_version(save_version(f"{team}/python:3.11"), wheel, workshop=workshop)
    push_missing_tags(lambda logins: make_workshop(logins=logins))
    push_base(own_store, f"{team}/python:3.11", note="second")

    new = rebase(old)

    assert new.pushed_to == old.pushed_to
    assert private_registry.tags(f"{team.rpartition('/')[2]}/forecast") == ["1", "latest"]
    assert set(PushedTag.objects.values_list("digest", "problem")) == {(new.digest, "")}


def test_a_registry_that_is_away_leaves_the_old_image(own_store: Path, team: str, wheel: Path) -> None:
    push_base(own_store, f"{team}/python:3.11")
    old = assemble_version(save_version(f"{team}/python:3.11"), wheel)
    push_base(own_store, f"{team}/python:3.11", note="second")
    lab = workspace_named("lab")
    lab.registry = f"127.0.0.1:{free_port()}/lab"
    lab.save()
    Image.objects.update(pushed_to=f"{lab.registry}/{old.repository}")
    old.refresh_from_db()

    with pytest.raises(ImageError) as failed:
        rebase(old)

    assert failed.value.code == "registry-unreachable"
    old.refresh_from_db()
    assert old.current
    assert Image.objects.count() == 1
    assert store().find(f"{old.name}:latest").digest == old.digest  # type: ignore[union-attr]
