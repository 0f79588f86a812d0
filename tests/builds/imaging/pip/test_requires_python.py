"""Wheels that are for other Pythons than the image's: the solver ignores upper bounds, pip refuses such wheels."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from builds.imaging.pip.check import check_lock
from builds.imaging.pip.declared.facts import facts_of_wheels
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.builds.imaging.making import locked

OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"


def wheel(folder: Path, requires: str) -> Path:
    path = folder / "bound-1.0-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: bound\nVersion: 1.0\nRequires-Python: {requires}\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bound-1.0.dist-info/METADATA", metadata)
        archive.writestr("bound-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("bound-1.0.dist-info/RECORD", "")
    return path


@pytest.mark.parametrize(
    ("requires", "refused"),
    [
        (f"<{OWN}", True),
        (f">=3.6,<{OWN}", True),
        ("==2.7.*", True),
        ("~=3.6.0", True),
        (f"<={OWN}", True),  # 3.11.7 is beyond 3.11
        (f"!={OWN}.0,>=3.6", False),
        (">=3.6", False),
        ("three", False),
        ("", False),
    ],
)
def test_a_wheel_that_pip_refuses_for_its_python_is_named(
    tmp_path: Path, workshop: Workshop, requires: str, refused: bool
) -> None:
    path = wheel(tmp_path, requires)
    lock, fetched = locked(path)
    lock = lock.model_copy(update={"python": ".".join(map(str, sys.version_info[:3]))})
    problems = check_lock(lock, fetched, Quiet())
    assert [f"bound 1.0 is for Python {requires}, and the image has" in problem for problem in problems] == (
        [True] if refused else []
    )
    facts = facts_of_wheels(fetched.wheels, sys.version_info[:2], workshop, Quiet())
    assert check_lock(lock, fetched, Quiet(), facts) == problems

    options = ["--dry-run", "--no-deps", "--ignore-installed", "--no-index", "--quiet"]
    by_pip = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, path], capture_output=True, text=True, check=False
    )
    assert (by_pip.returncode != 0) == refused, by_pip.stderr


def test_a_python_of_which_the_minor_version_alone_is_known_may_be_any_of_it(tmp_path: Path) -> None:
    lock, fetched = locked(wheel(tmp_path, ">=3.11.5"))
    assert check_lock(lock.model_copy(update={"python": "3.11"}), fetched, Quiet()) == []
    assert check_lock(lock.model_copy(update={"python": "3.11.4"}), fetched, Quiet())
