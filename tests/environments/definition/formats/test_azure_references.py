"""Files of Azure ML: tags through conversions, and bases that are named and are not here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import read, read_path, write
from environments.definition.writing.write import write_reading

TAGGED = (
    "name: lab\nversion: 1.10\ndescription: 'for\n\n  all'\nimage: ubuntu:24.04\n"
    "tags:\n  cuda: 12.10\n  gpu: true\n  owner:\n  day: 2026-01-01\n  'a: b': \"x # y\"\nproperties: {team: 007}\n"
)


@pytest.mark.parametrize("format", ["v1-json", "v2-yaml"])
def test_tags_are_kept_as_they_are_written_through_every_conversion(format: str) -> None:
    first = read(TAGGED)
    again = read(write_reading(first, format))
    assert again.tags == {"cuda": "12.10", "gpu": "true", "owner": "", "day": "2026-01-01", "a: b": "x # y"}
    assert (again.name, again.version, again.description) == ("lab", "1.10", "for\nall")
    assert again.definition is not None
    assert again.definition.properties == {"team": "007"}


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=40), max_size=4))
@settings(max_examples=60)
def test_any_tags_survive_both_formats(tags: dict[str, str]) -> None:
    definition = read("image: ubuntu:24.04\n").definition
    assert definition is not None
    for format in ("v1-json", "v2-yaml"):
        reading = read(write(definition, format, tags=tags))
        if "<<" not in tags and "\0" not in "".join([*tags, *tags.values()]):
            assert reading.tags == tags


@pytest.mark.parametrize(
    ("image", "command"),
    [
        ("azureml:lab-gpu:5", "az ml environment show --name lab-gpu --version 5`"),
        ("azureml:lab-gpu@latest", "az ml environment show --name lab-gpu --label latest`"),
        ("azureml:lab-gpu", "az ml environment show --name lab-gpu`"),
        ("azureml://registries/azureml/environments/lab/versions/3", "--version 3 --registry-name azureml`"),
        (
            "azureml://registries/azureml/environments/lab/labels/latest",
            "--label latest --registry-name azureml`",
        ),
    ],
)
def test_the_name_of_an_environment_in_the_place_of_an_image_is_explained(image: str, command: str) -> None:
    for text, line in (
        (f"name: a\nimage: {image}\n", 2),
        (f"FROM {image}\n", 1),
        (json.dumps({"docker": {"baseImage": image}}), 1),
    ):
        (error,) = read(text).errors
        assert (error.code, error.line) == ("image-is-environment", line)
        assert image in error.message
        assert command in error.help


@pytest.mark.parametrize(
    ("path", "help"),
    [
        ("https://git.example/o/r.git#main:docker", "`git clone --branch main https://git.example/o/r.git`, and give its folder docker"),
        ("git@git.example:o/r.git", "`git clone git@git.example:o/r.git`"),
        ("github.com/o/r", "`git clone github.com/o/r`"),
        ("azureml://datastores/store/paths/context", "Download the folder"),
        ("https://store.example/context/", "Download the folder"),
    ],
)  # fmt: skip
def test_a_build_context_that_is_elsewhere_is_explained(path: str, help: str) -> None:
    for text, line in (
        (f"build:\n  path: {path}\n", 2),
        (json.dumps({"docker": {"buildContext": {"locationType": "git", "location": path}}}), 1),
    ):
        reading = read(text)
        (error,) = reading.errors
        assert (error.code, error.line) == ("context-remote", line)
        assert help in error.help
        assert "unknown-key" not in {finding.code for finding in reading.findings}


def test_a_misspelt_path_of_a_build_context_takes_no_other_folder(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM ubuntu:24.04\n")
    (tmp_path / "env.yml").write_text("name: a\nbuild:\n  local_path: context\n")
    reading = read_path(tmp_path / "env.yml")
    assert [error.code for error in reading.errors] == ["missing-key"]
    (unknown,) = [finding for finding in reading.findings if finding.code == "unknown-key"]
    assert "Did you mean “path”?" in unknown.message
