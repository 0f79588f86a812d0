"""The bytecode of a workspace's images, from its setting to the layers."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from builds.models import Build
from builds.queue.requests import request_build
from builds.worker import runner
from environments.definition import read
from environments.versions.service import save_reading
from environments.workspaces.registry import set_bytecode
from tests.builds.imaging.making import make_wheel
from tests.builds.imaging.serving import Index
from tests.builds.scenarios import workspace_named

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_a_rebuild_takes_the_workspaces_choice_of_modules(tmp_path: Path, settings: Settings) -> None:
    folder = tmp_path / "wheels"
    served = Index(folder)
    make_wheel(folder, "shop", files={"shop/__init__.py": "", "shop/_hidden.py": ""})
    reading = read("image: host\nconda_file: {dependencies: [{pip: [shop]}]}\n", "environment.yaml")
    assert reading.definition is not None
    version = save_reading(workspace_named("lab"), "forecast", reading, source="").version

    def layers(choice: str) -> list[str]:
        set_bytecode(workspace_named("lab"), choice, None)
        build = request_build(version, rebuild=True).build
        assert build is not None
        runner.run_build(build.pk, "a worker of a test")
        image = Build.objects.get(pk=build.pk).image
        assert image is not None
        return [layer["digest"] for layer in image.layers]

    with served.server.running():
        settings.INDEX_URL = served.url
        imported, everything, nothing = layers("imported"), layers("all"), layers("none")

    assert imported[:-1] == everything[:-1] == nothing
    assert imported[-1] != everything[-1]
