"""One catalogue of findings, each with its page, its severity and its place (rules 45-47)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import environments.definition
from environments.definition import read
from environments.definition.findings import entries
from environments.definition.findings.catalogue import CATALOGUE
from environments.definition.findings.documentation import PAGE, findings_page
from environments.definition.findings.naming import name_problem
from environments.definition.syntax.reference import BadReference, ImageReference


def test_the_page_of_findings_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == findings_page(), (
        "run: python -m environments.definition.findings.documentation"
    )


def test_every_finding_of_the_catalogue_is_reported_by_some_check() -> None:
    root = Path(environments.definition.__file__).parents[2]
    catalogue = Path(entries.__file__).parent
    folders = (root / "environments", root / "studio")
    modules = (path for folder in folders for path in folder.rglob("*.py"))
    code = "".join(path.read_text() for path in modules if catalogue not in path.parents)
    assert [item for item in CATALOGUE if f'"{item}"' not in code] == []


def test_codes_are_words_and_every_entry_says_what_why_and_what_to_do() -> None:
    for entry in CATALOGUE.values():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", entry.code)
        assert all((entry.title, entry.message, entry.why, entry.help))


SERVING = "image: ubuntu:22.04\ninference_config: {{scoring_route: {{path: /s, port: 1}}}}\nconda_file: {}\n"


@pytest.mark.parametrize(
    ("pip", "message"),
    [
        ("flask", True),
        ("azureml-defaults==1.0.43", True),
        ("azureml-defaults==1.60.0", False),
        ("azureml-defaults", False),
    ],
)
def test_serving_needs_azureml_defaults(pip: str, message: bool) -> None:
    """Rule 40: advice, not an error."""
    reading = read(SERVING.format("{channels: [c], dependencies: [python=3.12, pip, {pip: [" + pip + "]}]}"))
    assert reading.accepted, reading.errors
    assert ("serving-defaults" in [finding.code for finding in reading.findings]) is message


def test_variables_of_a_conda_file_are_the_definitions_and_a_note_says_when_they_are_given() -> None:
    """Rule 3."""
    text = "image: ubuntu:22.04\nconda_file:\n  channels: [c]\n  dependencies: [python=3.12]\n  variables: {A: '1'}\n"
    reading = read(text)
    assert [(finding.code, finding.line) for finding in reading.findings] == [("variables-at-start", 5)]
    assert reading.definition is not None
    assert reading.definition.variables == {"A": "1"}


def test_the_variables_of_a_definition_win_over_those_of_its_conda_file() -> None:
    text = (
        "image: ubuntu:22.04\nvariables: {A: own}\n"
        "conda_file: {channels: [c], dependencies: [python=3.12], variables: {A: conda, B: conda}}\n"
    )
    reading = read(text)
    assert reading.definition is not None
    assert reading.definition.variables == {"A": "own", "B": "conda"}


@pytest.mark.parametrize("name", ['BAD"', "1 2", "1ST", "A=B", "", "a b", "é"])
def test_what_cannot_be_the_name_of_a_variable_is_refused(name: str) -> None:
    for text in (
        f"channels: [c]\ndependencies: [python=3.12]\nvariables:\n  {json.dumps(name)}: x\n",
        f"image: ubuntu:22.04\nvariables:\n  {json.dumps(name)}: x\n",
        json.dumps({"docker": {"baseImage": "ubuntu:22.04"}, "environmentVariables": {name: "x"}}),
    ):
        assert [error.code for error in read(text).errors] == ["bad-variable"], text


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "_x", "spark.executor.memory", "a-b"])
def test_names_of_variables_that_containers_take(name: str) -> None:
    assert read(f"image: ubuntu:22.04\nvariables:\n  {name}: x\n").accepted


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("image: ubuntu:22.04\nconda-file: x.yml\n", "conda-file", "conda_file"),
        ("image: ubuntu:22.04\ncondaFile: x.yml\n", "condaFile", "conda_file"),
        ("image: ubuntu:22.04\ninferenceConfig: {}\n", "inferenceConfig", "inference_config"),
        ("channels: [c]\ndependencies: [python=3.12]\nchanels: [d]\n", "chanels", "channels"),
        (
            "image: ubuntu:22.04\npython: {interpreter: /usr/bin/python}\n",
            "python.interpreter",
            "interpreter_path",
        ),
    ],
)
def test_an_unknown_key_has_the_key_that_was_probably_meant(text: str, key: str, meant: str) -> None:
    (finding,) = [finding for finding in read(text).findings if finding.code == "unknown-key"]
    assert finding.message == f"Unknown key “{key}”. Did you mean “{meant}”?"


def test_a_file_with_one_misspelt_key_says_which_is_meant() -> None:
    (error,) = read("name: lab\ndependancies:\n  - numpy\n").errors
    assert error.message.endswith("Did you mean “dependencies” instead of “dependancies”?")


@pytest.mark.parametrize("name", ["a", "sklearn-1.5", "A" * 255, "0", "x_y.z"])
def test_names_that_can_be(name: str) -> None:
    """Rule 28."""
    assert name_problem(name) is None


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "A" * 256, "é", "a\n"])
def test_names_that_cannot_be(name: str) -> None:
    """Rule 28."""
    problem = name_problem(name)
    assert problem is not None
    assert problem.code == "name-invalid"


@pytest.mark.parametrize("name", ["AzureML-x", "azureml", "MICROSOFT.y"])
def test_reserved_names_are_for_curated_environments(name: str) -> None:
    """Rule 27."""
    problem = name_problem(name)
    assert problem is not None
    assert problem.code == "name-reserved"
    assert name_problem(name, curated=True) is None


@pytest.mark.parametrize(
    ("text", "whole", "floating"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest", True),
        ("ubuntu:latest", "docker.io/library/ubuntu:latest", True),
        ("ubuntu:22.04", "docker.io/library/ubuntu:22.04", False),
        ("team/image", "docker.io/team/image:latest", True),
        ("index.docker.io/team/image:1", "docker.io/team/image:1", False),
        ("localhost/image:1", "localhost/image:1", False),
        ("localhost:5000/a/b:1", "localhost:5000/a/b:1", False),
        ("reg.example:443/a@sha256:" + "0" * 64, "reg.example:443/a@sha256:" + "0" * 64, False),
        ("a:1@sha256:" + "0" * 64, "docker.io/library/a:1@sha256:" + "0" * 64, False),
        ("[::1]:5000/a:1", "[::1]:5000/a:1", False),
    ],
)
def test_references_are_understood_as_docker_does(text: str, whole: str, floating: bool) -> None:
    """Rules 17 and 18."""
    reference = ImageReference.parse(text)
    assert str(reference) == whole
    assert reference.floating is floating
    assert ImageReference.parse(whole) == ImageReference.parse(str(ImageReference.parse(whole)))


@pytest.mark.parametrize(
    "text",
    ["", " ", "UPPER", "a b", "https://reg.example/a", "a:", "a:b:c", "a@sha256:1", "a//b", "-a", "a" * 300],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(BadReference):
        ImageReference.parse(text)


def test_an_address_that_programs_read_differently_is_reported_at_its_line() -> None:
    """As a build judges it: see tests/hostile/test_addresses.py."""
    text = (
        "channels:\n  - conda-forge\n  - http:///conda.example/team\ndependencies:\n  - python=3.12\n  - pip\n"
        "  - pip:\n      - --index-url http://%6cocalhost/simple\n      - flask==3.0  # see http:///flask\n"
        "      - --extra-index-url https://${USER}:${PASSWORD}@pypi.example:${PORT}/simple\n"
        "      - --find-links https://ann:s3cret@files。example/\n      - --find-links https://127.1/links\n"
    )
    reading = read(text)
    reported = [finding for finding in reading.findings if finding.code == "unreadable-address"]
    assert [finding.line for finding in reported] == [3, 8, 11]
    assert "write it as http://localhost" in reported[1].message
    assert "s3cret" not in "".join(finding.message for finding in reported)
