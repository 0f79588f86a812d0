"""A definition for other Pythons than an image has: stopped before anything is resolved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builds.imaging.lock import Lock
from builds.imaging.pip.resolve import resolve
from builds.imaging.pip.targets.pythons import check_lines, check_python
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base

pytestmark = pytest.mark.usefixtures("one_attempt")

BASE = empty_base()  # with Python 3.11.7
HASH = f"--hash=sha256:{'a' * 64}"


def refused(workshop: Workshop, *lines: str, requires: str = "") -> ImageError:
    nowhere = replace(workshop, index_url="http://127.0.0.1:1/simple")
    with pytest.raises(ImageError) as result:
        resolve(BASE, lines, nowhere, Recorder(), requires_python=requires)
    return result.value


@pytest.mark.parametrize(
    ("requires", "nearest"),
    [(">=3.13", "3.13"), ("<3.11,>=3.8", "3.10"), ("==3.12.*", "3.12"), (">=3.11.8", "3.11"), ("==2.7", "")],
)
def test_both_versions_are_named_and_a_python_that_would_do(
    workshop: Workshop, requires: str, nearest: str
) -> None:
    error = refused(workshop, "six", requires=requires)

    assert (error.code, error.fault) == ("other-python", "author")
    assert error.message == (
        f"The definition is for Python {requires}, and the base image base.example/python:3.11 has Python 3.11.7."
    )
    assert "Take a base image with a Python that it is for" in error.help
    assert (f"such as Python {nearest};" in error.help) == bool(nearest)


@pytest.mark.parametrize("requires", ["", ">=3.9", ">=3.11,<4", "~=3.11", "no versions", ">=3.11.0a1"])
def test_a_python_that_fits_or_that_nobody_can_read_stops_no_build(workshop: Workshop, requires: str) -> None:
    assert refused(workshop, "six", requires=requires).code == "index-unreachable"


def test_a_base_that_shows_its_minor_version_only_may_have_any_micro_version() -> None:
    check_python("3.12", "base", ">=3.12.3", Recorder())
    with pytest.raises(ImageError):
        check_python("3.12", "base", ">=3.13.1", Recorder())


def test_a_lock_whose_lines_are_all_for_other_pythons_is_refused(workshop: Workshop) -> None:
    error = refused(
        workshop,
        "--no-binary six",
        f'numpy==2.3.1 ; python_version >= "3.13" {HASH}',
        'six @ https://packages.example/six-1.17.0-py2.py3-none-any.whl ; python_version >= "3.14"',
    )

    assert error.code == "other-python"
    assert 'packages that are locked for other Pythons (python_version >= "3.13")' in error.message
    assert "has Python 3.11.7" in error.message
    assert "such as Python 3.13;" in error.help


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["six==1.17.0"],
        ['six==1.17.0 ; python_version >= "3.13"', "numpy==2.3.1"],
        ['six==1.17.0 ; python_version >= "3.13"', 'numpy==1.26.4 ; python_version < "3.13"'],
        ['six==1.17.0 ; python_full_version >= "3.11.6"'],
        ['six>=1 ; python_version >= "3.13"'],  # by hand: pip installs nothing then
        ['pywin32==308 ; sys_platform == "win32"'],  # for another system: reported by the resolution
        ["--index-url https://packages.example"],
    ],
)
def test_a_line_for_this_python_or_by_hand_is_no_lock_for_others(lines: list[str]) -> None:
    check_lines(lines, BASE.probe, "python:3.11")


def test_nothing_to_install_needs_no_python(workshop: Workshop) -> None:
    lock = resolve(BASE, [], workshop, Recorder(), requires_python=">=3.13")

    assert isinstance(lock, Lock)
    assert lock.packages == ()
