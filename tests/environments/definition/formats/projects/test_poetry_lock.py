"""A poetry.lock of any format is read exactly, for the main group and for what is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.definition import read
from tests.environments.definition.formats.projects.files import FILES, HASH, faults, lines, reading_of
from tests.environments.definition.formats.projects.test_poetry_project import POETRY_1, POETRY_2

MANIFEST = """\
[tool.poetry]
name = "lab"
version = "0.1"

[tool.poetry.dependencies]
python = "^3.9"
flask = {version = "^3", extras = ["async"]}
click = [{version = "<8.1.8", python = "<3.10"}, {version = ">=8.1.8", python = ">=3.10"}]
rich = {version = "*", optional = true}
colorama = {version = "*", platform = "win32"}
tools = {path = "tools"}

[tool.poetry.extras]
tables = ["rich"]

[tool.poetry.dev-dependencies]
pytest = "*"
"""


def package(name: str, version: str, more: str = "", after: str = "") -> str:
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\npython-versions = ">=3.7"\n{more}{FILES}{after}\n'


def old_lock(category: bool) -> str:
    """Return a lock of poetry 1.0 (with categories) or of poetry 1.5, for the same project."""

    def of(kind: str, optional: bool = False) -> str:
        return (f'category = "{kind}"\n' if category else "") + f"optional = {str(optional).lower()}\n"

    return "".join(
        [
            package("asgiref", "3.8.0", of("main")),
            package("click", "8.1.7", of("main")),
            package("click", "8.2.0", of("main")),
            package("colorama", "0.4.6", of("main")),
            package("flask", "3.0.0", of("main"), '[package.dependencies]\nclick = ">=8.1.3"\nblinker = ">=1"\n'
                    'asgiref = {version = ">=3.2", optional = true}\nimportlib-metadata = {version = ">=3.6", python = "<3.10"}\n'
                    '[package.extras]\nasync = ["asgiref (>=3.2)"]\n'),
            package("blinker", "1.8", of("main"), '[package.dependencies]\nflask = "*"\n'),
            package("importlib-metadata", "8.0", of("main")),
            package("pygments", "2.18", of("main", True)),
            package("pytest", "8.0", of("dev"), '[package.dependencies]\ncolorama = {version = "*", markers = "sys_platform == \\"win32\\""}\n'),
            package("rich", "13.0", of("main", True), '[package.dependencies]\npygments = "*"\n'),
            package("tools", "0.1", of("main"), '[package.source]\ntype = "directory"\nurl = "tools"\n'),
            '[extras]\ntables = ["rich"]\n\n[metadata]\nlock-version = "1.1"\npython-versions = "^3.9"\ncontent-hash = "x"\n',
        ]
    )  # fmt: skip


MAIN = [
    "asgiref==3.8.0",
    'click==8.1.7 ; python_version < "3.10"',
    'click==8.2.0 ; python_version >= "3.10"',
    "flask==3.0.0",
    "blinker==1.8",
    'importlib-metadata==8.0 ; python_version < "3.10"',
]


@pytest.mark.parametrize("category", [True, False])
def test_an_old_lock_is_walked_from_what_the_project_requests(tmp_path: Path, category: bool) -> None:
    files = {"pyproject.toml": MANIFEST, "poetry.lock": old_lock(category)}
    reading = reading_of(tmp_path, files, "poetry.lock")
    assert reading.format == "poetry-lock"
    assert lines(reading) == MAIN
    assert reading.definition is not None
    assert all(f"--hash=sha256:{HASH}" in line for line in reading.definition.python.pip)
    assert reading.definition.python.requires_python == ">=3.9,<4.0"
    assert [each.name for each in reading.packages if each.requested] == ["click", "click", "flask"]
    assert faults(reading) == [("lock-changed", None)]
    chosen = reading_of(tmp_path, files, "poetry.lock", extras=("tables",), groups=("dev",))
    assert sorted(lines(chosen)) == sorted([*MAIN, "pygments==2.18", "pytest==8.0", "rich==13.0"])


def test_an_old_lock_alone_gives_what_is_neither_optional_nor_for_development() -> None:
    names = [line.partition("==")[0] for line in lines(read(old_lock(True), "poetry.lock"))]
    assert "pytest" not in names
    assert "rich" not in names
    assert {"flask", "click", "blinker", "colorama"} <= set(names)


def new_lock() -> str:
    return "".join(
        [
            package("flask", "3.0.0", 'optional = false\ngroups = ["main"]\n'),
            package("click", "8.1.7", 'optional = false\ngroups = ["main", "dev"]\nmarkers = {main = "python_version < \\"3.10\\""}\n'),
            package("click", "8.2.0", 'optional = false\ngroups = ["main"]\nmarkers = "python_version >= \\"3.10\\""\n'),
            package("rich", "13.0", 'optional = true\ngroups = ["main"]\nmarkers = "extra == \\"tables\\" and sys_platform == \\"linux\\""\n'),
            package("colorama", "0.4.6", 'optional = false\ngroups = ["main"]\nmarkers = "sys_platform == \\"win32\\""\n'),
            package("pytest", "8.0", 'optional = false\ngroups = ["dev"]\n'),
            package("mine", "1.0", 'optional = false\ngroups = ["main"]\n', '[package.source]\ntype = "git"\n'
                    'url = "https://example.org/mine.git"\nreference = "main"\nresolved_reference = "abc123"\nsubdirectory = "py"\n'),
            package("torch", "2.7.1+cpu", 'optional = false\ngroups = ["main"]\n', '[package.source]\ntype = "legacy"\n'
                    'url = "https://download.example.org/cpu"\nreference = "cpu"\n'),
            '[extras]\ntables = ["rich"]\n\n[metadata]\nlock-version = "2.1"\npython-versions = ">=3.9"\ncontent-hash = "x"\n',
        ]
    )  # fmt: skip


def test_a_new_lock_says_itself_which_group_and_extra_installs_a_package_where() -> None:
    reading = read(new_lock(), "poetry.lock")
    assert lines(reading) == [
        "--extra-index-url https://download.example.org/cpu",
        "flask==3.0.0",
        'click==8.1.7 ; python_version < "3.10"',
        'click==8.2.0 ; python_version >= "3.10"',
        "mine @ git+https://example.org/mine.git@abc123#subdirectory=py",
        "torch==2.7.1+cpu",
    ]
    assert reading.definition is not None
    assert reading.definition.python.package_indexes == {"torch": "https://download.example.org/cpu"}
    assert (reading.offers.extras, reading.offers.groups) == (("tables",), ("dev",))


def test_the_extras_and_groups_of_a_new_lock_are_added(tmp_path: Path) -> None:
    reading = reading_of(
        tmp_path, {"poetry.lock": new_lock()}, "poetry.lock", extras=("tables",), groups=("dev",)
    )
    assert {"rich==13.0", "pytest==8.0", "click==8.1.7"} <= set(lines(reading))


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("flask = '^3'", "lock-changed"),
        ("flask = '^2'", "lock-stale"),
        ("django = '*'", "lock-stale"),
        ("colorama = '*'", "lock-gap"),
    ],
)
def test_a_lock_that_cannot_be_what_the_project_requests_is_refused(
    tmp_path: Path, entry: str, code: str
) -> None:
    manifest = f"[tool.poetry.dependencies]\npython = '>=3.9'\n{entry}\n"
    reading = reading_of(tmp_path, {"pyproject.toml": manifest, "poetry.lock": new_lock()}, "poetry.lock")
    findings = {finding.code: finding for finding in reading.findings}
    assert code in findings
    assert reading.accepted == (code != "lock-stale")
    if code != "lock-changed":
        assert (findings[code].line, findings[code].file) == (3, "pyproject.toml")


@pytest.mark.parametrize(
    ("manifest", "digest"),
    [
        (MANIFEST, "c5e22097f204b814e7fb4551cf2e8e5a2e4809c8428c0eddc54ffdd26d57f2ce"),
        (POETRY_1, "c8ad929b619d50d05b9a6edd233ce6372b5481063999aadbb34201bc70827d6d"),
        (POETRY_2, "267738df8e58ca3aae1270ec194f2888e907c09cc134650f7d74941fe938d629"),
    ],
)
def test_the_hash_of_the_project_is_that_of_poetry(tmp_path: Path, manifest: str, digest: str) -> None:
    # poetry 2.5.1 computes these.
    files = {
        "pyproject.toml": manifest,
        "poetry.lock": old_lock(True).replace('hash = "x"', f'hash = "{digest}"'),
    }
    codes = [code for code, _ in faults(reading_of(tmp_path, files, "poetry.lock"))]
    assert "lock-changed" not in codes


def test_the_pyproject_of_another_backend_leaves_the_lock_to_itself(tmp_path: Path) -> None:
    manifest = (
        '[project]\nname = "lab"\ndynamic = ["dependencies"]\n[build-system]\nrequires = ["setuptools"]\n'
    )
    reading = reading_of(tmp_path, {"pyproject.toml": manifest, "poetry.lock": new_lock()}, "poetry.lock")
    assert "flask==3.0.0" in lines(reading)


def test_the_hashes_of_old_locks_are_those_of_each_version() -> None:
    files = f'[metadata.files]\nclick = [\n{{file = "click-8.1.7.tar.gz", hash = "sha256:{HASH}"}},\n{{file = "click-8.2.0.tar.gz", hash = "sha256:{"b" * 64}"}},\n]\n'
    text = "".join(
        f'[[package]]\nname = "click"\nversion = "{version}"\noptional = false\ncategory = "main"\npython-versions = "{python}"\n\n'
        for version, python in (("8.1.7", "<3.10"), ("8.2.0", ">=3.10"))
    )
    text += f'[metadata]\nlock-version = "1.1"\npython-versions = ">=3.8"\ncontent-hash = "x"\n{files}'
    reading = read(text, "poetry.lock")
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip == (
        f'click==8.1.7 ; python_version < "3.10" --hash=sha256:{HASH}',
        f'click==8.2.0 ; python_version >= "3.10" --hash=sha256:{"b" * 64}',
    )
    oldest = read(text.replace(files, f'[metadata.hashes]\nclick = ["{HASH}"]\n'), "poetry.lock")
    assert oldest.definition is not None
    assert all(HASH in line for line in oldest.definition.python.pip)


def test_a_lock_of_nothing_is_refused() -> None:
    text = 'package = []\n[metadata]\nlock-version = "2.1"\npython-versions = "*"\ncontent-hash = "x"\n'
    assert [error.code for error in read(text, "poetry.lock").errors] == ["empty-lock"]
