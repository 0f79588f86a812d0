"""v1 JSON, its directory form, v2 YAML and the folders of the public assets catalogue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from environments.definition import Reading, read, read_path


def lines_of(reading: Reading, code: str) -> list[int | None]:
    return [finding.line for finding in reading.findings if finding.code == code]


def v1(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": "demo",
        "version": "3",
        "environmentVariables": {"A": "1"},
        "docker": {
            "arguments": ["--ipc=host"],
            "baseDockerfile": None,
            "baseImage": "ubuntu:22.04",
            "baseImageRegistry": {"address": None, "username": None, "password": None},
            "enabled": False,
            "platform": {"os": "Linux", "architecture": "amd64"},
            "sharedVolumes": True,
            "shmSize": "2g",
        },
        "python": {
            "baseCondaEnvironment": None,
            "condaDependencies": {
                "name": "project_environment",
                "channels": ["conda-forge"],
                "dependencies": ["python=3.12", "pip", {"pip": ["azureml-defaults==1.60"]}],
            },
            "condaDependenciesFile": None,
            "interpreterPath": "python",
            "userManagedDependencies": False,
        },
        "spark": {
            "repositories": ["https://mmlspark.azureedge.net/maven"],
            "packages": [{"group": "com.microsoft", "artifact": "synapseml", "version": "1.0"}],
            "precachePackages": False,
        },
        "inferencingStackVersion": "latest",
    }
    return document | changes


def test_v1_json_is_read_whole() -> None:
    """Rule 37."""
    reading = read(json.dumps(v1(), indent=4))
    definition = reading.definition
    assert definition is not None, reading.errors
    assert (reading.format, reading.name, reading.version) == ("v1-json", "demo", "3")
    assert definition.image == "ubuntu:22.04"
    assert definition.python.channels == ("conda-forge",)
    assert definition.python.conda == ("python=3.12", "pip")
    assert definition.python.pip == ("azureml-defaults==1.60",)
    assert definition.python.interpreter_path == "python"
    assert definition.variables == {"A": "1"}
    assert definition.spark.packages[0].artifact == "synapseml"
    assert definition.spark.precache is False
    assert definition.run.arguments == ("--ipc=host",)
    assert (definition.run.shm_size, definition.run.inferencing_stack_version) == ("2g", "latest")


def test_spark_packages_are_reported_as_not_installed() -> None:
    (result,) = (
        finding
        for finding in read(json.dumps(v1(), indent=4)).findings
        if finding.code == "spark-not-installed"
    )
    assert result.message == "com.microsoft:synapseml:1.0 won't be in the image."
    assert result.line is not None


def test_v1_keys_at_the_top_may_be_of_any_case() -> None:
    """Rule 37."""
    lower = read(json.dumps(v1()))
    upper = read(json.dumps({key[0].upper() + key[1:]: value for key, value in v1().items()}))
    assert lower.definition == upper.definition


def test_v1_inside_an_inference_configuration_is_found() -> None:
    reading = read(json.dumps({"entryScript": "score.py", "environment": v1()}))
    assert reading.definition == read(json.dumps(v1())).definition


def test_v1_inside_a_run_configuration_is_found_in_json_and_yaml() -> None:
    plain = read(json.dumps(v1())).definition
    run = {"configuration": {"framework": "Python", "environment": v1()}, "runtype": "experiment"}
    assert read(json.dumps(run)).definition == plain
    assert (
        read(yaml.safe_dump({"framework": "Python", "environment": v1()}), "a.runconfig").definition == plain
    )


def test_v1_credentials_that_are_empty_or_masked_are_no_secret() -> None:
    for user, password in (("", ""), ("me", "*********"), ("me", "<password>")):
        registry = {"address": "r.example", "username": user, "password": password}
        reading = read(json.dumps(v1(docker={"baseImage": "r.example/x:1", "baseImageRegistry": registry})))
        assert reading.accepted, reading.errors


def test_v1_empty_strings_are_no_bases() -> None:
    docker = {"baseImage": "ubuntu:22.04", "baseDockerfile": ""}
    reading = read(json.dumps(v1(docker=docker)))
    assert reading.definition is not None, reading.errors
    assert reading.definition.image == "ubuntu:22.04"


def test_v1_user_managed_has_its_kind() -> None:
    """Rule 22."""
    python = {"userManagedDependencies": True, "interpreterPath": "/opt/venv/bin/python"}
    reading = read(json.dumps(v1(python=python)))
    assert reading.definition is not None
    assert reading.definition.kind == "user-managed"
    assert reading.definition.python.interpreter_path == "/opt/venv/bin/python"


def test_v1_address_of_a_registry_becomes_part_of_the_reference_once() -> None:
    for image in ("team/base:1", "reg.example/team/base:1"):
        docker = {"baseImage": image, "baseImageRegistry": {"address": "reg.example"}}
        reading = read(json.dumps(v1(docker=docker)))
        assert reading.definition is not None
        assert reading.definition.image == "reg.example/team/base:1"


@pytest.mark.parametrize(
    ("registry", "code"),
    [
        ({"address": "r.example", "username": "me"}, "registry-credentials"),
        ({"address": "r.example", "password": "tr0ub4dor"}, "registry-credentials"),
        ({"address": "r.example", "username": "me", "password": "tr0ub4dor"}, "secret-in-definition"),
    ],
)
def test_credentials_of_a_registry_are_refused_and_never_shown(registry: dict[str, str], code: str) -> None:
    """Rules 42 and 43."""
    docker = {"baseImage": "r.example/x:1", "baseImageRegistry": registry}
    reading = read(json.dumps(v1(docker=docker), indent=2))
    assert code in [error.code for error in reading.errors]
    assert "tr0ub4dor" not in repr(reading)


def test_the_directory_form_takes_the_parts_that_lie_beside_the_json(tmp_path: Path) -> None:
    document = v1()
    document["python"].pop("condaDependencies")
    document["docker"].pop("baseImage")
    (tmp_path / "azureml_environment.json").write_text(json.dumps(document))
    (tmp_path / "conda_dependencies.yml").write_text("channels: [c]\ndependencies: [python=3.12, numpy=2]\n")
    (tmp_path / "BaseDockerfile").write_text("FROM ubuntu:22.04\nRUN true\n")
    reading = read_path(tmp_path)
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.conda == ("python=3.12", "numpy=2")
    assert reading.definition.dockerfile == "FROM ubuntu:22.04\nRUN true\n"


V2 = """\
$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
name: demo
version: 1.10
description: words
tags: {GPU: yes, Python: 3.10}
image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20240101.v1
conda_file:
  channels: [conda-forge]
  dependencies:
    - python=3.12
    - pip:
        - flask==3.0
