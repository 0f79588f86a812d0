"""Locks and lists of installed packages: exact, whole, and written again."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace

import pytest
from packaging.pylock import Pylock

from environments.definition import Reading, read
from environments.definition.packages.locked import LockedPackage
from environments.definition.writing.write import CannotWrite, write_lock, write_reading

CONDA = "https://conda.anaconda.org/conda-forge"


def packages(reading: Reading) -> list[tuple[str, str, str, str]]:
    return [(package.name, package.version, package.ecosystem, package.build) for package in reading.packages]


EXPLICIT = f"""\
# This file may be used to create an environment using:
# platform: linux-aarch64
@EXPLICIT
{CONDA}/linux-aarch64/python-3.12.1-h1_0.conda#0123456789abcdef0123456789abcdef
{CONDA}/noarch/tzdata-2024a-h0c530f3_0.tar.bz2
# pip flask @ https://files.pythonhosted.org/packages/x/Flask-3.0.0-py3-none-any.whl --hash=sha256:{"a" * 64}
"""


def test_an_explicit_list_is_read_with_its_platform_and_pip_packages() -> None:
    reading = read(EXPLICIT)
    assert reading.definition is not None, reading.errors
    assert reading.definition.platform == "linux/arm64"
    assert len(reading.definition.python.conda) == 2
    assert packages(reading) == [
        ("python", "3.12.1", "conda", "h1_0"),
        ("tzdata", "2024a", "conda", "h0c530f3_0"),
        ("flask", "", "pip", ""),
    ]


def test_an_explicit_list_without_its_mark_is_recognised_by_content() -> None:
    assert read(f"{CONDA}/noarch/tzdata-2024a-h0_0.conda\n").format == "conda-explicit"


def test_a_line_that_names_no_package_is_refused() -> None:
    reading = read(f"@EXPLICIT\n{CONDA}/noarch/tzdata\n")
    assert [(error.code, error.line) for error in reading.errors] == [("bad-conda-spec", 2)]


LOCK = f"""\
version: 1
metadata:
  channels: [{{url: conda-forge, used_env_vars: []}}]
  platforms: [osx-64, linux-64]
package:
- {{name: python, version: 3.12.1, manager: conda, platform: osx-64, dependencies: {{}},
   url: {CONDA}/osx-64/python-3.12.1-h1_0.conda, hash: {{md5: aa}}}}
- {{name: python, version: 3.12.1, manager: conda, platform: linux-64, dependencies: {{tzdata: ''}},
   url: {CONDA}/linux-64/python-3.12.1-h2_0.conda, hash: {{md5: bb, sha256: {"b" * 64}}}}}
