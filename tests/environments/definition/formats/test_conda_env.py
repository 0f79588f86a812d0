"""conda's environment.yml: by hand, exported, and in every spelling of a specification."""

from __future__ import annotations

import pytest

from environments.definition import Definition, Reading, read


def definition_of(text: str) -> Definition:
    reading = read(text)
    assert reading.definition is not None, reading.errors
    return reading.definition


def lines_of(reading: Reading, code: str) -> list[int | None]:
    return [finding.line for finding in reading.findings if finding.code == code]


FILE = """\
name: demo
channels:
  - conda-forge
  - defaults
dependencies:
  - python=3.12
  - numpy=1.26   # a comment
  - pip
  - pip:
      - flask==3.0
      - uvicorn
variables:
  MODE: fast
prefix: /home/me/miniconda3/envs/demo
"""


def test_channels_packages_and_variables_are_read_in_order() -> None:
    definition = definition_of(FILE)
    assert definition.python.channels == ("conda-forge", "defaults")
    assert definition.python.conda == ("python=3.12", "numpy=1.26", "pip")
    assert definition.python.pip == ("flask==3.0", "uvicorn")
    assert definition.variables == {"MODE": "fast"}
    assert definition.image == "host"
    assert definition.kind == "system-managed"


def test_the_default_base_image_can_be_named() -> None:
    reading = read(FILE, default_image="ubuntu:22.04")
    assert reading.definition is not None
    assert reading.definition.image == "ubuntu:22.04"


@pytest.mark.parametrize(
    "spec",
    [
        "numpy",
        "numpy=1.26",
        "numpy==1.26.4",
        "numpy=1.26.4=py312h1_0",
        "mamba <2.6.0",
        "conda-forge::xtensor",
        "conda-forge/linux-64::xtensor>=0.20",
        "blas[build=mkl]",
        "pytorch=*=*cuda112*",
        "python >=3.8,<3.12",
        "python=3.7|3.8",
        "jpeg<9e",
        "x264==1!164.3095",
        "foo[version='>=2.0.0,<3.0.0']",
        "_libgcc_mutex=0.1=main",
        "scipy >= 1.5.0, < 2.0.0",
        "cudatoolkit 11.8.*",
        "foo>=1.0.*",
    ],
)
def test_every_spelling_of_a_specification_is_taken_and_kept(spec: str) -> None:
    text = f'channels: [conda-forge]\ndependencies:\n  - python=3.12\n  - "{spec}"\n'
    assert definition_of(text).python.conda == ("python=3.12", spec)


@pytest.mark.parametrize("spec", ["foo=>1", "@foo", "foo>", "foo; python_version < '3'", "a b c d e"])
def test_what_conda_could_not_read_is_refused_with_its_line(spec: str) -> None:
    reading = read(f'channels: [x]\ndependencies:\n  - python=3.12\n  - "{spec}"\n')
    assert [(error.code, error.line, error.column) for error in reading.errors] == [("bad-conda-spec", 4, 5)]


def test_selectors_choose_the_packages_of_linux() -> None:
    text = "channels: [c]\ndependencies:\n- sel(linux): gxx <12\n- sel(osx): clang\n- sel(unix): make\n"
    reading = read(text)
    assert reading.definition is not None
    assert reading.definition.python.conda == ("gxx <12", "make")
    assert lines_of(reading, "other-platform") == [4]


def test_versions_that_look_like_numbers_stay_as_they_were_written() -> None:
    text = "channels: [c]\ndependencies: [python=3.10, 'openmp']\nvariables: {A: 1.10, B: yes, C: 0o17, D: null}\n"
    assert definition_of(text).variables == {"A": "1.10", "B": "yes", "C": "0o17", "D": ""}


