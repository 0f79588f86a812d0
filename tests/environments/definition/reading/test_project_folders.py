"""Which file of a project's folder is read, what is left unread, and where its files disagree."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from environments.definition import Reading, read, read_path
from environments.definition.files.folder import DiskFolder
from environments.definition.formats.source import Source
from environments.definition.model import Selection
from environments.definition.reading.choose_project import chosen_of_project

CONDA = "channels: [conda-forge]\ndependencies: [python=3.12]\n"
PEP_621 = '[project]\nname = "lab"\nversion = "1"\ndependencies = ["flask>=3"]\n'
SETTINGS = "[tool.ruff]\nline-length = 100\n"
PYLOCK = 'lock-version = "1.0"\n[[packages]]\nname = "flask"\nversion = "3.0.0"\n'
EMPTY_PROJECT = '[project]\nname = "lab"\nversion = "1"\ndynamic = ["dependencies"]\n'
POETRY = '[tool.poetry.dependencies]\npython = "^3.11"\nflask = "^3"\n'


def folder(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def chosen(root: Path, files: dict[str, str], *, ignore_lock: bool = False) -> str | None:
    source = Source(DiskFolder(folder(root, files)))
    return chosen_of_project(source, "", sorted(files), ignore_lock=ignore_lock)


@pytest.mark.parametrize(
    ("files", "locked", "manifest"),
    [
        ({"pixi.toml": "[workspace]\n", "pixi.lock": ""}, "pixi.lock", "pixi.toml"),
        ({"pyproject.toml": "[tool.pixi.workspace]\nname = 'a'\n", "pixi.lock": ""}, "pixi.lock", "pyproject.toml"),
        ({"pyproject.toml": PEP_621, "uv.lock": ""}, "uv.lock", "pyproject.toml"),
        ({"pyproject.toml": POETRY, "poetry.lock": ""}, "poetry.lock", "pyproject.toml"),
        ({"pyproject.toml": PEP_621, "pdm.lock": ""}, "pdm.lock", "pyproject.toml"),
        ({"Pipfile": "", "Pipfile.lock": ""}, "Pipfile.lock", "Pipfile"),
        ({"pyproject.toml": PEP_621, "pylock.toml": ""}, "pylock.toml", "pyproject.toml"),
        ({"pyproject.toml": PEP_621, "requirements.txt": ""}, "pyproject.toml", "pyproject.toml"),
        ({"pyproject.toml": SETTINGS, "requirements.txt": ""}, "requirements.txt", "requirements.txt"),
        ({"pyproject.toml": EMPTY_PROJECT, "requirements.txt": ""}, "requirements.txt", "requirements.txt"),
        ({"pyproject.toml": "[project]\nname = [\n", "requirements.txt": ""}, "pyproject.toml", "pyproject.toml"),
        ({"conda-lock.yml": "", "requirements.txt": ""}, "conda-lock.yml", "requirements.txt"),
        ({"conda-lock.yml": ""}, "conda-lock.yml", "conda-lock.yml"),
        ({"pyproject.toml": SETTINGS}, None, None),
        # A lock that another tool left behind.
        ({"pyproject.toml": POETRY, "poetry.lock": "", "uv.lock": ""}, "poetry.lock", "pyproject.toml"),
        ({"pyproject.toml": PEP_621, "uv.lock": "", "pixi.lock": ""}, "uv.lock", "pyproject.toml"),
    ],
)  # fmt: skip
def test_the_lock_is_read_before_its_manifest_and_the_manifest_before_plain_requirements(
    tmp_path: Path, files: dict[str, str], locked: str | None, manifest: str | None
) -> None:
    assert chosen(tmp_path, files) == locked
    assert chosen(tmp_path, files, ignore_lock=True) == manifest


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("environment.yml", CONDA, "conda-env"),
        ("Dockerfile", "FROM ubuntu:24.04\n", "context"),
        ("asset.yaml", "type: environment\nspec: spec.yaml\n", "curated"),
    ],
)
def test_definitions_of_images_and_conda_files_come_before_a_projects_own(
    tmp_path: Path, name: str, text: str, format: str
) -> None:
    files = {name: text, "pyproject.toml": PEP_621, "uv.lock": "", "requirements.txt": "flask\n"}
    assert read_path(folder(tmp_path, files)).format == format


def unread(reading: Reading) -> set[str]:
    return {finding.file for finding in reading.findings if finding.code == "file-not-read"}


def test_what_else_of_projects_is_in_the_folder_is_named_but_not_the_files_settings(tmp_path: Path) -> None:
    files = {
        "environment.yml": CONDA,
        "pixi.toml": "[workspace]\n",
        "pixi.lock": "",
        "pyproject.toml": SETTINGS,
    }
    assert unread(read_path(folder(tmp_path / "a", files))) == {"pixi.toml", "pixi.lock"}
    files = {"pylock.toml": PYLOCK, "pyproject.toml": PEP_621, "Pipfile": "[packages]\n"}
    assert unread(read_path(folder(tmp_path / "b", files))) == {"Pipfile"}


def test_a_conda_file_is_read_before_its_lock_and_says_so(tmp_path: Path) -> None:
    reading = read_path(folder(tmp_path, {"environment.yml": CONDA, "conda-lock.yml": ""}))
    assert reading.format == "conda-env"
    (note,) = [finding for finding in reading.findings if finding.code == "lock-unread"]
    assert "Give conda-lock.yml alone" in note.help


def test_an_archive_with_one_top_folder_is_read_as_that_folder() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in {"pylock.toml": PYLOCK, "requirements.txt": "flask==2\n", "src/lab.py": ""}.items():
            archive.writestr(f"lab-0123abc/{name}", text)
    reading = read(content.getvalue(), "lab.zip")
    assert reading.format == "pylock"
    assert "sources-disagree" in [finding.code for finding in reading.findings]


def test_a_lock_is_left_out_on_request(tmp_path: Path) -> None:
    files = {"pylock.toml": PYLOCK, "requirements.in": "", "requirements.txt": "flask==2\n"}
    assert read_path(folder(tmp_path, files)).format == "pylock"
    assert read_path(tmp_path, selection=Selection(ignore_lock=True)).format == "requirements"


def disagreements(root: Path, files: dict[str, str]) -> list[tuple[str, int | None, str]]:
    findings = read_path(folder(root, files)).findings
    return [
        (finding.message, finding.line, finding.file)
        for finding in findings
        if finding.code == "sources-disagree"
    ]


def test_files_that_request_different_versions_are_named_with_both_lines(tmp_path: Path) -> None:
    conda = (
        "channels: [c]\ndependencies:\n  - python=3.12\n  - numpy=1.26\n  - pandas>=2\n  - scipy=1.11\n"
        "  - Flask_Login\n  - pip\n  - pip:\n      - httpx==0.27\n"
    )
    pip = "numpy==1.26.4\npandas==1.5\nscipy==1.12.0\nhttpx<0.27\nflask-login==1\npython-dotenv\n"
    assert disagreements(tmp_path, {"environment.yml": conda, "requirements.txt": pip}) == [
        ("pandas: environment.yml line 5 has >=2, requirements.txt line 2 has ==1.5.", 5, "environment.yml"),
        (
            "scipy: environment.yml line 6 has =1.11, requirements.txt line 3 has ==1.12.0.",
            6,
            "environment.yml",
        ),
        (
            "httpx: environment.yml line 10 has ==0.27, requirements.txt line 4 has <0.27.",
            10,
            "environment.yml",
        ),
    ]


def test_a_conda_file_and_its_lock_are_compared(tmp_path: Path) -> None:
    lock = (
        "version: 1\nmetadata: {channels: [c], platforms: [linux-64]}\npackage:\n"
        "- {name: python, version: 3.11.2, manager: conda, platform: linux-64, dependencies: {},\n"
        "   url: https://h/c/linux-64/python-3.11.2-0.conda, hash: {md5: aa}}\n"
    )
    (disagreement,) = disagreements(tmp_path, {"environment.yml": CONDA, "conda-lock.yml": lock})
    assert disagreement[0] == "python: environment.yml line 2 has =3.12, conda-lock.yml line 5 has ==3.11.2."


def test_what_may_be_the_same_is_no_disagreement(tmp_path: Path) -> None:
    conda = "channels: [c]\ndependencies: [python=3.12, numpy=1.26.*, a>=1, b==1.0, c, d=1=h_0, 'e>1,<2|>3', f=1!2]\n"
    pip = "numpy~=1.26.2\na>=5\nb===1\nc==7\nd==1.0\ne==4\nf==1!2\ng==1\n-r more.txt\nz @ https://h/z-1-py3-none-any.whl\n"
    assert disagreements(tmp_path, {"environment.yml": conda, "requirements.txt": pip}) == []


def test_a_file_that_is_included_does_not_disagree_with_itself(tmp_path: Path) -> None:
    conda = "channels: [c]\ndependencies: [python=3.12, numpy=2, pip, {pip: [-r requirements.txt]}]\n"
    assert disagreements(tmp_path, {"environment.yml": conda, "requirements.txt": "numpy==1\n"}) == []


def test_so_many_disagreements_are_reported_as_somebody_reads(tmp_path: Path) -> None:
    pip = "".join(f"p{number}==1\n" for number in range(500))
    conda = "channels: [c]\ndependencies:\n" + "".join(f"  - p{number}=2\n" for number in range(500))
    assert len(disagreements(tmp_path, {"environment.yml": conda, "requirements.txt": pip})) == 20


def test_a_python_that_the_other_file_excludes_is_a_disagreement(tmp_path: Path) -> None:
    lock = PYLOCK.replace("[[", 'requires-python = ">=3.13"\n[[')
    files = {"environment.yml": CONDA, "conda-lock.yml": "", "pylock.toml": lock, "pyproject.toml": PEP_621}
    assert disagreements(tmp_path, files) == []
    conda = "channels: [c]\ndependencies: [python=3.12, numpy=2]\n"
    other = "channels: [c]\ndependencies: [python>=3.13, numpy>=2.1,<2.3]\n"
    (disagreement,) = disagreements(tmp_path / "b", {"environment.yml": conda, "environment.yaml": other})
    assert disagreement[0].startswith(
        "python: environment.yml line 2 has =3.12, environment.yaml line 2 has >=3.13."
    )
