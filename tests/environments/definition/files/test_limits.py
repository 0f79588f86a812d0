"""Locks may be larger than what people write by hand, and are still bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.definition import read, read_path
from environments.definition.files.limits import Limits

LIMITS = Limits()
ENTRY = (
    "- {{name: p{0}, version: '1', manager: conda, platform: {1}, dependencies: {{}}, hash: {{md5: aa}},\n"
    "   url: 'https://conda.anaconda.org/conda-forge/{1}/p{0}-1-h_0.conda'}}\n"
)
HEAD = "version: 1\nmetadata: {channels: [conda-forge], platforms: [linux-64]}\npackage:\n"


def lock(size: int) -> str:
    """A lock of about this size, most of it for another platform."""
    entries = [ENTRY.format(0, "linux-64")]
    each = len(ENTRY.format(100_000, "osx-64"))
    entries += [ENTRY.format(100_000 + number, "osx-64") for number in range(size // each)]
    return HEAD + "".join(entries)


@pytest.mark.parametrize("name", ["conda-lock.yml", ""])
def test_a_lock_of_several_platforms_may_have_more_than_a_megabyte(name: str) -> None:
    text = lock(LIMITS.definition + 100_000)
    assert len(text) > LIMITS.definition
    reading = read(text, name)
    assert [package.name for package in reading.packages] == ["p0"]


def test_a_lock_over_its_limit_is_refused_with_the_limit(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text("#" * (LIMITS.lock + 1))
    for path in (tmp_path, tmp_path / "pylock.toml"):
        (error,) = read_path(path).errors
        assert error.code == "too-large"
        assert "the limit is 4 MB" in error.message


@pytest.mark.parametrize("name", ["requirements.txt", "environment.yml", "Dockerfile", ""])
def test_what_is_no_lock_may_have_a_megabyte(name: str) -> None:
    (error,) = read("# a\n" * (LIMITS.definition // 4 + 1), name).errors
    assert "the limit is 1 MB" in error.message


@pytest.mark.parametrize(
    ("name", "start", "larger"),
    [
        ("pixi.lock", b"", True),
        ("sub/pylock.dev.toml", b"", True),
        ("conda-lock.yml", b"", True),
        ("my_lock.json", b"", True),
        ("Pipfile.lock", b"", True),
        ("block.toml", b"", False),
        ("", b"# made by uv\nversion = 1\nrevision = 2\n", True),
        ("", b"version: 6\nenvironments:\n", True),
        ("", b'{\n    "_meta": {}', True),
        ("", b"# platform: linux-64\n@EXPLICIT\n", True),
        ("", b'[[package]]\nname = "a"\n', True),
        ("", b"version: 1\nname: a\n", False),
        ("", b"flask==3\n", False),
    ],
)
def test_a_lock_is_known_by_its_name_or_its_beginning(name: str, start: bytes, larger: bool) -> None:
    assert (LIMITS.of(name, start)[0] == LIMITS.lock) is larger
