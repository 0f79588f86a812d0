"""No finding hides another: conflicts and broken lines leave the findings about all other lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from environments.definition import Reading, read, read_path

PASSWORD = "http://me:hunter2@pypi.example/simple"
CONDA = """\
name: lab
channels:
  - conda-forge
dependencies:
  - python=3.12
  - numpy=>1
  - pip
  - pip:
      - flask=1
      - torch===
variables:
  TOKEN: c2VjcmV0LTEyMw9x8y7z
"""
REQUIREMENTS = f"""\
numpy=1
--extra-index-url {PASSWORD}
flask>>1
torch
./here
"""
PYLOCK = """\
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "flask"

[[packages]]
name = "torch"
version = "1"

[[packages]]
version = "1"

[[packages]]
name = "numpy"
version = "x y"
"""
CONDA_LOCK = """\
version: 1
metadata: {channels: [conda-forge], platforms: [linux-64]}
package:
- {name: a, manager: conda, platform: linux-64, url: https://h/c/linux-64/a-1-0.conda}
- {name: b, version: 1, manager: conda, platform: linux-64}
- {name: c, version: 1, manager: conda, platform: linux-64, url: https://h/c/linux-64/c}
"""
V2 = """\
name: lab
image: ubuntu
colour: red
conda_file:
  channels: [conda-forge]
  dependencies:
    - numpy=>1
variables:
  PASSWORD: hunter2hunter2x9
"""
V1 = json.dumps(
    {
        "docker": {"baseImage": "ubuntu", "arguments": {}},
        "python": {"condaDependencies": {"channels": ["c"], "dependencies": ["numpy=>1", {"pip": ["a=1"]}]}},
        "environmentVariables": {"PASSWORD": "hunter2hunter2x9"},
    },
    indent=1,
)
DOCKERFILE = "FROM ubuntu\nRUNN true\nENV PASSWORD=hunter2hunter2x9\nCOPY a b\n"
EXPLICIT = "@EXPLICIT\nhttps://h/c/linux-64/a\nhttps://h/c/linux-64/a-1-0.conda\nhttps://h/c/noarch/b\n"
FILES = {
    "environment.yml": CONDA,
    "requirements.txt": REQUIREMENTS,
    "pylock.toml": PYLOCK,
    "conda-lock.yml": CONDA_LOCK,
    "spec.yaml": V2,
    "azureml_environment.json": V1,
    "Dockerfile": DOCKERFILE,
    "conda-linux-64.lock": EXPLICIT,
}


def kept(reading: Reading, line: int, more: int) -> set[tuple[str, int, str]]:
    """Return the findings with their lines as before so many lines were put in after a line."""
    findings: set[tuple[str, int, str]] = set()
    for finding in reading.findings:
        number = finding.line or 0
        findings.add((finding.code, number - more if number > line else number, finding.severity))
    return findings


def insert(text: str, line: int, lines: list[str]) -> str:
    parts = text.split("\n")
    return "\n".join([*parts[:line], *lines, *parts[line:]])


@pytest.mark.parametrize("name", FILES)
def test_each_example_has_findings_that_could_be_hidden(name: str) -> None:
    assert len(read(FILES[name], name).errors) >= 2


@given(st.sampled_from(sorted(FILES)), st.integers(0, 20), st.sampled_from(["<<<<<<< HEAD", ">>>>>>> main"]))
@example("environment.yml", 10, "<<<<<<< HEAD")
@settings(max_examples=120)
def test_a_marker_of_a_conflict_hides_no_finding_about_another_line(
    name: str, line: int, marker: str
) -> None:
    text = FILES[name]
    line = min(line, text.count("\n"))
    changed = read(insert(text, line, [marker]), name)
    assert ("merge-conflict", line + 1) in [(error.code, error.line) for error in changed.errors]
    assert _errors_of(text, name) <= kept(changed, line, 1)


@given(st.sampled_from(sorted(FILES)), st.integers(0, 20), st.integers(1, 4))
@settings(max_examples=120)
def test_a_whole_conflict_hides_no_finding_about_either_of_its_sides(
    name: str, line: int, length: int
) -> None:
    """Both sides are the same, so each line is there as before on each of them."""
    text = FILES[name]
    lines = text.split("\n")
    line = min(line, len(lines) - 1)
    ours = lines[line : line + length]
    conflict = ["<<<<<<< HEAD", *ours, "=======", *ours, ">>>>>>> main"]
    changed = read("\n".join([*lines[:line], *conflict, *lines[line + len(ours) :]]), name)
    marks = [error.line for error in changed.errors if error.code == "merge-conflict"]
    assert marks == [line + 1, line + 2 + len(ours), line + 3 + 2 * len(ours)]
    codes = [finding.code for finding in changed.findings]
    for code, _, _ in _errors_of(text, name):
        assert code in codes


BROKEN = {
    "environment.yml": ["\t- tab", "@@@", "}", "a: b: c"],
    "conda-lock.yml": ["\t- tab", "@@@", "}", "a: b: c"],
    "spec.yaml": ["\t- tab", "@@@", "}", "a: b: c"],
    "azureml_environment.json": ["}{", ",,", '"a" "b",'],
    "pylock.toml": ["}", "name = ", "name name", "= 1"],
    "requirements.txt": ["}{", "-", "numpy = = 1"],
    "Dockerfile": ["RUNNN x"],
    "conda-linux-64.lock": ["https://h/c/noarch/x"],
}


@given(st.sampled_from(sorted(BROKEN)), st.integers(1, 20), st.integers(0, 3))
@settings(max_examples=150)
def test_a_broken_line_hides_no_error_about_another_line(name: str, line: int, which: int) -> None:
    text = FILES[name]
    line = min(line, text.count("\n"))
    bad = BROKEN[name][which % len(BROKEN[name])]
    changed = read(insert(text, line, [bad]), name)
    assert changed.errors
    assert _errors_of(text, name) <= kept(changed, line, 1)


def _errors_of(text: str, name: str) -> set[tuple[str, int, str]]:
    return {(error.code, error.line or 0, error.severity) for error in read(text, name).errors}


def test_a_merge_conflict_on_line_11_hides_neither_the_lines_before_nor_a_password_on_line_10() -> None:
    text = "".join(
        f"{line}\n"
        for line in (
            "channels: [c]", "dependencies:", "  - numpy=>1", "  - pip", "  - pip:", "      - flask==",
            "      - a", "      - b", "      - c", f"      - --extra-index-url {PASSWORD}", "<<<<<<< HEAD",
            "      - d==1", "=======", "      - d==", ">>>>>>> main",
        )
    )  # fmt: skip
    errors = [(error.code, error.line) for error in read(text, "environment.yml").errors]
    assert errors == [
        ("bad-conda-spec", 3),
        ("bad-requirement", 6),
        ("secret-in-definition", 10),
        ("merge-conflict", 11),
        ("merge-conflict", 13),
        ("bad-requirement", 14),
        ("merge-conflict", 15),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("environment.yml", f"dependencies: [a\n- index: {PASSWORD}\n: : [\n"),
        ("pylock.toml", f'x = [[[\nurl = "{PASSWORD}"\n'),
        ("spec.json", f'{{"a": \n"{PASSWORD}",,\n'),
        ("requirements.txt", f"\xff==\n--index-url {PASSWORD}\n"),
        ("data.md", f"# Title\n{PASSWORD}\n\na | b\n---|---\n"),
        ("environment.yml", "- [a\nPASSWORD: hunter2hunter2x9\n"),
    ],
)
def test_a_secret_is_reported_in_a_file_that_cannot_be_parsed(name: str, text: str) -> None:
    reading = read(text, name)
    assert ("secret-in-definition", 2) in [(error.code, error.line) for error in reading.errors]
    assert "hunter2" not in repr(reading)


def test_a_broken_byte_hides_nothing() -> None:
    reading = read(b"numpy==\n# caf\xe9\nflask==\n", "requirements.txt")
    assert [(error.code, error.line) for error in reading.errors] == [
        ("bad-requirement", 1),
        ("not-text", 2),
        ("bad-requirement", 3),
    ]


def test_what_may_be_in_the_part_that_is_not_read_is_not_called_missing() -> None:
    reading = read("dependencies:\n  - numpy=1\n  - {pip: [\n", "environment.yml")
    assert [finding.code for finding in reading.findings] == ["bad-yaml"]


def test_a_conflict_of_an_included_file_is_reported_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(
        "channels: [c]\ndependencies: [python=3.12, pip, {pip: [-r a.txt]}]\n"
    )
    (tmp_path / "a.txt").write_text("flask==\n<<<<<<< HEAD\nb==1\n=======\nb==2\n>>>>>>> main\n")
    errors = {(error.file, error.code, error.line) for error in read_path(tmp_path).errors}
    assert errors == {
        ("a.txt", "bad-requirement", 1),
        ("a.txt", "merge-conflict", 2),
        ("a.txt", "merge-conflict", 4),
        ("a.txt", "merge-conflict", 6),
    }


def test_a_fault_in_the_file_of_a_folder_hides_nothing_of_the_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies: [python=3.12\n")
    (tmp_path / "requirements.txt").write_text("flask\n")
    codes = [finding.code for finding in read_path(tmp_path).findings]
    assert "bad-yaml" in codes
    assert "file-not-read" in codes
