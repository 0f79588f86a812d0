"""Requirements raised to a version: as little as possible changes, and nothing older is admitted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from environments.definition.upgrades.raising import NotRaised, raised_conda, raised_pip


@pytest.mark.parametrize(
    ("line", "version", "after"),
    [
        ("jinja2==3.1.2", "3.1.4", "jinja2==3.1.4"),
        ("Jinja2 == 3.1.2", "3.1.4", "Jinja2 == 3.1.4"),
        (
            "Django[argon2]==3.2.1 ; python_version >= '3.8'",
            "3.2.25",
            "Django[argon2]==3.2.25 ; python_version >= '3.8'",
        ),
        ("jinja2==3.1.6", "3.1.4", "jinja2==3.1.6"),
        ("requests", "2.31.0", "requests>=2.31.0"),
        ("requests>=2.0", "2.31.0", "requests>=2.31.0"),
        ("requests>=2.0,<3", "2.31.0", "requests>=2.31.0,<3"),
        ("requests<2.20,!=2.18", "2.31.0", "requests>=2.31.0,!=2.18"),
        ("django~=3.2.0", "3.2.25", "django>=3.2.25,~=3.2.0"),
        ("django~=3.2.0", "4.2.1", "django>=4.2.1"),
        ("django==3.2.*", "3.2.25", "django>=3.2.25,==3.2.*"),
        ("django==3.2.*", "4.2.1", "django>=4.2.1"),
        ("torch===2.0.0", "2.0.1", "torch===2.0.1"),
        ("pillow (>=9,<10)", "10.0.1", "pillow>=10.0.1"),
    ],
)
def test_a_pip_requirement_keeps_what_allows_the_version(line: str, version: str, after: str) -> None:
    assert raised_pip(line, version) == after


@pytest.mark.parametrize(
    ("text", "version", "after"),
    [
        ("pillow=9.5.0", "10.0.1", "pillow=10.0.1"),
        ("pillow==9.5.0", "10.0.1", "pillow==10.0.1"),
        ("pillow=9", "9.5.1", "pillow >=9.5.1,9.*"),
        ("pillow", "10.0.1", "pillow >=10.0.1"),
        ("pillow >=9,<11", "10.0.1", "pillow >=10.0.1,<11"),
        ("pillow >=9,<10", "10.0.1", "pillow >=10.0.1"),
        ("pillow=9.5.0=py311_0", "10.0.1", "pillow==10.0.1"),
        ("conda-forge::openssl=3.0.1", "3.0.8", "conda-forge::openssl=3.0.8"),
    ],
)
def test_a_conda_specification_keeps_what_allows_the_version(text: str, version: str, after: str) -> None:
    assert raised_conda(text, version) == after


@pytest.mark.parametrize(
    "line",
    [
        "jinja2==3.1.2 --hash=sha256:" + "a" * 64,
        "jinja2 @ https://files.example/jinja2-3.1.2-py3-none-any.whl",
        "git+https://git.example/jinja2@main#egg=jinja2",
    ],
)
def test_what_names_a_file_is_not_raised(line: str) -> None:
    with pytest.raises(NotRaised):
        raised_pip(line, "3.1.4")


_versions = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
_clauses = st.tuples(st.sampled_from(("==", ">=", "<=", "<", ">", "!=")), _versions).map("".join)


@given(st.lists(_clauses, max_size=4), _versions, _versions)
def test_a_raised_requirement_admits_nothing_older_and_the_version_unless_only_newer_ones_were_requested(
    clauses: list[str], version: str, other: str
) -> None:
    before = Requirement(f"name{','.join(clauses)}").specifier
    raised = Requirement(raised_pip(f"name{','.join(clauses)}", version)).specifier

    newer = any(
        part.operator in ("==", ">=", ">") and Version(part.version) >= Version(version) for part in before
    )
    assert raised.contains(version) or newer
    if Version(other) < Version(version):
        assert not raised.contains(other)
