"""Choosing a part of a project, in the command and in what is read again."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from environments.definition import diff, read, read_path
from environments.definition.cli import main
from environments.definition.files.folder import MemoryFolder
from environments.definition.model import Selection
from environments.definition.reading.read import read_folder_of
from tests.environments.definition import toy_project
from tests.environments.definition.toy_project import LOCK, MANIFEST


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    toy_project.install(monkeypatch)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project.toy").write_text(MANIFEST)
    (tmp_path / "toy.lock").write_text(LOCK)
    return tmp_path


def run(*arguments: str | Path) -> tuple[int, str]:
    out = io.StringIO()
    return main([str(argument) for argument in arguments], out), out.getvalue()


def test_what_a_project_offers_and_what_was_read_is_printed(project: Path) -> None:
    code, text = run("inspect", project, "--environment", "gpu", "--extra", "viz", "--extra", "docs")
    assert code == 0
    assert "\n  read: environment gpu; extra viz, docs; group test\n" in text
    assert "\n  offers: environments default, gpu; extras viz, docs; groups test\n" in text
    code, text = run("inspect", project, "--json")
    printed = json.loads(text)
    assert printed["offers"] == {
        "environments": ["default", "gpu"],
        "extras": ["viz", "docs"],
        "groups": ["test"],
        "default": {
            "environment": "default",
            "extras": [],
            "groups": ["test"],
            "no_groups": [],
            "ignore_lock": False,
            "platforms": [],
        },
    }
    assert printed["selection"] == printed["offers"]["default"]


@pytest.mark.parametrize("option", [["--no-group", "docs"], ["--no-default-groups"]])
def test_the_command_leaves_a_default_group_out(tmp_path: Path, option: list[str]) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(
        '[project]\nname = "lab"\nversion = "1"\ndependencies = ["six"]\n'
        '[dependency-groups]\ndocs = ["sphinx"]\n[tool.uv]\ndefault-groups = ["docs"]\n'
    )
    assert "sphinx" in run("convert", file, "--to", "requirements")[1]
    code, text = run("convert", file, "--to", "requirements", *option)
    assert (code, "sphinx" in text) == (0, False)
    assert "\n  read: no-group docs\n" in run("inspect", file, *option)[1]


def test_diff_and_convert_read_the_chosen_part(project: Path) -> None:
    code, text = run("convert", project, "--to", "requirements", "--extra", "viz", "--ignore-lock")
    assert code == 0
    assert "matplotlib\n" in text
    assert "sphinx" not in text
    code, _ = run("diff", project, project, "--extra", "nothing")
    assert code == 2


def test_a_part_that_is_not_there_is_refused_with_what_there_is(project: Path) -> None:
    code, text = run("inspect", project, "--extra", "gpu")
    assert code == 2
    assert "The project has no extra named “gpu”" in text
    assert "viz, docs" in text


@pytest.mark.parametrize("chosen", [["--environment", "gpu"], ["--extra", "gpu"], ["--group", "gpu"]])
def test_a_file_without_parts_refuses_a_choice(tmp_path: Path, chosen: list[str]) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("numpy==2.1.3\n")
    code, text = run("inspect", file, *chosen)
    assert code == 2
    assert "[selection-unknown]" in text
    assert "holds one set of packages" in text


def test_a_choice_for_an_unreadable_file_adds_no_second_error() -> None:
    reading = read("{", "environment.json", selection=Selection(extras=("viz",)))
    assert [error.code for error in reading.errors] == ["bad-json"]


def test_another_part_with_the_same_packages_is_the_same_image_and_a_difference(project: Path) -> None:
    old = read_path(project).definition
    assert old is not None
    new = old.model_copy(update={"selection": Selection(environment="default", extras=("same",))})
    difference = diff(old, new)
    assert difference.same_hash
    assert [change.text for change in difference.other] == ["another part of the project"]


def test_the_texts_that_a_folder_was_read_from_give_the_same_definition_again(project: Path) -> None:
    (project / "notes.md").write_text("Not read.\n")
    (project / "data.bin").write_bytes(b"\0" * 100)
    reading = read_path(project, selection=Selection(extras=("viz",)))
    assert set(reading.files) == {"project.toy", "toy.lock"}
    assert reading.file == "toy.lock"
    assert reading.definition is not None
    held = MemoryFolder({path: (0o644, content) for path, content in reading.files.items()})
    again = read_folder_of(held, selection=reading.definition.selection)
    assert again.definition == reading.definition


def test_no_texts_are_kept_of_a_build_context_and_of_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r more.txt\n")
    (tmp_path / "more.txt").write_bytes("numpy==2.1.3\n".encode("utf-16"))
    assert read_path(tmp_path).files == {}
    (tmp_path / "Dockerfile").write_text("FROM python:3.12\nCOPY more.txt .\n")
    reading = read_path(tmp_path)
    assert reading.definition is not None
    assert reading.definition.context is not None
    assert reading.files == {}
