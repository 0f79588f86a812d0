"""pixi.lock of every format: exact packages of an environment, as rattler reads them; damaged locks are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rattler import LockFile

from environments.definition import Reading, read, read_path
from environments.definition.model import Selection, Target
from tests.environments.definition.formats.projects.pixi.samples import (
    ALL,
    FLASK,
    FORGE,
    MD5,
    OTHER,
    PYTHON,
    SHA,
    TZ,
    V1,
    V6,
    V7,
)


def codes(reading: Reading) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.line) for finding in reading.findings if finding.severity != "note"]


@pytest.mark.parametrize("version", ALL)
def test_every_format_is_read_as_its_exact_packages(version: int) -> None:
    reading = read(ALL[version], "pixi.lock")
    assert reading.definition is not None, reading.errors
    assert reading.format == "pixi-lock"
    assert reading.definition.python.channels == (FORGE,)
    assert reading.definition.python.conda == (f"{PYTHON}#{MD5}",)
    assert reading.definition.python.pip == (f"flask==3.0.0 --hash=sha256:{OTHER}",)
    assert [(p.name, p.version, p.sha256) for p in reading.packages] == [
        ("python", "3.12.3", SHA),
        ("flask", "3.0.0", OTHER),
    ]
    assert reading.packages[0].requires == ("tzdata",)
    assert codes(reading) == []


@pytest.mark.parametrize("version", ALL)
def test_rattler_reads_the_same_packages(version: int, tmp_path: Path) -> None:
    path = tmp_path / "pixi.lock"
    path.write_text(ALL[version])
    environment = LockFile.from_path(path).default_environment()
    assert environment is not None
    platform = next(platform for platform in environment.platforms() if str(platform) in ("linux-64", "p1"))
    packages: Any = environment.packages(platform)
    assert packages is not None
    assert {(package.name, str(package.version)) for package in packages} == {
        (package.name, package.version) for package in read_path(path).packages
    }


@pytest.mark.parametrize("version", [4, 5, 6, 7])
def test_another_environment_is_read_if_it_is_selected(version: int) -> None:
    reading = read(ALL[version], "pixi.lock", selection=Selection(environment="test"))
    assert reading.definition is not None, reading.errors
    # The version is as it is written.
    assert reading.definition.python.conda == (f"{PYTHON}#{MD5}", f"{TZ}#sha256:{SHA}")
    assert [package.version for package in reading.packages] == ["3.12.3", "2024.07.02"]
    assert reading.offers.environments == ("default", "test")
    assert reading.definition.selection == Selection(environment="test")


def test_an_environment_that_the_lock_does_not_have_is_refused() -> None:
    for version in (1, 6):
        (error,) = read(ALL[version], "pixi.lock", selection=Selection(environment="prod")).errors
        assert error.code == "selection-unknown"


def test_the_virtual_packages_of_a_platform_are_the_target() -> None:
    reading = read(V7, "pixi.lock")
    assert reading.definition is not None
    assert reading.definition.target == Target(cuda="12.4", glibc="2.28", cpu="x86_64_v3")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (V6.replace("linux-64:", "win-64:"), "linux-64 in the environment default, but for win-64"),
        (V1.replace("platform: linux-64", "platform: win-64"), "but for osx-64, win-64"),
        (V7.replace("subdir: linux-64", "subdir: linux-aarch64"), "but for p1"),
        (V6[: V6.index("      linux-64:")] + "      linux-64: []\npackages: []\n", "the environment default"),
    ],
)
def test_a_lock_that_does_not_cover_linux_is_refused(text: str, what: str) -> None:
    (error,) = read(text, "pixi.lock").errors
    assert error.code == "lock-uncovered"
    assert what in error.message


def of_pypi(
    location: str, more: str = "", indexes: str = "https://pypi.org/simple", version: str = "6"
) -> str:
    listed = f"    indexes:\n    - {indexes}\n"
    return (
        V6.replace("    indexes:\n    - https://pypi.org/simple\n", listed)
        .replace(FLASK, location)
        .replace(f"  sha256: {OTHER}\n", f"  sha256: {OTHER}\n{more}")
        .replace("version: 6", f"version: {version}")
    )


MIRROR = "https://mirror.example/packages/flask-3.0.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (of_pypi(MIRROR), [f"flask @ {MIRROR}#sha256={OTHER}"]),
        (
            of_pypi(MIRROR, indexes="https://mirror.example/simple/"),
            ["--index-url https://mirror.example/simple", f"flask==3.0.0 --hash=sha256:{OTHER}"],
        ),
        (
            of_pypi(MIRROR, indexes="https://pypi.org/simple\n    - https://mirror.example/simple"),
            ["--extra-index-url https://mirror.example/simple", f"flask==3.0.0 --hash=sha256:{OTHER}"],
        ),
        (
            of_pypi(
                MIRROR,
                indexes="https://pypi.org/simple\n    find-links:\n    - url: https://mirror.example/packages",
            ),
            ["--find-links https://mirror.example/packages", f"flask==3.0.0 --hash=sha256:{OTHER}"],
        ),
        (
            of_pypi(f"direct+{MIRROR}", indexes="https://mirror.example/simple"),
            [f"flask @ {MIRROR}#sha256={OTHER}"],
        ),
        (
            of_pypi("git+https://git.example/flask.git?tag=v3&subdirectory=src#0123abc"),
            ["flask @ git+https://git.example/flask.git@0123abc#subdirectory=src"],
        ),
        (
            of_pypi("git+https://git.example/flask.git?rev=0123abc"),
            ["flask @ git+https://git.example/flask.git@0123abc"],
        ),
    ],
)
def test_a_package_of_pip_comes_from_where_the_lock_has_it(text: str, lines: list[str]) -> None:
    reading = read(text, "pixi.lock")
    assert reading.definition is not None, reading.errors
    assert list(reading.definition.python.pip) == lines


def test_an_index_of_a_single_package_is_the_only_one_for_it() -> None:
    reading = read(of_pypi(MIRROR, "  index: https://mirror.example/simple/\n", version="7"), "pixi.lock")
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.package_indexes == {"flask": "https://mirror.example/simple"}
    assert reading.definition.python.pip == (f"flask==3.0.0 --hash=sha256:{OTHER}",)


@pytest.mark.parametrize(
    "location",
    ["./", "../lib", "/home/me/lib", "file:///home/me/lib-1.whl", "links/flask-3.0.0-py3-none-any.whl"],
)
def test_folders_and_files_of_the_project_are_left_out(location: str) -> None:
    reading = read(of_pypi(location), "pixi.lock")
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip == ()
    assert codes(reading) == [("project-left-out", 30)]


def test_packages_of_conda_from_source_are_left_out() -> None:
    text = V7.replace(
        f"      - conda: {PYTHON}\n", f"      - conda: {PYTHON}\n      - conda_source: lab[0123abcd] @ .\n", 1
    )
    reading = read(text, "pixi.lock")
    assert reading.definition is not None, reading.errors
    assert len(reading.packages) == 2
    assert "project-left-out" in [code for code, _ in codes(reading)]


def test_a_package_that_the_lock_does_not_describe_is_refused_with_its_line() -> None:
    (error,) = read(
        V6.replace(f"- pypi: {FLASK}\n  name", "- pypi: https://x.example/y.whl\n  name"), "pixi.lock"
    ).errors
    assert (error.code, error.line) == ("missing-key", 11)
    assert FLASK in error.message


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (V6.replace("version: 6", "version: 8"), "not-a-definition", 1),
        (V6.replace("version: 6", "version: 0"), "not-a-definition", 1),
        (V6.replace("  sha256: " + SHA, "  sha256: {", 1), "bad-yaml", 23),
        (V6.replace(f"      - conda: {PYTHON}", f"      - conda: [{PYTHON}]", 1), "wrong-shape", 10),
        ("version: 6\nenvironments: {}\npackages: []\n", "empty-lock", 2),
        ("version: 6\nenvironments: 3\npackages: []\n", "wrong-shape", 2),
        ("version: 6\n", "empty-lock", 1),
        ("[]", "wrong-shape", 1),
    ],
)
def test_a_broken_lock_is_refused_with_its_line(text: str, code: str, line: int) -> None:
    error, *_ = read(text, "pixi.lock").errors
    assert (error.code, error.line) == (code, line)


def test_a_lock_in_another_layout_is_parsed_as_a_whole() -> None:
    text = (
        '{"version": 6, "environments": {"default": {"channels": [{"url": "'
        + FORGE
        + '/"}], "packages": {"linux-64": '
        f'[{{"conda": "{PYTHON}"}}]}}}}}}, "packages": [{{"conda": "{PYTHON}", "md5": "{MD5}"}}]}}'
    )
    reading = read(text, "pixi.lock")
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.conda == (f"{PYTHON}#{MD5}",)
    indented = V6.replace("\n- ", "\n  - ").replace("\n  sha", "\n    sha").replace("\n  md5", "\n    md5")
    indented = indented.replace("\n  depends:\n  - tz", "\n    depends:\n      - tz").replace(
        "\n  purls", "\n    purls"
    )
    indented = (
        indented.replace("\n  size", "\n    size")
        .replace("\n  name", "\n    name")
        .replace("\n  version", "\n    version")
    )
    indented = indented.replace("\n  requires_dist:\n  - ", "\n    requires_dist:\n      - ")
    again = read(f"# a comment\n{indented}", "pixi.lock")
    assert again.definition is not None, again.errors
    assert again.definition.hash == read(V6, "pixi.lock").definition.hash  # type: ignore[union-attr]


HOSTILE = {
    "aliases": "version: 6\na: &a [x]\n"
    + "".join(f"b{n}: &b{n} [*b{n - 1}, *b{n - 1}]\n".replace("b-1", "a") for n in range(40))
    + "environments:\n  default:\n    packages: *b39\n",
    "nesting": "version: 6\nenvironments:\n  default:\n    packages: " + "[" * 50_000,
    "number": "version: " + "9" * 50_000 + "\nenvironments:\n  default: {}\n",
    "size": V6.replace("size: 31000000", "size: " + "9" * 50_000),
    "nul": V6.replace("python", "py\0thon"),
    "names": "version: 6\nenvironments:\n" + "".join(f"  e{n}:\n    packages: {{}}\n" for n in range(30_000)),
    "no packages": "version: 6\nenvironments:\n  default:\n    packages:\n      linux-64:\n"
    + f"      - conda: {PYTHON}\n" * 30_000,
    "platforms": V6 + "- x\n" * 50_000,
    "queries": of_pypi("git+https://a.example/x?" + "a=1&" * 20_000),
    "brackets": of_pypi("git+https://[a.example/x"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_locks_are_refused_or_read_and_never_crash(name: str) -> None:
    reading = read(HOSTILE[name], "pixi.lock")
    assert reading.accepted != bool(reading.errors)


@given(
    st.integers(1, 7),
    st.integers(0, 2000),
    st.text(st.sampled_from(" \n-:[]{}&*!|>'\"#,?\0\taA0.@/="), max_size=4),
    st.integers(0, 40),
)
@settings(max_examples=150)
def test_a_damaged_lock_is_read_or_refused(version: int, at: int, put: str, cut: int) -> None:
    text = ALL[version]
    at %= len(text)
    reading = read(text[:at] + put + text[at + cut :], "pixi.lock")
    assert reading.accepted != bool(reading.errors)
