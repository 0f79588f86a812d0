"""A folder is read by one of its files, and says which of the others it leaves unread."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.definition import Reading, read_path

CONDA = "channels: [conda-forge]\ndependencies: [python=3.12]\n"
DOCKERFILE = "FROM ubuntu:24.04\nCOPY train.py /srv/\n"


def folder(root: Path, files: dict[str, str]) -> Reading:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return read_path(root)


def unread(reading: Reading) -> dict[str, str]:
    """Return the advice about each file that is not read."""
    return {
        finding.message.partition(" is not read;")[0]: finding.help
        for finding in reading.findings
        if finding.code == "file-not-read"
    }


def test_files_that_other_tools_obey_are_named_with_what_to_do(tmp_path: Path) -> None:
    reading = folder(
        tmp_path,
        {
            "requirements.txt": "flask==3.0.0\n",
            "requirements-dev.txt": "pytest\n",
            "runtime.txt": "python-3.10\n",
            "apt.txt": "libgl1\n",
            "postBuild": "#!/bin/bash\ntrue\n",
            "README.md": "# Lab\n",
            "train.py": "",
        },
    )
    assert reading.definition is not None
    assert reading.definition.python.pip == ("flask==3.0.0",)
    advice = unread(reading)
    assert set(advice) == {"requirements-dev.txt", "runtime.txt", "apt.txt", "postBuild"}
    assert "Python 3.10" in advice["runtime.txt"]
    assert "apt-get" in advice["apt.txt"]
    assert "-r requirements-dev.txt" in advice["requirements-dev.txt"]
    assert {finding.file for finding in reading.findings if finding.code == "file-not-read"} == set(advice)


def test_requirements_beside_a_conda_file_are_unread_unless_it_names_them(tmp_path: Path) -> None:
    files = {"environment.yml": CONDA, "requirements.txt": "flask==3.0.0\n", "runtime.txt": "python-3.10\n"}
    advice = unread(folder(tmp_path, files))
    assert "`- -r requirements.txt`" in advice["requirements.txt"]
    assert "python=3.10 among the dependencies" in advice["runtime.txt"]
    named = "channels: [c]\ndependencies: [python=3.12, pip, {pip: [-r requirements.txt]}]\n"
    reading = folder(tmp_path, {"environment.yml": named})
    assert reading.definition is not None
    assert reading.definition.python.pip == ("flask==3.0.0",)
    assert set(unread(reading)) == {"runtime.txt"}


def test_files_of_a_model_and_of_a_build_context_are_no_leftovers(tmp_path: Path) -> None:
    model = {
        "MLmodel": "flavors: {}\n",
        "conda.yaml": CONDA,
        "requirements.txt": "flask\n",
        "python_env.yaml": "python: 3.12\n",
    }
    assert unread(folder(tmp_path / "model", model)) == {}
    context = {"Dockerfile": DOCKERFILE, "environment.yml": CONDA, "apt.txt": "libgl1\n"}
    assert unread(folder(tmp_path / "context", context)) == {}


@pytest.mark.parametrize("below", ["binder", ".binder"])
def test_the_folder_of_binder_is_read_where_the_root_has_no_definition(tmp_path: Path, below: str) -> None:
    named = "channels: [c]\ndependencies: [python=3.12, pip, {pip: [-r more.txt]}]\n"
    files = {
        f"{below}/environment.yml": named,
        f"{below}/more.txt": "flask==3.0.0\n",
        f"{below}/postBuild": "true\n",
    }
    reading = folder(tmp_path, files | {"setup.py": "", "train.py": ""})
    assert reading.definition is not None, reading.errors
    assert reading.format == "conda-env"
    assert reading.definition.python.pip == ("flask==3.0.0",)
    assert set(unread(reading)) == {f"{below}/postBuild"}


def test_a_dockerfile_of_binder_is_built_in_the_whole_repository(tmp_path: Path) -> None:
    """As repo2docker builds it."""
    reading = folder(tmp_path, {"binder/Dockerfile": DOCKERFILE, "train.py": "print()\n"})
    assert reading.definition is not None, reading.errors
    assert reading.definition.context is not None
    assert reading.definition.context.dockerfile_path == "binder/Dockerfile"
    assert reading.definition.context.text("train.py") == "print()\n"


def test_what_binder_would_take_is_named_where_the_root_has_its_own_definition(tmp_path: Path) -> None:
    reading = folder(tmp_path, {"requirements.txt": "flask==3.0.0\n", "binder/environment.yml": CONDA})
    assert reading.format == "requirements"
    assert "Give the folder binder alone" in unread(reading)["binder/environment.yml"]


@pytest.mark.parametrize("name", ["Dockerfile.gpu", "gpu.Dockerfile", "Containerfile", "dockerfile"])
def test_a_single_dockerfile_counts_under_any_of_its_usual_names(tmp_path: Path, name: str) -> None:
    reading = folder(
        tmp_path, {name: DOCKERFILE, "train.py": "", f"{name}.dockerignore": "*.log\n", "run.log": ""}
    )
    assert reading.definition is not None, reading.errors
    assert reading.definition.context is not None
    assert reading.definition.context.dockerfile_path == name
    assert reading.definition.context.text("run.log") is None


def test_of_several_dockerfiles_none_is_guessed(tmp_path: Path) -> None:
    (error,) = folder(tmp_path, {"Dockerfile.cpu": DOCKERFILE, "Dockerfile.gpu": DOCKERFILE}).errors
    assert "Dockerfile.cpu, Dockerfile.gpu" in error.message
    assert "dockerfile_path: Dockerfile.cpu" in error.help