def test_anchors_and_merge_keys_are_followed() -> None:
    text = "channels: &c [a, b]\ndependencies: [x]\nvariables: {<<: {A: '1'}, B: '2'}\n"
    definition = definition_of(text)
    assert definition.python.channels == ("a", "b")
    assert definition.variables == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("dependencies: 5\n", "wrong-shape", 1),
        ("channels: [c]\ndependencies:\n  - [a, b]\n", "wrong-shape", 3),
        ("channels: [c]\ndependencies:\n  python: 3.9\n", "wrong-shape", 3),
        ("channels: [c]\ndependencies:\n  - python: 3.9\n", "wrong-shape", 3),
        ("channels: [c]\ndependencies: [a]\ndependencies: [b]\n", "duplicate-key", 3),
        ("channels: [c]\ndependencies:\n\t- a\n", "bad-yaml", 3),
        (
            "<<<<<<< HEAD\nchannels: [c]\n=======\nchannels: [d]\n>>>>>>> x\ndependencies: [a]\n",
            "merge-conflict",
            1,
        ),
    ],
)
def test_ambiguous_lines_are_reported_with_their_number(text: str, code: str, line: int) -> None:
    reading = read(text, "environment.yml")
    assert line in lines_of(reading, code)


def test_the_findings_about_a_whole_conda_file() -> None:
    """Rule 47."""
    text = (
        "name: x\n"
        "dependencys: [a]\n"
        "dependencies:\n"
        "  - numpy=1\n"
        "  - NumPy=2\n"
        "  - scipy\n"
        "  - foo=={{latest-pypi-version}}\n"
        "  - pip:\n"
        "      - bar=1.0\n"
    )
    reading = read(text)
    assert reading.accepted
    assert lines_of(reading, "unknown-key") == [2]
    assert "dependencies" in next(
        finding.message for finding in reading.findings if finding.code == "unknown-key"
    )
    assert lines_of(reading, "no-channel") == [4]
    assert lines_of(reading, "python-missing") == [4]
    assert lines_of(reading, "duplicate-package") == [5]
    assert lines_of(reading, "unpinned-package") == [6]
    assert lines_of(reading, "template-placeholder") == [7]
    assert lines_of(reading, "pip-without-pip") == [9]
    assert lines_of(reading, "single-equals") == [9]


def test_outdated_python_versions_are_reported() -> None:
    """Rule 47."""
    import datetime as dt

    from environments.definition.findings.checks import check_python
    from environments.definition.findings.result import Draft
    from environments.definition.syntax.text import Placed

    day = dt.date(2026, 9, 1)
    message = {}
    for version in ("2.7", "3.8.5", "3.10", "3.12", "4.0", ""):
        draft = Draft("x")
        check_python(draft, Placed("python", 3), version, day)
        message[version] = [finding.code for finding in draft.findings]
    assert message["2.7"] == message["3.8.5"] == ["python-unsupported"]
    assert message["3.10"] == ["python-near-end"]
    assert message["3.12"] == message["4.0"] == message[""] == []


def test_several_python_versions_are_reported() -> None:
    """Rule 47."""
    reading = read("channels: [c]\ndependencies: [python=3.12, numpy=1,\n python=3.11]\n")
    assert lines_of(reading, "python-several") == [3]


def test_an_exported_environment_with_builds_is_read_whole() -> None:
    text = (
        "name: base\nchannels:\n  - defaults\ndependencies:\n"
        "  - _libgcc_mutex=0.1=main\n  - python=3.12.1=h996f2a0_0\n  - pip=23.3.1=py312_0\n"
        "  - pip:\n    - torch==2.1.0+cu118\nprefix: /opt/conda\n"
    )
    reading = read(text)
    assert reading.definition is not None
    assert reading.definition.python.conda[0] == "_libgcc_mutex=0.1=main"
    assert reading.definition.python.pip == ("torch==2.1.0+cu118",)
    assert [finding.code for finding in reading.findings] == [
        "base-assumed",
        "build-string",
        "local-version",
    ]


def test_a_selector_in_a_comment_is_warned_of_and_the_package_kept() -> None:
    text = "channels: [c]\ndependencies:\n  - python=3.12\n  - clang  # [osx64]\n  - gcc  # [linux64]\n  - x  # [a note](y)\n"
    reading = read(text)
    assert reading.definition is not None
    assert reading.definition.python.conda == ("python=3.12", "clang", "gcc", "x")
    assert lines_of(reading, "comment-selector") == [4]


def test_what_another_tool_would_install_is_refused_with_its_line() -> None:
    reading = read("channels: [c]\ndependencies:\n  - nodejs\n  - npm:\n      - left-pad\n")
    assert [(error.code, error.line) for error in reading.errors] == [("wrong-shape", 4)]


