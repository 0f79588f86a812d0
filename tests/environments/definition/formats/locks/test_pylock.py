"""pylock.toml: groups and extras by request, markers for Linux, tolerance, and a lock that uv installs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import uv
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.pylock import Pylock

from environments.definition import CannotWrite, Reading, read
from environments.definition.model import Selection
from environments.definition.packages.locked import LockedFile, LockedPackage
from environments.definition.writing.write import write_lock, write_reading
from tests.builds.imaging.making import make_wheel

HEAD = 'lock-version = "1.0"\nrequires-python = ">=3.9"\nextras = ["gpu"]\ndependency-groups = ["dev", "docs", "main"]\n'
HEAD += 'default-groups = ["main"]\ncreated-by = "pdm"\n'


def package(name: str, marker: str = "", **more: str) -> str:
    values = {"name": name, "version": "1.0"} | ({"marker": marker} if marker else {}) | more
    lines = "".join(f"{key} = '''{value}'''\n" for key, value in values.items())
    return f"\n[[packages]]\n{lines}"


def lines(reading: Reading) -> tuple[str, ...]:
    assert reading.definition is not None, reading.errors
    return reading.definition.python.pip


GROUPS = HEAD + "".join(
    package(*each)
    for each in (
        ("always",),
        ("of-main", '"main" in dependency_groups'),
        ("of-dev", '"dev" in dependency_groups'),
        ("of-both", '"dev" in dependency_groups and python_version < "3.11" or "main" in dependency_groups'),
        ("of-docs", '"docs" in dependency_groups and python_version >= "3.11"'),
        ("of-gpu", '"gpu" in extras and sys_platform == "linux"'),
        ("elsewhere", 'sys_platform == "win32"'),
        ("older", 'python_full_version < "3.9"'),
    )
)


def test_groups_and_extras_that_nobody_requests_are_not_installed() -> None:
    reading = read(GROUPS)
    assert lines(reading) == ("always==1.0", "of-main==1.0", "of-both==1.0")
    assert [package.name for package in reading.packages] == ["always", "of-main", "of-both"]
    assert reading.offers.extras == ("gpu",)
    assert reading.offers.groups == ("dev", "docs", "main")
    assert reading.offers.default == Selection(groups=("main",))
    assert reading.definition is not None
    assert reading.definition.selection == Selection(groups=("main",))
    assert reading.definition.python.requires_python == ">=3.9"


def test_what_is_requested_is_installed_besides_the_defaults_and_no_marker_names_a_group() -> None:
    reading = read(GROUPS, selection=Selection(extras=("gpu",), groups=("docs",)))
    assert lines(reading) == (
        "always==1.0",
        "of-main==1.0",
        "of-both==1.0",
        'of-docs==1.0 ; python_version >= "3.11"',
        "of-gpu==1.0",
    )
    (error,) = read(GROUPS, selection=Selection(extras=("cpu",))).errors
    assert (error.code, error.help) == ("selection-unknown", "Choose one of: gpu.")


def test_a_lock_that_is_for_no_linux_is_refused_and_one_for_some_pythons_is_read_for_them() -> None:
    text = 'lock-version = "1.0"\nenvironments = ["sys_platform == \'win32\'"]\n' + package("a")
    assert [error.code for error in read(text).errors] == ["lock-uncovered"]
    text = 'lock-version = "1.0"\nenvironments = ["python_version >= \'3.12\'"]\n' + package(
        "a", 'python_version >= "3.11"'
    )
    assert lines(read(text)) == ("a==1.0",)


def test_a_package_without_a_file_for_linux_is_refused() -> None:
    wheel = (
        'wheels = [{url = "https://h/a-1.0-cp312-cp312-win_amd64.whl", hashes = {sha256 = "'
        + "1" * 64
        + '"}}]\n'
    )
    (error,) = read(HEAD + package("a") + wheel).errors
    assert (error.code, error.line) == ("lock-uncovered", 8)


def test_hashes_of_files_for_other_systems_are_no_part_of_a_line_but_are_kept() -> None:
    names = (
        "a-1.0-cp312-cp312-win_amd64.whl",
        "a-1.0-cp312-cp312-manylinux_2_28_x86_64.whl",
        "a-1.0-py3-none-any.whl",
    )
    wheels = ", ".join(
        f'{{url = "https://h/{name}", size = {number}, hashes = {{sha256 = "{number}{"0" * 63}"}}}}'
        for number, name in enumerate(names)
    )
    reading = read(HEAD + package("a") + f"wheels = [{wheels}]\n")
    assert lines(reading) == (f"a==1.0 --hash=sha256:1{'0' * 63} --hash=sha256:2{'0' * 63}",)
    assert [file.name for file in reading.packages[0].files] == list(names)


def test_a_lock_of_pipenv_that_breaks_the_rules_is_read() -> None:
    text = (
        'lock-version = "1.0"\nrequires-python = ">=3.11"\nextras = []\ndependency-groups = ["dev"]\n'
        'default-groups = ["default"]\ncreated-by = "pipenv"\n\n[[packages]]\nname = "Jinja2"\nversion = "3.1.4"\n'
        'wheels = [{name = "jinja2-3.1.4-py3-none-any.whl", upload-time = "2024-05-05T23:42:01Z", hashes = {sha256 = "'
        + "a" * 64 + '"}}]\n\n[[packages]]\nname = "pytest_cov"\nversion = "5"\nmarker = "\'dev\' in dependency_groups"\n'
    )  # fmt: skip
    reading = read(text, "pylock.toml")
    assert lines(reading) == (f"jinja2==3.1.4 --hash=sha256:{'a' * 64}",)
    assert reading.packages[0].files[0].uploaded == "2024-05-05T23:42:01Z"


def test_a_version_that_is_left_out_is_that_of_the_file() -> None:
    wheel = 'wheels = [{url = "https://h/a-2.1%2Bcu118-py3-none-any.whl", hashes = {}}]\n'
    assert lines(read(HEAD + '[[packages]]\nname = "a"\n' + wheel)) == ("a==2.1+cu118",)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("name = 5\n", "missing-key"),
        ('name = "a b"\nversion = "1"\n', "bad-requirement"),
        ('name = "a"\nversion = "1 --index-url http://h"\n', "bad-requirement"),
        ('name = "a"\nversion = "1"\nmarker = "x y"\n', "bad-requirement"),
        ('name = "a"\nversion = "1"\nmarker = 5\n', "bad-requirement"),
        ('name = "a"\narchive = {url = "https://h/a.zip ; x"}\n', "bad-requirement"),
        ('name = "a"\n', "missing-key"),
    ],
)
def test_a_bad_package_is_named_with_its_line_and_hides_no_other(bad: str, code: str) -> None:
    text = f"{HEAD}\n[[packages]]\n{bad}\n[[packages]]\nname = 'b'\n"
    errors = [(error.code, error.line) for error in read(text).errors]
    assert errors == [(code, 8), ("missing-key", text.count("\n") - 1)]


NAME = st.text(st.characters(categories=("Ll", "Nd"), max_codepoint=127), min_size=1, max_size=8)
SHA256 = st.text("0123456789abcdef", min_size=64, max_size=64)
FILES = st.lists(
    st.builds(
        lambda tag, digest, size: LockedFile(f"-1-{tag}.whl", "https://h/", digest, size),
        st.sampled_from(["py3-none-any", "cp312-cp312-win_amd64", "cp311-abi3-manylinux_2_17_x86_64"]),
        SHA256,
        st.none() | st.integers(0, 1 << 40),
    ),
    max_size=3,
)
SDIST = st.builds(lambda digest: LockedFile("-1.tar.gz", "https://h/", digest), SHA256)
MARKER = st.sampled_from(
    ["", 'python_version < "3.11"', 'python_full_version >= "3.11.4" and python_version < "3.14"']
)


def of_index(name: str, files: list[LockedFile], marker: str, index: str) -> LockedPackage:
    whole = tuple(replace(file, name=name + file.name, url=f"{file.url}{name}{file.name}") for file in files)
    first = whole[0]
    return LockedPackage(
        name, "1", "pip", url=first.url, sha256=first.sha256, channel=index, marker=marker, files=whole
    )


OF_INDEX = st.builds(
    lambda name, files, sdist, marker, index: of_index(name, [*files, sdist], marker, index),
    NAME, FILES, SDIST, MARKER, st.sampled_from(["", "https://pypi.example/simple"]),
)  # fmt: skip
DIRECT = st.builds(
    lambda name, url, digest: LockedPackage(
        name, "", "pip", url=url, sha256="" if "git+" in url else digest, direct=True
    ),
    NAME,
    st.sampled_from(
        ["https://h/a-1.zip", "git+https://h/a.git@0a1b2c", "git+ssh://git@h/a.git@0a1b2c#subdirectory=lib/a"]
    ),
    SHA256,
)


@given(st.lists(OF_INDEX | DIRECT, min_size=1, max_size=6, unique_by=lambda package: package.name))
@settings(max_examples=80)
def test_a_lock_written_is_valid_and_read_with_the_same_hash(packages: list[LockedPackage]) -> None:
    text = write_lock(tuple(packages), "pylock", requires_python=">=3.10")
    Pylock.from_dict(tomllib.loads(text)).validate()
    reading = read(text)
    assert reading.definition is not None, reading.errors
    assert len(reading.packages) == len(packages)
    written = write_reading(reading, "pylock")
    again = read(written)
    assert again.definition is not None, again.errors
    assert again.definition.hash == reading.definition.hash
    assert write_reading(again, "pylock") == written


def test_a_repository_without_a_commit_is_not_written() -> None:
    with pytest.raises(CannotWrite, match="lab"):
        write_lock((LockedPackage("lab", "", "pip", url="git+https://h/lab.git", direct=True),), "pylock")


def test_uv_installs_what_is_written_with_markers_and_all_files(tmp_path: Path) -> None:
    """From wheels of this folder: uv is offline."""
    packages = []
    for name, marker in (
        ("lab-one", ""),
        ("lab-two", 'python_version >= "3.8"'),
        ("lab-three", 'python_version < "3.8"'),
    ):
        wheel = make_wheel(tmp_path, name.replace("-", "_"), "1.0")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        file = LockedFile(wheel.name, wheel.as_uri(), digest, wheel.stat().st_size)
        other = LockedFile(
            f"{name.replace('-', '_')}-1.0-cp27-cp27m-win32.whl", "https://h.example/x.whl", "0" * 64
        )
        files = (other, file)
        packages.append(
            LockedPackage(name, "1.0", "pip", url=file.url, sha256=digest, marker=marker, files=files)
        )
    lock = tmp_path / "pylock.toml"
    lock.write_text(write_lock(tuple(packages), "pylock", requires_python=">=3.8"))
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "UV_OFFLINE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    for command in (["sync"], ["install", "-r"]):
        options = [
            "--dry-run",
            "--preview-features",
            "pylock",
            "--python",
            sys.executable,
            "--target",
            str(tmp_path / "to"),
        ]
        done = subprocess.run(
            [uv.find_uv_bin(), "pip", *command, str(lock), *options],
            env=environment, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "lab-one==1.0" in done.stderr
        assert "lab-two==1.0" in done.stderr
        assert "lab-three" not in done.stderr
