"""Definitions as the first SDK sends and reads them."""

from __future__ import annotations

from typing import Any

import pytest

from environments.definition import Definition, read
from environments.definition.model import BuildContext, ContextFile
from environments.errors import ServiceError
from environments.models import Version
from environments.versions.service import save_reading, save_version
from studio.azure.v1.definitions import context_location, is_same, read_definition, version_document
from tests.builds.scenarios import workspace_named
from tests.studio.azure.v1.bodies import BASE, body, sent_back

V2 = """
image: python:3.12-slim
conda_file:
  channels: [conda-forge]
  dependencies: [python=3.12, pip, {pip: [numpy==2.1.3]}]
inference_config:
  liveness_route: {port: 5001, path: /live}
properties: {k: v}
platforms: [linux/amd64, linux/arm64]
"""


def definition_of(sent: dict[str, Any]) -> Definition:
    definition = read_definition(sent).reading.definition
    assert definition is not None
    return definition


def saved(sent: dict[str, Any], name: str = "forecast") -> Version:
    return read_definition(sent).save(workspace_named("lab"), name).version


def saved_text(text: str, filename: str, name: str = "forecast") -> Version:
    reading = read(text, filename)
    return save_reading(workspace_named("lab"), name, reading, source=text).version


def codes_of(sent: dict[str, Any]) -> set[str]:
    findings = read_definition(sent).reading.findings
    return {finding.code for finding in findings if finding.severity == "error"}


def test_a_body_is_read_with_keys_of_any_case() -> None:
    plain = definition_of(body())
    assert (plain.image, plain.python.conda, plain.python.pip) == (
        BASE,
        ("python=3.12", "pip"),
        ("scikit-learn==1.5.2",),
    )
    assert plain.variables == {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}
    shouted = {key.upper(): value for key, value in body().items()}
    assert definition_of(shouted) == plain


def test_the_packages_of_a_user_managed_environment_are_ignored() -> None:
    managed = definition_of(body(python={"userManagedDependencies": True}))
    assert (managed.python.user_managed, managed.python.conda, managed.python.channels) == (True, (), ())


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Docker": None, "python": None},
        {"Docker": 5, "python": ["x"]},
        {"Docker": {"baseImage": ["python"]}, "python": {"condaDependencies": "numpy"}},
        {"Docker": {"baseImage": BASE, "buildContext": {"location": 7}}},
        {"image": BASE, "dependencies": ["numpy"], "conda_file": {}},
        {"environment": {"docker": {"baseImage": BASE}}},
        {"Docker": {"buildContext": {"location": "https://github.com/a/b.git"}}},
        {"Docker": {"buildContext": "https://example.org"}},
        {"Docker": {"baseImage": {"a": {"b": {}}}, "platform": "x", "arguments": {"a": 1}}},
    ],
)
def test_what_is_no_definition_is_refused_with_findings(sent: dict[str, Any]) -> None:
    assert read_definition(sent).reading.definition is None
    assert codes_of(sent)


def test_two_bases_are_refused() -> None:
    assert codes_of(body(docker={"baseDockerfile": "FROM python:3.12\n"})) == {"base-twice"}
    both = body(docker={"buildContext": {"location": "https://x/y/", "dockerfilePath": "Dockerfile"}})
    assert context_location(both) is None
    assert codes_of(both) == {"base-twice"}


def test_a_password_is_refused_and_never_repeated() -> None:
    registry = {"address": "registry.example", "username": "me", "password": "hunter2-hunter2"}
    sent = body(docker={"baseImageRegistry": registry})
    reading = read_definition(sent).reading
    assert reading.definition is None
    assert "secret-in-definition" in codes_of(sent)
    assert "hunter2" not in repr([(finding.message, finding.help) for finding in reading.findings])