- {{name: flask, version: 3.0.0, manager: pip, platform: linux-64, dependencies: {{}},
   url: https://files.pythonhosted.org/packages/x/flask-3.0.0-py3-none-any.whl, hash: {{sha256: {"c" * 64}}}}}
- {{name: mine, version: 0.1, manager: pip, platform: linux-64, dependencies: {{}},
   url: git+https://example.org/mine.git@abc, hash: {{sha256: {"d" * 64}}}}}
"""


def test_conda_lock_is_read_for_linux_and_says_what_else_it_holds() -> None:
    reading = read(LOCK)
    assert reading.definition is not None, reading.errors
    python = reading.definition.python
    assert python.channels == ("conda-forge",)
    assert python.conda == (f"{CONDA}/linux-64/python-3.12.1-h2_0.conda#bb",)
    assert python.pip == (
        f"flask==3.0.0 --hash=sha256:{'c' * 64}",
        "mine @ git+https://example.org/mine.git@abc",
    )
    assert reading.packages[0].requires == ("tzdata",)
    assert "lock-platforms" in [finding.code for finding in reading.findings]


def test_a_lock_of_mamba_in_json_is_read() -> None:
    document = {
        "lockVersion": "1.0.1",
        "platform": "linux-64",
        "channels": ["conda-forge"],
        "channelInfo": {"conda-forge": [{"url": "https://prefix.dev/conda-forge", "protocol": "https"}]},
        "packages": {
            "tzdata-2024a-h0_0.conda": {
                "name": "tzdata", "version": "2024a", "build": "h0_0", "subdir": "noarch",
                "channel": "conda-forge", "hash": {"md5": "aa", "sha256": "b" * 64},
            }
        },
        "pipPackages": {"flask": {"name": "flask", "version": "3.0"}},
    }  # fmt: skip
    reading = read(json.dumps(document))
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.conda == (
        "https://prefix.dev/conda-forge/noarch/tzdata-2024a-h0_0.conda#aa",
    )
    assert reading.definition.python.pip == ("flask==3.0",)


PYLOCK = f"""\
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.12"

[[packages]]
name = "flask"
version = "3.0.0"
marker = "python_version >= '3.8'"
index = "https://pypi.org/simple"
sdist = {{ url = "https://files.pythonhosted.org/flask-3.0.0.tar.gz", hashes = {{ sha256 = "{"a" * 64}" }} }}
wheels = [
  {{ url = "https://files.pythonhosted.org/flask-3.0.0-py3-none-any.whl", size = 5, hashes = {{ sha256 = "{"b" * 64}" }} }},
]

[[packages]]
name = "mine"
vcs = {{ type = "git", url = "https://example.org/mine.git", commit-id = "abc" }}

[[packages]]
name = "other"
version = "1"
index = "https://pypi.example/simple"
wheels = []
"""


def test_pylock_is_read_with_hashes_markers_indexes_and_direct_references() -> None:
    reading = read(PYLOCK)
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip == (
        "--extra-index-url https://pypi.example/simple",
        # Its marker holds for every Python of the lock.
        f"flask==3.0.0 --hash=sha256:{'b' * 64} --hash=sha256:{'a' * 64}",
        "mine @ git+https://example.org/mine.git@abc",
        "other==1",
    )


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ('lock-version = "1.0"\n[[packages]\n', "bad-toml", 2),
        ('lock-version = "1.0"\n[[packages]]\nversion = "1"\n', "missing-key", 2),
        ('lock-version = "1.0"\n\n[[packages]]\nname = "a"\n', "missing-key", 3),
    ],
)
def test_a_broken_pylock_is_refused_with_the_line(text: str, code: str, line: int) -> None:
    reading = read(text, "pylock.toml")
    assert [(error.code, error.line) for error in reading.errors] == [(code, line)]


CONDA_LIST = """\
# packages in environment at /opt/conda:
#
# Name                    Version                   Build  Channel
_libgcc_mutex             0.1                 conda_forge    conda-forge
python                    3.12.1          h1_0_cpython    conda-forge
flask                     3.0.0                    pypi_0    pypi
"""
MICROMAMBA_LIST = """\
List of packages in environment: "/opt/conda"

  Name           Version  Build         Channel
─────────────────────────────────────────────────────
  _libgcc_mutex  0.1      conda_forge   conda-forge
  python         3.12.1   h1_0_cpython  conda-forge
  flask          3.0.0    pypi_0        pypi
"""
EXPORT = """\
# This file may be used to create an environment using:
# $ conda create --name <env> --file <this file>
# platform: linux-64
_libgcc_mutex=0.1=conda_forge
python=3.12.1=h1_0_cpython
flask=3.0.0=pypi_0
"""
CONDA_JSON = json.dumps(
    [
        {"name": "_libgcc_mutex", "version": "0.1", "build_string": "conda_forge", "channel": "conda-forge"},
        {"name": "python", "version": "3.12.1", "build_string": "h1_0_cpython", "channel": "conda-forge"},
        {"name": "flask", "version": "3.0.0", "build_string": "pypi_0", "channel": "pypi"},
    ]
)


@pytest.mark.parametrize("text", [CONDA_LIST, MICROMAMBA_LIST, EXPORT, CONDA_JSON])
def test_every_way_to_list_an_environment_gives_the_same_packages(text: str) -> None:
    reading = read(text, "packages.txt" if text != CONDA_JSON else "list.json")
    assert reading.definition is not None, reading.errors
    assert reading.format == "package-list"
    assert packages(reading) == [
        ("_libgcc_mutex", "0.1", "conda", "conda_forge"),
        ("python", "3.12.1", "conda", "h1_0_cpython"),
        ("flask", "3.0.0", "pip", ""),
    ]
    assert reading.definition.python.conda == ("_libgcc_mutex=0.1=conda_forge", "python=3.12.1=h1_0_cpython")
    assert reading.definition.python.pip == ("flask==3.0.0",)


def test_lists_of_pip_and_of_the_system_are_read() -> None:
    table = "Package    Version\n---------- -------\nFlask      3.0.0\nnumpy      2.1\n"
    assert packages(read(table)) == [("Flask", "3.0.0", "pip", ""), ("numpy", "2.1", "pip", "")]
    dpkg = "ii  libc6:amd64  2.36-9  amd64  GNU C Library\nii  zlib1g  1:1.2.13  amd64  compression\n"
    reading = read(dpkg)
    assert packages(reading) == [("libc6", "2.36-9", "system", ""), ("zlib1g", "1:1.2.13", "system", "")]
    assert not reading.accepted


def test_a_generated_list_of_conda_names_is_no_requirements_file() -> None:
    text = "# Generated by parsing conda-linux-64.lock\n_openmp_mutex==4.5\nx264==1!164.3095\nnumpy==2.1\n"
    assert [package[2] for package in packages(read(text, "packages.txt"))] == ["conda"] * 3


@pytest.mark.parametrize(
    ("name", "comment"),
    [
        ("requirements.txt", "# conda create -n lab python=3.11, then pip install -r requirements.txt"),
        ("requirements.txt", "# $ conda create --name <env> --file <this file>"),
        ("requirements.txt", "# generated from conda-linux-64.lock"),
        ("packages.txt", "# needs conda install cudatoolkit first"),
        ("packages.txt", "# Name Version"),
        ("", "# pip install @ conda list"),
    ],
)
def test_a_comment_about_conda_makes_no_conda_list_of_pips_requirements(name: str, comment: str) -> None:
    reading = read(f"{comment}\nnumpy==1.26.4\ntorch==2.1.0+cu121\n", name)
    assert reading.format == "requirements"
    assert reading.definition is not None
    assert reading.definition.python.pip == ("numpy==1.26.4", "torch==2.1.0+cu121")
    assert reading.definition.python.conda == ()


def test_which_of_conda_and_pip_is_meant_is_reported_with_the_line_of_the_comment() -> None:
    reading = read("numpy==1.26.4\n# conda create -n lab\nflask==3.0.0\n", "requirements.txt")
    (finding,) = [finding for finding in reading.findings if finding.code == "read-as-pip"]
    assert (finding.severity, finding.line) == ("note", 2)
    assert "environment.yml" in finding.help


def test_conda_specifications_in_lines_are_distinguished_from_requirements() -> None:
    specs = read("conda-forge::pytorch[version='>=2.0.0,<3.0.0']\npython=3.12.*\nnumpy >=1\n", "cpu.env.in")
    assert specs.definition is not None, specs.errors
    assert specs.definition.python.conda[1] == "python=3.12.*"
    assert read("numpy>=1\nflask==2\n", "list.txt").format == "requirements"


LOCKED = (
    LockedPackage("python", "3.12.1", "conda", "h1_0", f"{CONDA}/linux-64/python-3.12.1-h1_0.conda",
                  "conda-forge", "linux-64", md5="0" * 32, requires=("tzdata",)),
    LockedPackage("tzdata", "2024a", "conda", "h0_0", f"{CONDA}/noarch/tzdata-2024a-h0_0.conda",
                  "conda-forge", "noarch", sha256="1" * 64),
    LockedPackage("Flask", "3.0.0", "pip", "", "https://files.example/Flask-3.0.0-py3-none-any.whl",
                  sha256="2" * 64, size=7, requested=True),
)  # fmt: skip


def test_an_explicit_list_written_is_read_again() -> None:
    again = read(write_lock(LOCKED, "conda-explicit", platform="linux/arm64"))
    assert again.definition is not None, again.errors
    assert again.definition.platform == "linux/arm64"
    assert [(package.name, package.version) for package in again.packages[:2]] == [
        ("python", "3.12.1"),
        ("tzdata", "2024a"),
    ]
    text = write_reading(read(EXPLICIT), "conda-explicit")
    assert read(text).definition == read(EXPLICIT).definition


def test_a_pylock_written_is_read_again() -> None:
    text = write_lock(LOCKED[2:], "pylock")
    again = read(text)
    assert again.definition is not None, again.errors
    assert again.definition.python.pip == (f"flask==3.0.0 --hash=sha256:{'2' * 64}",)
    with pytest.raises(CannotWrite, match="python"):
        write_lock(LOCKED, "pylock")


def test_a_pylock_written_is_valid_by_its_specification() -> None:
    packages = (
        *LOCKED[2:],
        LockedPackage("Ruamel.YAML", "1.0", "pip", url="https://f/ruamel.yaml-1.0.tar.gz", sha256="3" * 64,
                      requires=("torch_x",)),
        LockedPackage("torch_x", "2.0+cu118", "pip", sha256="4" * 64,
                      url="https://f/torch_x-2.0%2Bcu118-py3-none-any.whl?token=1#sha256=4"),
    )  # fmt: skip
    lock = Pylock.from_dict(tomllib.loads(write_lock(packages, "pylock")))
    assert [(package.name, str(package.version)) for package in lock.packages] == [
        ("flask", "3.0.0"),
        ("ruamel-yaml", "1.0"),
        ("torch-x", "2.0+cu118"),
    ]
    assert lock.packages[1].dependencies == [{"name": "torch-x"}]


@pytest.mark.parametrize("incomplete", [replace(LOCKED[2], url=""), replace(LOCKED[2], sha256="")])
def test_a_pylock_is_not_written_of_packages_without_a_file_and_its_hash(incomplete: LockedPackage) -> None:
    with pytest.raises(CannotWrite, match="the URL and the sha256 of every package; Flask"):
        write_lock((incomplete,), "pylock")


def test_bills_of_materials_list_every_package_with_hash_and_dependants() -> None:
    cyclonedx = json.loads(write_lock(LOCKED, "cyclonedx", name="demo"))
    assert cyclonedx["bomFormat"] == "CycloneDX"
    purls = {item["purl"] for item in cyclonedx["components"]}
    assert "pkg:pypi/flask@3.0.0" in {purl.lower() for purl in purls}
    assert any(purl.startswith("pkg:conda/python@3.12.1?build=h1_0") for purl in purls)
    edges = {item["ref"]: item.get("dependsOn", []) for item in cyclonedx["dependencies"]}
    assert any("tzdata" in needs[0] for ref, needs in edges.items() if "python" in ref and needs)
    spdx = json.loads(write_lock(LOCKED, "spdx", name="demo"))
    assert spdx["spdxVersion"] == "SPDX-2.3"
    assert [item["name"] for item in spdx["packages"]] == ["python", "tzdata", "Flask"]


def test_the_same_lock_gives_the_same_bill_of_materials() -> None:
    for format in ("cyclonedx", "spdx"):
        assert write_lock(LOCKED, format, name="demo") == write_lock(LOCKED, format, name="demo")


def test_a_package_of_two_categories_is_read_once_and_the_categories_are_named() -> None:
    entry = (
        "- {{name: zlib, version: '1', manager: conda, platform: linux-64, dependencies: {{}}, category: {0},\n"
        "   url: 'https://h/c/linux-64/zlib-1-h_0.conda', hash: {{md5: aa}}}}\n"
    )
    text = "version: 1\nmetadata: {channels: [], platforms: [linux-64]}\npackage:\n"
    reading = read(text + entry.format("main") + entry.format("dev"))
    assert len(reading.packages) == 1
    assert [finding.message for finding in reading.findings if finding.code == "lock-categories"] == [
        "The lock has the categories main, dev. Used: main."
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("environment.toml", "name = 'x'\n"),
        ("setup.py", "from setuptools import setup\n"),
        ("apt.txt", "gcc\n"),
        ("RELEASE.md", "# Notes\n\nPackage | cpu\n---|---\nnumpy|1.0\n"),
        ("", "#!/bin/sh\nexit\n"),
    ],
)
def test_files_of_other_tools_are_named_as_what_they_are(name: str, text: str) -> None:
    reading = read(text, name)
    assert [(error.code, error.line) for error in reading.errors] == [("not-a-definition", 1)]
