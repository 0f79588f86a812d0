"""poetry's constraints allow the versions that poetry-core allows, in PEP 440's words."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from poetry.core.constraints.version import Version as PoetryVersion
from poetry.core.constraints.version import parse_constraint
from poetry.core.constraints.version.exceptions import ParseConstraintError
from poetry.core.version.markers import parse_marker

from environments.definition.formats.projects.poetry.constraints import (
    BadConstraint,
    platform_marker,
    python_marker,
    specifier,
)
from environments.definition.packages.pythons import Pythons

PART = st.sampled_from([0, 0, 1, 1, 2, 3, 10])
RELEASE = st.lists(PART, min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
SUFFIX = st.sampled_from(["", "", "", "", "a1", "rc1", ".post1", ".dev0", "b2.dev1"])
VERSION = st.builds(lambda release, suffix: release + suffix, RELEASE, SUFFIX)
SIGN = st.sampled_from(["", "=", "==", "!=", ">=", "<=", ">", "<", "^", "~", "~=", "^ ", ">= "])
SINGLE = st.one_of(
    st.builds(lambda sign, version: sign + version, SIGN, VERSION),
    st.builds(lambda sign, release: f"{sign}{release}.*", st.sampled_from(["", "==", "!="]), RELEASE),
    st.just("*"),
)
GROUP = st.builds(
    lambda parts, between: between.join(parts),
    st.lists(SINGLE, min_size=1, max_size=3),
    st.sampled_from([",", ", ", " "]),
)
UNION = st.builds(
    lambda groups, between: between.join(groups),
    st.lists(GROUP, min_size=2, max_size=4),
    st.sampled_from([" || ", "||", " | "]),
)
CANDIDATES = [
    f"{major}{minor}{micro}{suffix}"
    for major in (0, 1, 2, 3, 4, 11)
    for minor in ("", ".0", ".1", ".2", ".3", ".10", ".11")
    for micro in ("", ".1", ".3.1")
    for suffix in ("", "rc1")
]
VERSIONS = [(Version(text), PoetryVersion.parse(text)) for text in CANDIDATES]


@given(GROUP)
@example("^0.0.3")
@example("^0")
@example("~1")
@example("~=0.0.0.5")
@example("<2,>=1.0rc1")
@settings(max_examples=80)
def test_a_constraint_allows_what_poetry_allows(constraint: str) -> None:
    theirs = parsed(constraint)
    ours = SpecifierSet(specifier(constraint).specifier)
    assert not specifier(constraint).narrowed
    for version, of_poetry in VERSIONS:
        assert ours.contains(version, prereleases=True) == theirs.allows(of_poetry), version


@given(UNION)
@example("^1.0 || ^3.0")
@example("<1 || >1")
@example("~2.7 || ^3.6")
@settings(max_examples=80)
def test_a_union_allows_what_poetry_allows_or_its_newest_part(constraint: str) -> None:
    theirs = parsed(constraint)
    converted = specifier(constraint)
    ours = SpecifierSet(converted.specifier)
    for version, of_poetry in VERSIONS:
        if version.is_prerelease:
            continue  # those of a version that a range begins with are inside, and pip takes none of them
        allowed = ours.contains(version, prereleases=True)
        assert allowed == theirs.allows(of_poetry) or (converted.narrowed and not allowed), version


def parsed(constraint: str):  # type: ignore[no-untyped-def]
    try:
        theirs = parse_constraint(constraint)
    except (ParseConstraintError, ValueError):
        assume(False)
    assume(not theirs.is_empty())
    return theirs


@pytest.mark.parametrize(
    ("constraint", "read", "narrowed"),
    [
        ("^1.2.3", ">=1.2.3,<2.0.0", False),
        ("^0.2", ">=0.2,<0.3", False),
        ("~1.2", ">=1.2,<1.3", False),
        ("1.2", "==1.2", False),
        ("1.*", "==1.*", False),
        ("*", "", False),
        (">= 1.0 , < 2", ">=1.0,<2", False),
        ("^1.0 || ^3.0", ">=1.0,<4.0,!=2.*", False),
        ("<1.5 || >1.5", "!=1.5", False),
        ("^1.0 || ^2.0", ">=1.0,<3.0", False),
        ("<1.5 || >=2.0", ">=2.0", True),
        ("1.0 || 2.0", "==2.0", True),
    ],
)
def test_constraints_in_words_of_pep_440(constraint: str, read: str, narrowed: bool) -> None:
    assert (specifier(constraint).specifier, specifier(constraint).narrowed) == (read, narrowed)


@pytest.mark.parametrize(
    "constraint",
    [
        "^^1",
        "one",
        "^1.*",
        "1 ||",
        "|| 1",
        ">",
        "1.2.x",
        "^1 || <0,>1 || x y",
        "-1",
        "9" * 5000,
        "1||" * 400_000,
        "1," * 500_000,
        "~" * 1999,
        " " * 3000,
    ],
)
def test_what_is_no_constraint_is_refused_soon(constraint: str) -> None:
    with pytest.raises(BadConstraint):
        specifier(constraint)


@pytest.mark.parametrize(
    "constraint", ["^3.9", "<3.10", ">3.9", "<=3.9", "3.9.*", "3.*", "~3.10", ">=3.9.2,<3.12", "~3.9 || ^3.11", "!=3.10.*", "*", "!=3.10.1"]
)  # fmt: skip
def test_a_python_constraint_becomes_a_marker_that_holds_for_the_same_pythons(constraint: str) -> None:
    ours, theirs = python_marker(constraint), parse_constraint(constraint)
    markers = [ours] if ours else []
    for minor in range(8, 14):
        for micro in (0, 1, 2, 5):
            python = f"3.{minor}.{micro}"
            pythons = Pythons(f"=={python}", markers)
            assert bool(pythons.where(ours) & pythons.python(python)) == theirs.allows(
                PoetryVersion.parse(python)
            )


def test_a_platform_becomes_a_marker() -> None:
    assert platform_marker("linux") == 'sys_platform == "linux"'
    marker = platform_marker("linux || darwin")
    assert parse_marker(marker).validate({"sys_platform": "darwin"})
    assert platform_marker("!=win32,!=darwin") == 'sys_platform != "win32" and sys_platform != "darwin"'
    with pytest.raises(BadConstraint):
        platform_marker('linux" or os_name == "x')