os_type: linux
inference_config:
  liveness_route: {path: /live, port: 5001}
  scoring_route: {path: /score, port: 5001}
properties: {team: x}
"""


def test_v2_yaml_is_read_whole() -> None:
    """Rule 38."""
    reading = read(V2)
    definition = reading.definition
    assert definition is not None, reading.errors
    assert (reading.format, reading.name, reading.version, reading.description) == (
        "v2-yaml",
        "demo",
        "1.10",
        "words",
    )
    assert reading.tags == {"GPU": "yes", "Python": "3.10"}
    assert definition.image == "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20240101.v1"
    assert definition.python.conda == ("python=3.12",)
    assert definition.inference is not None
    assert definition.inference.scoring is not None
    assert definition.inference.scoring.port == 5001
    assert definition.properties == {"team": "x"}


def test_v2_takes_conda_file_and_build_context_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "conda.yml").write_text("channels: [c]\ndependencies: [python=3.12]\n")
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx" / "Dockerfile").write_text("FROM ubuntu:22.04\nCOPY a.txt /\n")
    (tmp_path / "ctx" / "a.txt").write_text("a")
    (tmp_path / "image.yml").write_text("image: ubuntu:22.04\nconda_file: ./parts/conda.yml\n")
    (tmp_path / "build.yml").write_text("build:\n  path: ctx\n")
    by_image, by_build = read_path(tmp_path / "image.yml"), read_path(tmp_path / "build.yml")
    assert by_image.definition is not None
    assert by_image.definition.python.conda == ("python=3.12",)
    assert by_build.definition is not None
    assert by_build.definition.context is not None
    assert [file.path for file in by_build.definition.context.files] == ["Dockerfile", "a.txt"]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("name: x\nconda_file: {dependencies: [a]}\n", "base-missing", 1),
        ("image: ubuntu:22.04\nbuild: {path: .}\n", "base-twice", 2),
        ("image: ubuntu:22.04\nconda_file: conda.yml\n", "file-missing", 2),
        ("image: ubuntu:22.04\nconda_file: ../conda.yml\n", "outside-folder", 2),
        ("build:\n  path: https://github.com/o/r.git#main\n", "context-remote", 2),
        ("image: UPPER CASE\n", "bad-image", 1),
        ("image: a:1\ninference_config: {scoring_route: {port: x}}\n", "wrong-shape", 2),
    ],
)
def test_v2_with_no_base_or_several_is_refused(text: str, code: str, line: int) -> None:
    """Rule 36."""
    reading = read(text)
    assert not reading.accepted
    assert lines_of(reading, code) == [line]


def test_v2_variables_at_the_top_are_in_the_wrong_place() -> None:
    """Rule 47."""
    reading = read("image: ubuntu:22.04\nenvironment_variables: {A: b}\n")
    assert reading.accepted
    assert lines_of(reading, "variables-misplaced") == [2]


def test_a_job_is_named_as_what_it_is() -> None:
    reading = read(
        "$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\ncommand: x\n"
    )
    assert [error.code for error in reading.errors] == ["not-a-definition"]
    assert "commandJob" in reading.errors[0].message


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("ubuntu", "base-floating"),
        ("ubuntu:latest", "base-floating"),
        ("ubuntu:18.04", "base-deprecated"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:1", "base-deprecated"),
        ("python:3.8-slim", "base-deprecated"),
    ],
)
def test_floating_and_outdated_bases_are_reported(image: str, code: str) -> None:
    """Rules 18 and 47."""
    reading = read(f"image: {image}\n")
    assert reading.accepted
    assert lines_of(reading, code) == [1]


def test_a_catalogue_folder_is_its_build_context(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(
        "FROM mcr.microsoft.com/x:{{latest-image-tag:a.\\d{6}.*}}\n"
    )
    (tmp_path / "context" / "conda_dependencies.yaml").write_text("dependencies: [a]\n")
    (tmp_path / "asset.yaml").write_text(
        "name: sklearn-1.5\nversion: auto\ntype: environment\nspec: spec.yaml\nextra_config: environment.yaml\n"
    )
    (tmp_path / "spec.yaml").write_text(
        'name: "{{asset.name}}"\nversion: "{{asset.version}}"\ndescription: words\ntags: {OS: Ubuntu}\n'
        'build:\n  path: "{{image.context.path}}"\n  dockerfile_path: "{{image.dockerfile.path}}"\n'
    )
    (tmp_path / "environment.yaml").write_text(
        "image:\n  name: azureml/curated/sklearn-1.5\n  context:\n    dir: context\n    dockerfile: Dockerfile\n"
    )
    for path in (tmp_path, tmp_path / "asset.yaml", tmp_path / "spec.yaml", tmp_path / "environment.yaml"):
        reading = read_path(path)
        assert reading.definition is not None, (path, reading.errors)
        assert (reading.format, reading.name, reading.description) == ("curated", "sklearn-1.5", "words")
        assert reading.tags == {"OS": "Ubuntu"}
        context = reading.definition.context
        assert context is not None
        assert [file.path for file in context.files] == ["Dockerfile", "conda_dependencies.yaml"]
        placeholders = [finding for finding in reading.findings if finding.code == "template-placeholder"]
        assert [(placeholder.file, placeholder.line) for placeholder in placeholders] == [
            ("context/Dockerfile", 1)
        ]


def test_one_file_of_a_catalogue_folder_alone_is_refused() -> None:
    reading = read('build:\n  path: "{{image.context.path}}"\n')
    assert lines_of(reading, "file-missing") == [2]


def test_an_mlflow_model_is_read_from_any_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "requirements.txt").write_text("mlflow==2.0\n")
    (tmp_path / "python_env.yaml").write_text(
        "python: 3.12.1\nbuild_dependencies:\n- pip==23.3\n- setuptools\ndependencies:\n- -r requirements.txt\n"
    )
    reading = read_path(tmp_path)
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.conda == ("python=3.12.1",)
    assert [finding.code for finding in reading.findings if finding.severity != "note"] == []
    assert reading.definition.python.pip == ("pip==23.3", "setuptools", "mlflow==2.0")
    (tmp_path / "conda.yaml").write_text(
        "channels: [c]\ndependencies: [python=3.12.1, pip, {pip: [mlflow==2.0]}]\n"
    )
    reading = read_path(tmp_path)
    assert reading.definition is not None
    assert reading.format == "conda-env"
