"""Markers of locks: the Pythons that they hold for, and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker

from environments.definition.packages.pythons import Pythons, reach

MARKERS = (
    "python_version < '3.11'",
    "python_full_version >= '3.11.4'",
    "python_full_version < '3.12' and sys_platform == 'linux'",
    "sys_platform == 'win32'",
    "platform_machine == 'x86_64' or python_version >= '3.13'",
    "python_version == '3.9' or python_version == '3.12'",
    "'3.10' <= python_version",
    "implementation_name == 'pypy'",
    "python_full_version == '3.10.5'",
    "extra == 'test'",
)
VERSIONS = ["3.8.0", "3.8.19", "3.9.1", "3.10.5", "3.10.6", "3.11.3", "3.11.4", "3.12.0", "3.13.7", "3.14.0"]
LINUX = {
    "sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux", "os_name": "posix",
    "implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": "",
}  # fmt: skip


def environment(version: str) -> dict[str, str]:
    return {**LINUX, "python_full_version": version, "python_version": version.rpartition(".")[0]}


@given(
    st.sets(st.sampled_from(MARKERS), min_size=1),
    st.sampled_from([">=3.8", ">=3.10,<3.13", "", "~=3.9", ">3.8.0"]),
)
def test_a_set_of_pythons_becomes_a_marker_that_holds_for_just_these(
    markers: set[str], requires: str
) -> None:
    pythons = Pythons(requires, MARKERS)
    stretches = 0
    for marker in markers:
        stretches |= pythons.where(marker)
    if not stretches:
        with pytest.raises(ValueError, match="no Python"):
            pythons.marker(stretches)
        return
    written = pythons.marker(stretches)
    for version in VERSIONS:
        if not pythons.python(version):
            continue
        expected = any(Marker(marker).evaluate(environment(version)) for marker in markers)
        held = not written or Marker(written).evaluate(environment(version))
        assert held == expected, (written, version)


def test_a_lock_for_everything_needs_no_marker() -> None:
    pythons = Pythons(">=3.9", ["python_version >= '3.9'", "python_version < '3.11'"])
    assert pythons.marker(pythons.where("python_version >= '3.9'")) == ""
    assert pythons.marker(pythons.where("python_version < '3.11'")) == 'python_version < "3.11"'


def test_a_python_outside_the_lock_is_in_no_stretch() -> None:
    pythons = Pythons(">=3.10,<3.13", [])
    assert not pythons.python("3.9.1")
    assert pythons.python("3.12.7")
    assert not pythons.python("3.13.0")


def test_what_is_no_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="not a marker"):
        Pythons("", []).where("python_version <> 3")


def test_packages_are_reached_where_the_path_to_them_holds() -> None:
    old, new = "python_version < '3.11'", "python_version >= '3.11'"
    pythons = Pythons(">=3.9", [old, new])
    graph = {
        "app": [("tomli", pythons.where(old)), ("loop", pythons.all)],
        "tomli": [("back", pythons.where(new))],
        "loop": [("app", pythons.all), ("late", pythons.where(new))],
    }
    reached = reach({"app": pythons.all}, lambda key: graph.get(key, []))
    assert {key: pythons.marker(stretches) for key, stretches in reached.items()} == {
        "app": "",
        "loop": "",
        "tomli": 'python_version < "3.11"',
        "late": 'python_version >= "3.11"',
    }


OPERANDS = st.sampled_from(
    [
        'python_version >= "3.9"', "python_full_version < '3.11.4'", '"3.10" <= python_version', 'os_name == "nt"',
        'sys_platform != "linux"', "platform_machine == 'x86_64'", 'python_version not in "3.9 3.10"',
        'extra == "x"', '"dev" in dependency_groups', "'Test_X' not in extras",
    ]
)  # fmt: skip
ANY_MARKER = st.recursive(
    OPERANDS,
    lambda inner: st.one_of(
        st.builds("{} and {}".format, inner, inner),
        st.builds("{}  or {}".format, inner, inner),
        st.builds("({})".format, inner),
    ),
    max_leaves=6,
)


@given(ANY_MARKER)
@settings(max_examples=150)
def test_a_marker_holds_where_packaging_says_so(marker: str) -> None:
    pythons = Pythons("", [marker], extras=["test-x"], groups=["dev"])
    for version in ("3.8.0", "3.9.0", "3.10.0", "3.11.0", "3.11.3", "3.11.4", "3.12.0"):
        environment: dict[str, str | frozenset[str]] = {
            "python_version": version.rpartition(".")[0], "python_full_version": version, "os_name": "posix",
            "sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux", "platform_release": "",
            "extra": "", "extras": frozenset(["test-x"]), "dependency_groups": frozenset(["dev"]),
        }  # fmt: skip
        held = bool(pythons.where(marker) & pythons.python(version))
        assert held == Marker(marker).evaluate(environment, "lock_file"), version


@pytest.mark.parametrize(
    "marker",
    ["(", ")", "and", 'os_name == "a" os_name == "b"', '(os_name == "a"', 'os_name == "a" and', 'x == "1"', "1",
     'os_name == "a") or (os_name == "b"', "os_name", "os_name == 'a' & os_name == 'b'", "()"],
)  # fmt: skip
def test_brackets_and_words_that_do_not_fit_together_are_no_marker(marker: str) -> None:
    with pytest.raises(ValueError, match="marker"):
        Pythons("", []).where(marker)


def test_a_lock_with_endless_markers_is_refused_soon() -> None:
    endless = " or ".join(f'python_version >= "3.{number}"' for number in range(10_000))
    with pytest.raises(ValueError, match="more markers"):
        Pythons("", []).where(endless)