def test_r_packages_are_refused_with_a_way_out() -> None:
    with pytest.raises(ServiceError, match="R packages"):
        read_definition(body(r={"rVersion": "3.6", "cranPackages": [{"name": "x"}]}))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sent",
    [
        body(),
        body(python={"userManagedDependencies": True}),
        body(
            docker={"baseImage": None, "baseDockerfile": "FROM python:3.12\nRUN true\n"},
            python={"userManagedDependencies": True},
        ),
        body(python={"condaDependencies": None}),
        body(python={"interpreterPath": "/usr/bin/python3", "userManagedDependencies": True}),
        body(
            docker={"arguments": ["--gpus", "all"], "shmSize": "8g", "enabled": True, "sharedVolumes": False}
        ),
        body(docker={"baseImageRegistry": {"address": "registry.example"}, "baseImage": "team/base:1"}),
        body(
            Spark={
                "repositories": ["https://repo.example"],
                "packages": [{"group": "a", "artifact": "b", "version": "1"}],
                "precachePackages": False,
            },
            InferencingStackVersion="latest",
        ),
    ],
)
def test_what_the_client_read_and_sends_back_is_the_same(sent: dict[str, Any]) -> None:
    version = saved(sent)
    document = version_document(version)
    back = definition_of(sent_back(document))
    assert (back.hash, is_same(version, back)) == (version.hash, True)
    assert is_same(version, definition_of(sent))


@pytest.mark.django_db
def test_an_environment_of_another_format_is_the_same_although_the_client_drops_half_of_it() -> None:
    version = saved_text(V2, "environment.yaml")
    assert version.definition.inference is not None
    back = definition_of(sent_back(version_document(version)))
    assert back != version.definition
    assert is_same(version, back)
    assert not is_same(version, definition_of(body()))


@pytest.mark.django_db
def test_an_image_alone_is_user_managed_to_the_client() -> None:
    version = saved_text(f"image: {BASE}\n", "environment.yaml")
    document = version_document(version)
    assert document["python"]["userManagedDependencies"] is True
    assert document["docker"]["baseImage"] == BASE
    assert is_same(version, definition_of(sent_back(document)))


@pytest.mark.django_db
def test_every_key_that_the_client_reads_is_there_with_its_default() -> None:
    document = version_document(saved_text("numpy==2.1.3\n", "requirements.txt"))
    assert set(document) >= {
        "name", "version", "environmentVariables", "python", "docker", "spark", "databricks", "r",
        "inferencingStackVersion", "assetId",
    }  # fmt: skip
    assert (document["name"], document["version"]) == ("forecast", "1")
    docker = document["docker"]
    assert (docker["enabled"], docker["sharedVolumes"], docker["shmSize"]) == (False, True, "2g")
    assert document["python"]["interpreterPath"] == "python"


@pytest.mark.django_db
def test_the_conda_file_keeps_the_name_that_was_sent() -> None:
    assert version_document(saved(body()))["python"]["condaDependencies"]["name"] == "demo"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "source", ["", "{", "[]", '{"python": 5}', '{"python": {"condaDependencies": {"name": []}}}']
)
def test_a_source_without_a_name_has_the_usual_one(source: str) -> None:
    version = saved(body())
    version.source = source
    assert version_document(version)["python"]["condaDependencies"]["name"] == "project_environment"


@pytest.mark.django_db
def test_a_build_context_is_a_location_and_is_the_same_when_it_comes_back() -> None:
    files = (
        ContextFile(path="sub/Dockerfile", content=b"FROM python:3.12\n"),
        ContextFile(path="a", content=b"\0"),
    )
    context = BuildContext(files=files, dockerfile_path="sub/Dockerfile")
    version = save_version(workspace_named("lab"), "forecast", Definition(context=context)).version
    document = version_document(version, "https://studio.example/context")
    assert document["docker"]["buildContext"] == {
        "locationType": "storageAccount",
        "location": "https://studio.example/context",
        "dockerfilePath": "sub/Dockerfile",
    }
    assert document["docker"]["baseImage"] is None
    sent = sent_back(document)
    location = context_location(sent)
    assert location is not None
    assert location.dockerfile_path == "sub/Dockerfile"
    back = read_definition(sent, context).reading.definition
    assert back is not None
    assert back.hash == version.hash
    assert is_same(version, back)
    other = BuildContext(files=files[:1], dockerfile_path="sub/Dockerfile")
    changed = read_definition(sent, other).reading.definition
    assert changed is not None
    assert not is_same(version, changed)
