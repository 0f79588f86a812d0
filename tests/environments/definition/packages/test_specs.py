"""Plain specifications are read without the grammars' libraries, and mean the same as with them."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from environments.definition.packages.specs import (
    BadSpec,
    _conda_spec_by_rattler,
    _requirement,
    conda_spec,
    option,
    pip_name,
    pip_spec,
)
from environments.definition.packages.versions import meaning

NAME = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=12)
VERSION = st.text(string.digits + ".abrc*+-_!", max_size=8)


@given(st.tuples(NAME, st.sampled_from(["", "=", "==", ">=", " "]), VERSION))
@example(("certifi", "==", "2024.07.04"))
@example(("certifi", "=", "2024.07"))
@example(("zero", "==", "00"))
@example(("long", "==", "9" * 25))
@settings(max_examples=400)
def test_a_plain_conda_specification_is_what_conda_makes_of_it(parts: tuple[str, str, str]) -> None:
    text = "".join(parts)
    try:
        expected = _conda_spec_by_rattler(text.strip())
    except BadSpec:
        with pytest.raises(BadSpec):
            conda_spec(text)
        return
    result = conda_spec(text)
    assert (result.name, result.exact, result.build) == (expected.name, expected.exact, expected.build)
    assert meaning(result.constraint, "conda") == meaning(expected.constraint, "conda")


@given(st.tuples(NAME, st.sampled_from(["", "==", ">=", " == "]), VERSION))
@example(("certifi", "==", "2024.07.04"))
@example(("-e", "", ""))
@settings(max_examples=400)
def test_a_plain_requirement_is_what_pip_makes_of_it(parts: tuple[str, str, str]) -> None:
    text = "".join(parts)
    try:
        result = pip_spec(text)
    except BadSpec:
        with pytest.raises(BadSpec):
            _requirement(text, text.strip())
        return
    if result is None or result.url:
        return
    expected = _requirement(text.strip(), text.strip())
    assert (result.name, result.exact, result.constraint) == (
        expected.name,
        expected.exact,
        expected.constraint,
    )
    assert result.name == canonicalize_name(Requirement(text.strip()).name)


@given(st.text(string.ascii_letters + "-_.", min_size=1))
def test_names_are_compared_as_package_indexes_do(name: str) -> None:
    assert pip_name(name) == canonicalize_name(name)


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("--index-url https://x/y?a=b", "--index-url", "https://x/y?a=b"),
        ("--index-url=https://x/y?a=b", "--index-url", "https://x/y?a=b"),
        ("-i https://x", "-i", "https://x"),
        ("-ihttps://x", "-i", "https://x"),
        ("-r 'my file.txt'", "-r", "my file.txt"),
        ("--pre", "--pre", ""),
        ("-f 'broken", "-f", "'broken"),
    ],
)
def test_options_are_distinguished_from_their_values(line: str, name: str, value: str) -> None:
    assert option(line) == (name, value)


@pytest.mark.parametrize(
    ("line", "name", "version"),
    [
        ("https://h/Demo_Pkg-1.0-py3-none-any.whl", "demo-pkg", "1.0"),
        ("./demo-2.1.tar.gz", "demo", "2.1"),
        ("-e git+https://h/o/r.git@v1#egg=Some.Name", "some-name", ""),
        ("-egit+https://h/o/r.git#egg=Some.Name", "some-name", ""),
        ("--editable=git+https://h/o/r.git#egg=Some.Name", "some-name", ""),
        ("--editable './Demo'", "./Demo", ""),
        ("demo @ git+https://h/o/r.git", "demo", ""),
    ],
)
def test_direct_references_name_their_package_where_they_can(line: str, name: str, version: str) -> None:
    spec = pip_spec(line)
    assert spec is not None
    assert (spec.name, spec.exact) == (name, version)


@pytest.mark.parametrize(
    ("line", "name", "exact"),
    [
        ("https://w.example/torch-2.1.0%2Bcu121-cp311-cp311-linux_x86_64.whl", "torch", "2.1.0+cu121"),
        (
            "https://w.example/torch-2.1.0+cu121-cp311-cp311-linux_x86_64.whl#sha256=aa",
            "torch",
            "2.1.0+cu121",
        ),
        ("https://w.example/My_Solver-1.5-py3-none-any.whl?download=1#sha256=aa", "my-solver", "1.5"),
        ("https://w.example/solver-1.5.tar.gz ; python_version > '3'", "solver", "1.5"),
    ],
)
def test_the_address_of_a_file_has_the_name_and_the_version_of_the_package(
    line: str, name: str, exact: str
) -> None:
    spec = pip_spec(line)
    assert spec is not None
    assert (spec.name, spec.exact) == (name, exact)
