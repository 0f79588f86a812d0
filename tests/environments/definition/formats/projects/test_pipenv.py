"""A Pipfile is read by its default packages, a Pipfile.lock exactly; categories are offered as groups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from environments.definition import read
from environments.definition.model import Selection
from tests.environments.definition.formats.projects.files import HASH, faults, lines, reading_of

PIPFILE = """\
[[source]]
name = "pypi"
url = "https://pypi.org/simple"
verify_ssl = true

[[source]]
name = "own"
url = "https://own.example.org/simple"
verify_ssl = false

[packages]
flask = "*"
uvicorn = {version = ">=0.30", extras = ["standard"], index = "own"}
"httpx[http2]" = "~=0.27"
colorama = {version = "*", sys_platform = "== 'win32'"}
tomli = {version = "*", markers = "python_version < '3.11'"}
mine = {git = "https://example.org/mine.git", ref = "v1"}
wheel-of-mine = {file = "https://example.org/wheel_of_mine-1-py3-none-any.whl"}
lab = {path = ".", editable = true}

[dev-packages]
pytest = "8.0"

[docs]
mkdocs = "*"

[requires]
python_version = "3.10"
"""


def test_a_pipfile_is_read_by_its_default_packages() -> None:
    reading = read(PIPFILE, "Pipfile")
    assert reading.format == "pipfile"
    assert lines(reading) == [
        "flask",
        "uvicorn[standard]>=0.30",
        "httpx[http2]~=0.27",
        "tomli",
        "mine @ git+https://example.org/mine.git@v1",
        "wheel-of-mine @ https://example.org/wheel_of_mine-1-py3-none-any.whl",
    ]
    assert reading.definition is not None
    assert reading.definition.python.package_indexes == {"uvicorn": "https://own.example.org/simple"}
    assert reading.definition.python.requires_python == "==3.10.*"
    assert reading.offers.groups == ("dev", "docs")
    assert faults(reading) == [("option-ignored", 6)]


def test_categories_are_added_by_name() -> None:
    reading = read(PIPFILE, "", selection=Selection(groups=("dev", "docs")))
    assert lines(reading)[-2:] == ["pytest==8.0", "mkdocs"]
    assert [error.code for error in read(PIPFILE, "Pipfile", selection=Selection(extras=("x",))).errors] == [
        "selection-unknown"
    ]


def test_the_first_source_replaces_pypi() -> None:
    text = '[[source]]\nname = "own"\nurl = "https://own.example.org/simple"\n[packages]\nflask = "*"\n'
    assert lines(read(text, "Pipfile")) == ["--index-url https://own.example.org/simple", "flask"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[packages]\n", "project-empty"),
        ("[packages]\nlab = {path = '.', editable = true}\n", "project-empty"),
        ("[packages]\nflask = 'one'\n", "bad-dependency"),
        ("[packages]\nflask = 1\n", "bad-dependency"),
        ("[packages]\n'a b' = '*'\n", "bad-dependency"),
        ("[packages]\nflask = {version = '*', markers = 'x is y'}\n", "bad-dependency"),
        ("[packages]\nflask = {version = '*', index = 'nowhere'}\n", "bad-dependency"),
        ("[packages\n", "bad-toml"),
    ],
)
def test_faults_of_a_pipfile_are_named(text: str, code: str) -> None:
    assert [error.code for error in read(text, "Pipfile").errors] == [code]


def lock(**more: object) -> str:
    hashes = {"hashes": [f"sha256:{HASH}"]}
    return json.dumps(
        {
            "_meta": {
                "hash": {"sha256": "x"},
                "pipfile-spec": 6,
                "requires": {"python_version": "3.10"},
                "sources": [
                    {"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True},
                    {"name": "own", "url": "https://own.example.org/simple", "verify_ssl": True},
                ],
            },
            "default": {
                "Flask": {
                    **hashes,
                    "version": "==3.0.0",
                    "markers": "python_version >= '3.8'",
                    "index": "pypi",
                },
                "uvicorn[standard]": {**hashes, "version": "==0.30", "extras": ["standard"], "index": "own"},
                "httpx": {**hashes, "version": "==0.27.0"},
                "colorama": {"version": "*"},
                "tomli": {**hashes, "version": "==2.0", "markers": "python_version < '3.11'"},
                "mine": {"git": "https://example.org/mine.git", "ref": "abc"},
                "wheel-of-mine": {"file": "https://example.org/wheel_of_mine-1-py3-none-any.whl", **hashes},
                "lab": {"path": ".", "editable": True},
                **more,
            },
            "develop": {"pytest": {**hashes, "version": "==8.0"}, "tomli": {**hashes, "version": "==2.0"}},
        },
        indent=4,
    )


DEFAULT = [
    "--extra-index-url https://own.example.org/simple",
    "flask==3.0.0",
    "uvicorn==0.30",
    "httpx==0.27.0",
    "tomli==2.0",
    "mine @ git+https://example.org/mine.git@abc",
    "wheel-of-mine @ https://example.org/wheel_of_mine-1-py3-none-any.whl",
]


def test_a_pipfile_lock_is_read_exactly(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, {"Pipfile": PIPFILE, "Pipfile.lock": lock()}, "Pipfile.lock")
    assert reading.format == "pipfile-lock"
    assert lines(reading) == DEFAULT
    assert faults(reading) == [("lock-changed", None)]
    assert reading.definition is not None
    assert reading.definition.python.package_indexes == {"uvicorn": "https://own.example.org/simple"}
    assert reading.offers.groups == ("dev",)


def test_a_package_without_a_version_is_what_the_locking_machine_does_not_install() -> None:
    reading = read(lock(), "Pipfile.lock")
    assert lines(reading) == DEFAULT
    assert [code for code, _ in faults(reading)] == ["lock-gap"]


def test_the_packages_for_development_are_added_by_name() -> None:
    assert "pytest==8.0" in lines(read(lock(), "", selection=Selection(groups=("dev",))))


def test_a_pipfile_lock_that_does_not_fit_its_pipfile_is_refused(tmp_path: Path) -> None:
    files = {"Pipfile": '[packages]\nflask = ">=4"\ndjango = "*"\n', "Pipfile.lock": lock()}
    reading = reading_of(tmp_path, files, "Pipfile.lock")
    stale = [(error.code, error.line, error.file) for error in reading.errors]
    assert stale == [("lock-stale", 2, "Pipfile"), ("lock-stale", 3, "Pipfile")]


def test_the_hash_is_that_of_pipenv(tmp_path: Path) -> None:
    # Pipenv 2026.10.3 writes this hash for this Pipfile.
    pipfile = '[[source]]\nname = "pypi"\nurl = "https://pypi.org/simple"\nverify_ssl = true\n\n[packages]\nflask = "*"\n'
    digest = "f226f2c246fa4694a5658fd6793e384e9b5ea4b2502a4da2f7d0a795e3efb63f"
    text = lock().replace('"sha256": "x"', f'"sha256": "{digest}"')
    reading = reading_of(tmp_path, {"Pipfile": pipfile, "Pipfile.lock": text}, "Pipfile.lock")
    assert faults(reading) == []


@pytest.mark.parametrize(
    "text",
    ["{", '{"_meta": 1}', '{"_meta": {"pipfile-spec": 6}, "default": []}', lock(x=1), lock(**{"a b": {}})],
)
def test_a_broken_lock_is_refused(text: str) -> None:
    assert not read(text, "Pipfile.lock").accepted
