"""An image on another base: byte for byte what a build on it makes, with all its names."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.utils import timezone

from builds.imaging.oci.manifest import INDEXES, MANIFESTS
from builds.models import Image, ImagePackage, PushedTag
from builds.models.provenance import PROVENANCE
from builds.provenance.envelope import opened
from builds.provenance.keys import loaded, public_keys
from builds.queue import rebases
from builds.queue.registry_tags import missing_tags
from builds.rebase.proof import attest_rebased
from builds.rebase.single import rebase
from builds.rebase.working import run_waiting_rebases
from builds.worker.publish import push_missing_tags
from builds.worker.steps import make_workshop
from environments.models import Workspace
from tests.builds.rebase.making import assemble_version, config_of, push_base, save_version, store
from tests.builds.scenarios import person, workspace_named
from tests.services.servers.registry import Registry

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("own_store", "either_database"),
]


def layers(digest: str) -> list[str]:
    return [layer["digest"] for layer in json.loads(store().read(digest))["layers"]]


def test_an_image_moves_to_the_new_digest_of_its_tag_and_is_what_a_build_on_it_makes(
    own_store: Path, team: str, wheel: Path
) -> None:
    push_base(own_store, f"{team}/python:3.11")
    version = save_version(f"{team}/python:3.11")
    old = assemble_version(version, wheel)
    new_digest = push_base(own_store, f"{team}/python:3.11", python="3.11.10", note="second", env=["A=b"])
    long_ago = timezone.now() - timedelta(days=60)
    Image.objects.filter(pk=old.pk).update(used_at=long_ago)

    new = rebase(Image.objects.get(pk=old.pk), by=person("ann"))

    old.refresh_from_db()
    # Those who pulled the old image keep it for a whole retention; nobody has used the new image.
    assert old.used_at > long_ago + timedelta(days=59)
    assert new.used_at == long_ago
    assert (old.current, new.current) == (False, True)
    assert new.base_digest == new_digest != old.base_digest
    assert (new.python, new.base, new.packages) == ("3.11.10", old.base, 1)
    assert new.interpreter == old.interpreter == "/opt/env/bin/python"
    assert layers(new.digest)[3:] == layers(old.digest)[3:]  # below are the base and the link to its Python
    assert store().find(f"{new.name}:latest") is not None
    assert store().find(f"{new.name}:latest").digest == new.digest  # type: ignore[union-attr]
    versions = dict(ImagePackage.objects.filter(image=new).values_list("package__name", "package__version"))
    assert versions == {"shop": "1.0", "python": "3.11.10"}
    config = config_of(new.digest)["config"]
    assert isinstance(config, dict)
    assert "A=b" in config["Env"]
    assert config["Labels"]["note"] == "second"

    Image.objects.all().delete()
    assert assemble_version(version, wheel).digest == new.digest


def pushed_before_its_base_moves(own_store: Path, team: str, wheel: Path) -> tuple[Workspace, Image]:
    """Return a workspace and its image, which is in its registry; its base's tag has moved since."""
    lab = in_registry(team)
    push_base(own_store, f"{team}/base/python:3.11")
    old = assemble_version(save_version(f"{team}/base/python:3.11"), wheel)
    push_missing_tags(lambda logins: make_workshop(logins=logins))
    push_base(own_store, f"{team}/base/python:3.11", python="3.11.10", note="second")
    return lab, old


def test_names_in_the_registry_follow_and_the_old_image_stays_by_its_digest(
    own_store: Path, registry: Registry, team: str, wheel: Path
) -> None:
    lab, old = pushed_before_its_base_moves(own_store, team, wheel)

    new = rebase(old)

    assert new.pushed_to == f"{lab.registry}/{new.repository}"
    names = [(new.repository, "latest"), ("forecast", "1"), ("forecast", "latest")]
    assert [digest_in(lab, *name) for name in names] == [new.digest] * 3
    assert digest_in(lab, old.repository, old.digest) == old.digest
    assert missing_tags(lab) == []
    assert set(PushedTag.objects.values_list("digest", "next_at", "problem")) == {(new.digest, None, "")}


def test_a_layer_that_the_registry_has_lost_is_pushed_again(
    own_store: Path, registry: Registry, team: str, wheel: Path
) -> None:
    lab, old = pushed_before_its_base_moves(own_store, team, wheel)
    package = layers(old.digest)[-1].replace(":", "/")
    path = lab.registry.partition("/")[2]
    for repository in (old.repository, "forecast"):
        folder = registry.storage / "docker/registry/v2/repositories" / path / repository
        (folder / "_layers" / package / "link").unlink()

    new = rebase(old)

    names = [(new.repository, "latest"), ("forecast", "1"), ("forecast", "latest")]
    assert [digest_in(lab, *name) for name in names] == [new.digest] * 3
    assert missing_tags(lab) == []


def test_versions_of_one_environment_take_a_layer_of_their_base_over_once(
    own_store: Path, registry: Registry, team: str, wheel: Path
) -> None:
    lab = in_registry(team)
    base = f"{team}/base/python:3.11"
    push_base(own_store, base)
    for pip in ("shop", "shop>=0.1"):
        assemble_version(save_version(base, pip=pip), wheel)
    push_missing_tags(lambda logins: make_workshop(logins=logins))
    push_base(own_store, base, python="3.11.10", note="second")
    before = registry.log.read_text()

    own = Image.objects.all()[0].base
    rebases.request_plan(lab, own, own, None, start=True)
    run_waiting_rebases()

    mount = rf"POST /v2/{team.partition('/')[2]}/lab/forecast/blobs/uploads/\?mount=sha256:([0-9a-f]+)"
    mounted = re.findall(rf'"{mount}', registry.log.read_text().removeprefix(before))
    new = Image.objects.filter(current=True).order_by("pk")
    assert [digest_in(lab, "forecast", tag) for tag in ("1", "2")] == [image.digest for image in new]
    # Two layers of the base and the link to its Python once, and the config of each version.
    assert len(mounted) == len(set(mounted)) == 3 + len(new) == 5


def test_a_rebased_image_gets_proof_of_its_own_which_is_pushed_along(
    own_store: Path, registry: Registry, team: str, wheel: Path
) -> None:
    lab, old = pushed_before_its_base_moves(own_store, team, wheel)
    new = rebase(old)

    assert attest_rebased() == 1

    provenance = new.referrers.get(subject=new.digest, artifact_type=PROVENANCE)
    keys = [loaded(key) for key in public_keys()]
    statement, _ = opened(store().read(provenance.content), keys)
    assert statement["subject"][0]["digest"] == {"sha256": new.digest.partition(":")[2]}
    assert digest_in(lab, new.repository, f"{new.digest.replace(':', '-')}") != "404"
    assert attest_rebased() == 0


def in_registry(team: str) -> Workspace:
    lab = workspace_named("lab")
    lab.registry = f"{team}/lab"
    lab.save()
    return lab


def digest_in(workspace: Workspace, repository: str, reference: str) -> str:
    host, _, path = workspace.registry.partition("/")
    url = f"http://{host}/v2/{path}/{repository}/manifests/{reference}"
    answer = httpx.head(url, headers={"Accept": ", ".join(MANIFESTS + INDEXES)}, trust_env=False)
    return str(answer.headers.get("docker-content-digest", answer.status_code))
