"""A real build into a real registry: its proof is beside it, and it is made again until a wheel has changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import oras.client
import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from builds.models import Build, BuildState, Image
from builds.models.provenance import PROVENANCE
from builds.worker import runner
from environments.models import Workspace
from tests.builds.imaging.making import make_wheel
from tests.builds.imaging.publish.test_referrers import listed_in
from tests.builds.imaging.serving import Index
from tests.builds.provenance.test_attesting import opened
from tests.builds.scenarios import queue_build, save_text
from tests.services.servers.registry import Registry

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def wheels(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    """The folder of an index with `shop`, which requires `mover`."""
    settings.VAR = tmp_path
    served = Index(tmp_path / "wheels")
    make_wheel(served.folder, "mover", files={"mover.py": "VERSION = 1\n"})
    make_wheel(served.folder, "shop", files={"shop.py": "import mover\n"}, needs=["mover"])
    with served.server.running():
        settings.INDEX_URL = served.url
        yield served.folder


@pytest.fixture
def image(wheels: Path, registry: Registry, tmp_path: Path) -> Image:
    """An image that was built in a workspace with a registry."""
    version = save_text("shop==1.0\n")
    name = f"{registry.address}/{tmp_path.name.replace('_', '-')}"
    Workspace.objects.filter(pk=version.environment.workspace_id).update(registry=name)
    build = queue_build(version)
    runner.run_build(build.pk, "a worker of a test")
    build = Build.objects.get(pk=build.pk)
    assert build.state == BuildState.SUCCEEDED, build.error
    assert build.image is not None
    return build.image


def verified(image: Image, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code of `verify --rebuild`, and its checks by name."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        call_command("verify", "lab/forecast:1", "--rebuild", "--json")
    result = json.loads(capsys.readouterr().out)
    assert result["digest"] == image.digest
    return int(str(ended.value.code)), {check["name"]: check for check in result["checks"]}


def test_a_build_pushes_its_proof_and_is_made_again_until_a_wheel_at_the_index_has_changed(
    image: Image,
    wheels: Path,
    registry: Registry,
    tmp_path: Path,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    check_what_the_registry_has(image, registry, tmp_path)

    code, checks = verified(image, capsys)
    assert (code, {check["result"] for check in checks.values()}) == (0, {"passed"})
    assert image.digest in checks["rebuild"]["message"]
    assert not list(tmp_path.glob("verify-*"))

    (wheels / "mover-1.0-py3-none-any.whl").unlink()
    make_wheel(wheels, "mover", files={"mover.py": "VERSION = 'another'\n"})
    code, checks = verified(image, capsys)
    assert (code, checks["rebuild"]["result"]) == (1, "failed")
    assert "mover" in checks["rebuild"]["message"]
    assert {check["result"] for name, check in checks.items() if name != "rebuild"} == {"passed"}
    assert not list(tmp_path.glob("verify-*"))


def check_what_the_registry_has(image: Image, registry: Registry, tmp_path: Path) -> None:
    """Read the documents as anyone could: by the registry's API, with oras, and with the public key of the studio."""
    _, _, repository = image.pushed_to.removesuffix("@" + image.digest).partition("/")
    repository = repository.rpartition(":")[0] or repository
    entries = listed_in(registry, repository, image.digest)
    kinds = {entry["artifactType"] for entry in entries}
    assert kinds == {PROVENANCE, "application/vnd.cyclonedx+json", "application/spdx+json"}
    files: dict[str, list[bytes]] = {}
    client = oras.client.OrasClient(insecure=True, hostname=registry.address)
    for number, entry in enumerate(entries):
        target = f"{registry.address}/{repository}@{entry['digest']}"
        paths = client.pull(target=target, outdir=str(tmp_path / str(number)))
        files[entry["artifactType"]] = [Path(path).read_bytes() for path in paths]

    key = Client().get("/.well-known/studio-signing-key.pem").content
    statement = opened(json.loads(files[PROVENANCE][0]), key)
    assert statement["subject"][0]["digest"]["sha256"] == image.digest.removeprefix("sha256:")
    materials = {
        row["uri"].rpartition("/")[2]
        for row in statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    }
    assert {"shop-1.0-py3-none-any.whl", "mover-1.0-py3-none-any.whl"} <= materials
    bill = json.loads(files["application/vnd.cyclonedx+json"][0])
    assert {component["name"] for component in bill["components"]} == {"mover", "shop"}
