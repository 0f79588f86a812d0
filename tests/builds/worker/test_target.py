"""The machine and the Python that a definition is for, from its text to the end of a build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.lock import Lock
from builds.models import Build, BuildState, Image
from builds.worker import runner
from environments.definition import read
from environments.versions.service import save_reading
from tests.builds.imaging.conda.making import index, make_package
from tests.builds.scenarios import queue_build, workspace_named

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def built(text: str, requires_python: str = "") -> Build:
    reading = read(text, "environment.yaml")
    assert reading.definition is not None, reading.findings
    python = reading.definition.python.model_copy(update={"requires_python": requires_python})
    reading = replace(reading, definition=reading.definition.model_copy(update={"python": python}))
    build = queue_build(save_reading(workspace_named("lab"), "gpu", reading, source=text).version)
    runner.run_build(build.pk, "a worker of a test")
    return Build.objects.get(pk=build.pk)


def test_a_target_in_a_definition_gives_another_image_with_other_builds(tmp_path: Path) -> None:
    make_package(tmp_path, "torch", build="cpu_0")
    make_package(tmp_path, "torch", build="cuda_0", build_number=9, needs=["__cuda >=12"])
    conda = f"conda_file:\n  channels: [{index(tmp_path)}]\n  dependencies: [torch]\n"

    plain = built(f"image: host\n{conda}")
    stated = built(f"image: host\ntarget: {{cuda: '12.4'}}\n{conda}")

    assert (plain.state, stated.state) == (BuildState.SUCCEEDED, BuildState.SUCCEEDED)
    assert plain.hash != stated.hash
    locks = [Lock.model_validate(Image.objects.get(hash=build.hash).lock) for build in (plain, stated)]
    assert [lock.packages[0].build for lock in locks] == ["cpu_0", "cuda_0"]
    assert ["torch 1.0 is installed in its CPU build cpu_0" in "".join(lock.warnings) for lock in locks] == [
        True,
        False,
    ]


@pytest.mark.parametrize("packages", ["[pip: [six]]", "[python, pip: [six]]"])
def test_a_definition_for_other_pythons_than_the_base_has_fails_with_the_cause(packages: str) -> None:
    build = built(f"image: host\nconda_file:\n  dependencies: {packages}\n", ">=3.40")

    assert (build.state, build.error_code) == (BuildState.FAILED, "other-python")
    assert "The definition is for Python >=3.40, and the base image host has Python" in build.error