def test_placeholders_hide_no_package_from_the_other_findings() -> None:
    text = (
        "channels: [c]\ndependencies:\n  - python={{python}}\n  - pip=={{latest-pypi-version}}\n"
        "  - numpy={{n}}\n  - numpy=1\n  - pip:\n      - flask=={{latest-pypi-version}}\n"
    )
    reading = read(text)
    assert sorted(
        (finding.code, finding.line) for finding in reading.findings if finding.severity == "warning"
    ) == [
        ("duplicate-package", 6),
        ("template-placeholder", 3),
        ("template-placeholder", 4),
        ("template-placeholder", 5),
        ("template-placeholder", 8),
    ]


def test_a_list_of_pip_beside_the_dependencies_is_reported_with_the_right_path() -> None:
    reading = read("channels: [c]\ndependencies: [python=3.12]\npip:\n  - flask\n", "environment.yml")
    (finding,) = [finding for finding in reading.findings if finding.severity != "note"]
    assert (finding.code, finding.line) == ("pip-misplaced", 3)
    assert "`- pip:`" in finding.help


@pytest.mark.parametrize(
    ("spec", "why", "help"),
    [
        ("git+https://git.example/team/solver.git@v1.4.4", "repository of source code", "Write solver=1.4.4"),
        ("git+ssh://git@git.example/team/solver.git", "repository of source code", "`- pip:`"),
        ("https://git.example/team/solver.git", "repository of source code", "`- pip:`"),
        ("https://files.example/solver-1.5-py3-none-any.whl", "a package of pip's", "`- pip:`"),
        ("solver @ https://files.example/solver-1.5-py3-none-any.whl", "written for pip", "`- pip:`"),
        ("-r requirements.txt", "an option of pip's", "`- pip:`"),
        ("--extra-index-url https://index.example/simple", "an option of pip's", "`- pip:`"),
        ("uvicorn[standard]; os_name == 'posix'", "extras are pip's", "or write uvicorn alone"),
        ("solver==1.0 --hash=sha256:00", "an option of pip's", "`- pip:`"),
        ("'numpy==1.26; python_version > \"3\"'", "a marker after ; is pip's", "leave the marker out"),
        ("numpy=>1.26", "=> is no operator", "Write >="),
        ("numpy===1.26", "=== is no operator", "Write =="),
        ("numpy>=1.26,", "a version is missing", "leave , out"),
        ("naïve", "letters, digits", "Write name"),
    ],
)
def test_what_is_no_specification_of_condas_is_explained_in_words_of_ours(
    spec: str, why: str, help: str
) -> None:
    reading = read(f"channels: [c]\ndependencies:\n  - python=3.12\n  - {spec}\n")
    (error,) = reading.errors
    assert (error.code, error.line) == ("bad-conda-spec", 4)
    assert why in error.message
    assert help in error.help


@pytest.mark.parametrize(
    ("dependencies", "missing"),
    [
        ("[r-base=4.3, r-essentials, r-irkernel]", False),
        ("[r-base, bioconductor-deseq2, pandoc, libxml2]", False),
        ("[r-base=4.3, numpy]", True),
        ("[r-base=4.3, pip, {pip: [flask]}]", True),
        ("[pandoc]", True),
    ],
)
def test_no_python_is_missed_where_only_r_is_requested(dependencies: str, missing: bool) -> None:
    reading = read(f"channels: [c]\ndependencies: {dependencies}\n")
    assert ("python-missing" in {finding.code for finding in reading.findings}) is missing


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("pyspark[connect] >= 3.2.0", "pyspark >= 3.2.0"),
        ("uvicorn[standard]", "uvicorn"),
        ("conda-forge::dask[complete, test]=2024.1", "conda-forge::dask=2024.1"),
    ],
)
def test_extras_among_the_conda_packages_are_passed_over_as_conda_does(text: str, spec: str) -> None:
    reading = read(f"channels: [c]\ndependencies:\n  - python=3.12\n  - {text}\n")
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.conda == ("python=3.12", spec)
    (warning,) = [finding for finding in reading.findings if finding.code == "extras-ignored"]
    assert (warning.line, warning.severity) == (4, "warning")


def test_what_conda_takes_in_brackets_is_kept() -> None:
    reading = read('channels: [c]\ndependencies: [python=3.12, "blas[build=mkl]", "a[version=\'>=1\']"]\n')
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.conda[1:] == ("blas[build=mkl]", "a[version='>=1']")
