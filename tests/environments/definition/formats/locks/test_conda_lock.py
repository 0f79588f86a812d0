"""Locks of conda-lock: platforms, categories, sources, and writing one that conda-lock itself takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from environments.definition import CannotWrite, Reading, read, read_path
from environments.definition.model import Selection, Target
from environments.definition.packages.locked import LockedPackage
from environments.definition.writing.write import write_lock, write_reading

CONDA = "https://conda.anaconda.org/conda-forge"
FILES = "https://files.pythonhosted.org/packages/x"
HEAD = "version: 1\nmetadata: {channels: [{url: conda-forge, used_env_vars: []}], platforms: [linux-64]}\npackage:\n"


def entry(name: str, platform: object = "linux-64", manager: object = "conda", **more: object) -> str:
    url = f"{CONDA}/{platform}/{name}-1.0-h0_0.conda" if manager == "conda" else f"{FILES}/{name}-1.0.tar.gz"
    values: dict[str, Any] = {
        "name": name, "version": "1.0", "manager": manager, "platform": platform, "dependencies": {}, "url": url,
        "hash": {"md5": "0" * 32, "sha256": "1" * 64}, "category": "main", "optional": False,
    }  # fmt: skip
    values |= more
    return "- " + yaml.safe_dump(values, default_flow_style=True, width=10_000).strip() + "\n"


def names(reading: Reading) -> list[str]:
    assert reading.definition is not None, reading.errors
    return [package.name for package in reading.packages]


def codes(reading: Reading) -> list[tuple[str, int | None]]:
    return [(error.code, error.line) for error in reading.errors]


CATEGORIES = (
    HEAD + entry("a") + entry("b", category="dev", optional=True) + entry("c", category="docs") + entry("d")
)


def test_only_the_category_main_is_read_and_the_others_are_offered_as_groups() -> None:
    reading = read(CATEGORIES)
    assert names(reading) == ["a", "d"]
    assert reading.offers.groups == ("dev", "docs")
    (note,) = [finding.message for finding in reading.findings if finding.code == "lock-categories"]
    assert note == "The lock has the categories main, dev, docs. Used: main."


def test_a_category_is_read_on_request_and_the_choice_is_recorded() -> None:
    reading = read(CATEGORIES, selection=Selection(groups=("docs",)))
    assert names(reading) == ["a", "c", "d"]
    assert reading.definition is not None
    assert reading.definition.selection == Selection(groups=("docs",))
    assert reading.definition.hash != getattr(read(CATEGORIES).definition, "hash", "")


@pytest.mark.parametrize(
    "selection", [Selection(groups=("test",)), Selection(extras=("x",)), Selection(environment="cuda")]
)
def test_what_the_lock_does_not_hold_cannot_be_chosen(selection: Selection) -> None:
    reading = read(CATEGORIES, selection=selection)
    assert [error.code for error in reading.errors] == ["selection-unknown"]
    assert "dev and docs" in reading.errors[0].help or "has none" in reading.errors[0].help


def test_a_lock_of_one_category_is_read_under_any_name_of_it() -> None:
    assert names(read(HEAD + entry("a", category="dev"))) == ["a"]


def test_of_several_platforms_that_of_the_image_is_read() -> None:
    text = HEAD + entry("a", "osx-64") + entry("b") + entry("c", "win-64") + entry("d", "linux-aarch64")
    assert names(read(text)) == ["b"]
    text = HEAD + entry("a", "osx-64") + entry("d", "linux-aarch64")
    reading = read(text)
    assert names(reading) == ["d"]
    assert reading.definition is not None
    assert reading.definition.platform == "linux/arm64"


def test_a_lock_without_linux_is_refused_with_what_to_do() -> None:
    (error,) = read(HEAD + entry("a", "osx-64") + entry("b", "win-64")).errors
    assert error.code == "lock-uncovered"
    assert "osx-64, win-64" in error.message
    assert "--platform linux-64" in error.help


def test_a_package_of_pip_keeps_its_source_and_hash() -> None:
    text = (
        HEAD
        + entry("a", manager="pip")
        + entry("b", manager="pip", url="https://pypi.example/b-1.0-py3-none-any.whl")
    )
    text += entry(
        "c",
        manager="pip",
        url="git+https://h/c@abc",
        source={"type": "url", "url": "git+https://h/c.git@abc"},
    )
    text += entry("d", manager="pip", url="https://h/d.zip#sha256=22")
    reading = read(text)
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip == (
        f"a==1.0 --hash=sha256:{'1' * 64}",
        f"b @ https://pypi.example/b-1.0-py3-none-any.whl#sha256={'1' * 64}",
        "c @ git+https://h/c.git@abc",
        "d @ https://h/d.zip#sha256=22",
    )


def test_one_bad_package_hides_no_other() -> None:
    text = HEAD + entry("a", url=None) + entry("b", version=None, manager=[1]) + entry("c", platform=None)
    text += entry("d", hash=[]) + entry("e", url=f"{CONDA}/linux-64/e")
    assert sorted(codes(read(text)), key=lambda error: (error[1] or 0, error[0])) == [
        ("missing-key", 4),
        ("missing-key", 5),
        ("missing-key", 5),
        ("wrong-shape", 5),
        ("missing-key", 6),
        ("wrong-shape", 7),
        ("bad-conda-spec", 8),
    ]


def test_the_virtual_packages_beside_the_lock_are_the_target(tmp_path: Path) -> None:
    (tmp_path / "conda-lock.yml").write_text(HEAD + entry("a"))
    (tmp_path / "virtual-packages.yml").write_text(
        "subdirs:\n  linux-64:\n    packages: {__glibc: '2.28', __cuda: '12.4 0', __archspec: 1 x86_64_v3, __unix: 0}\n"
        "  osx-64: {packages: {__osx: '11'}}\n"
    )
    reading = read_path(tmp_path / "conda-lock.yml")
    assert reading.definition is not None, reading.errors
    assert reading.definition.target == Target(cuda="12.4", glibc="2.28", cpu="x86_64_v3")
    assert getattr(read(HEAD + entry("a")).definition, "target", None) == Target()


LOCKED = (
    LockedPackage("python", "3.12.1", "conda", "h1_0", f"{CONDA}/linux-64/python-3.12.1-h1_0.conda",
                  f"{CONDA}", "linux-64", md5="0" * 32, sha256="1" * 64, requires=("tzdata",)),
    LockedPackage("tzdata", "2024.07", "conda", "h0_0", f"{CONDA}/noarch/tzdata-2024.07-h0_0.conda", md5="3" * 32),
    LockedPackage("flask", "1.10", "pip", "", f"{FILES}/flask-1.10-py3-none-any.whl", sha256="2" * 64,
                  requires=("click",)),
)  # fmt: skip
# As conda-lock's own models of its first format have it.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "metadata", "package"],
    "properties": {
        "version": {"const": 1},
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "required": ["content_hash", "channels", "platforms", "sources"],
            "properties": {
                "content_hash": {"type": "object", "additionalProperties": {"type": "string"}},
                "channels": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["url", "used_env_vars"],
                        "properties": {"url": {"type": "string"}, "used_env_vars": {"type": "array"}},
                    },
                },
                "platforms": {"type": "array", "items": {"type": "string"}},
                "sources": {"type": "array", "items": {"type": "string"}},
            },
        },
        "package": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": [
                    "name",
                    "version",
                    "manager",
                    "platform",
                    "dependencies",
                    "url",
                    "hash",
                    "optional",
                ],
                "properties": {
                    "name": {"type": "string"},
                    "version": {"type": "string"},
                    "manager": {"enum": ["conda", "pip"]},
                    "platform": {"type": "string"},
                    "dependencies": {"type": "object", "additionalProperties": {"type": "string"}},
                    "url": {"type": "string", "minLength": 1},
                    "hash": {
                        "type": "object",
                        "additionalProperties": False,
                        "minProperties": 1,
                        "properties": {"md5": {"type": "string"}, "sha256": {"type": "string"}},
                    },
                    "category": {"type": "string"},
                    "optional": {"type": "boolean"},
                },
            },
        },
    },
}


def test_a_lock_that_is_written_fits_conda_locks_schema_and_is_read_again() -> None:
    text = write_lock(LOCKED, "conda-lock", platform="linux/arm64")
    assert not list(Draft7Validator(SCHEMA).iter_errors(yaml.safe_load(text)))
    again = read(text)
    assert again.definition is not None, again.errors
    assert again.definition.platform == "linux/arm64"
    assert again.definition.python.channels == (CONDA,)
    assert [(p.name, p.version, p.md5, p.sha256, p.requires) for p in again.packages] == [
        (p.name, p.version, p.md5, p.sha256, p.requires) for p in LOCKED
    ]


TEXTS = st.text(st.characters(categories=("Ll", "Nd"), max_codepoint=127), min_size=1, max_size=8)
DIGEST = st.text("0123456789abcdef", min_size=32, max_size=32)
PACKAGES = st.builds(
    lambda name, version, md5, sha, conda: LockedPackage(
        f"p{name}", version, "conda" if conda else "pip",
        url=f"{CONDA}/linux-64/p{name}-{version}-0.conda" if conda else f"{FILES}/p{name}-{version}-py3-none-any.whl",
        md5=md5 if conda else "", sha256=sha * 2,
    ),
    TEXTS, st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}", fullmatch=True), DIGEST, DIGEST, st.booleans(),
)  # fmt: skip


@given(st.lists(PACKAGES, min_size=1, max_size=6, unique_by=lambda package: package.url))
@settings(max_examples=60)
def test_a_lock_written_and_read_has_the_same_hash_when_it_is_written_again(
    packages: list[LockedPackage],
) -> None:
    reading = read(write_lock(tuple(packages), "conda-lock"))
    assert reading.definition is not None, reading.errors
    again = read(write_reading(reading, "conda-lock"))
    assert again.definition is not None, again.errors
    assert again.definition.hash == reading.definition.hash


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        (LockedPackage("a", "1", "conda", url="https://h/c/linux-64/a-1-0.conda", sha256="1" * 64), "MD5"),
        (LockedPackage("a", "1", "conda", md5="1" * 32), "URL"),
        (LockedPackage("a", "1", "pip", url="https://h/a-1.tar.gz"), "sha256"),
        (LockedPackage("a", "1", "system"), "system"),
        (
            LockedPackage("a", "1", "pip", url="https://h/a", sha256="1" * 64, marker='python_version < "3"'),
            "markers",
        ),
    ],
)
def test_what_conda_lock_cannot_hold_is_not_written(package: LockedPackage, reason: str) -> None:
    with pytest.raises(CannotWrite, match=reason):
        write_lock((package,), "conda-lock")


def test_of_packages_for_some_pythons_those_of_the_locks_own_python_are_written() -> None:
    url = f"{FILES}/a-1.tar.gz"
    older = LockedPackage("older", "1", "pip", url=url, sha256="1" * 64, marker='python_version < "3.11"')
    newer = LockedPackage("newer", "1", "pip", url=url, sha256="1" * 64, marker='python_version >= "3.11"')
    reading = read(write_lock((LOCKED[0], older, newer), "conda-lock"))
    assert names(reading) == ["python", "newer"]
