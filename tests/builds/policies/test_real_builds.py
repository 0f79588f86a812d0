"""A real build: licences are read from its files, and a rule that blocks stops it before anything is published."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from builds.imaging.oci.store import BlobStore
from builds.models import Build, BuildState, Image, Package
from builds.policies import service
from builds.worker import runner
from environments.definition import read
from environments.models import Role
from environments.versions.service import save_reading
from tests.builds.imaging.making import make_wheel
from tests.builds.imaging.serving import Index
from tests.builds.scenarios import person, queue_build, workspace_named

TEXT = "image: host\nconda_file: {dependencies: [{pip: [ghost]}]}\n"


def run(build: Build) -> Build:
    runner.run_build(build.pk, "a worker of a test")
    build.refresh_from_db()
    return build


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_build_against_the_policy_fails_and_publishes_nothing(tmp_path: Path, settings: Settings) -> None:
    owner, lab = person("ada", lab=Role.OWNER), workspace_named("lab")
    served = Index(tmp_path / "wheels")
    make_wheel(
        tmp_path / "wheels", "ghost", needs=["six; python_version < '3'\nLicense-Expression: AGPL-3.0-only"]
    )
    service.set_rule(lab, "licence", "block", None, {"deny": ["AGPL-3.0-only"]}, owner)
    with served.server.running():
        settings.INDEX_URL = served.url
        version = save_reading(
            lab, "forecast", read(TEXT, "environment.yaml"), source=TEXT, user=owner
        ).version

        stopped = run(queue_build(version))
        assert (stopped.state, stopped.error_code) == (BuildState.FAILED, "policy"), stopped.error
        assert "ghost 1.0 has the licence AGPL-3.0-only" in stopped.error
        assert not Image.objects.exists()
        tagged = f"lab/{settings.IMAGE_PREFIX}{version.hash}:latest"
        assert BlobStore(settings.STORE).find(tagged) is None

        service.add_exception(lab, "package", "ghost", "licence", "Ours.", None, owner)
        image = run(queue_build(version)).image
    assert image is not None
    assert image.lock is not None
    assert image.lock["packages"][0]["license"] == "AGPL-3.0-only"
    assert (image.policy_facts or {})["origins"] == {served.url.rpartition("/simple")[0]: ["ghost"]}
    assert Package.objects.get(name="ghost").license == "AGPL-3.0-only"
