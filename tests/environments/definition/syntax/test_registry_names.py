"""Repositories and tags: valid for every engine, and never the same for two environments or versions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.definition.findings.naming import name_problem
from environments.definition.syntax.reference import ImageReference
from environments.definition.syntax.registry_names import LONGEST, repository_name, tag_of, version_of
from environments.versions.service import VERSION

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", fullmatch=True)
CLOSE = st.from_regex(
    r"[aA](?:[aA.-]|__|--[0-9a-f]{12}){0,3}", fullmatch=True
)  # names that are easily confused
VERSIONS = st.from_regex(VERSION, fullmatch=True)


@pytest.mark.parametrize("name", ["forecast", "a.b_c__d-e---f", "2024-01", "x" * 128, "latest", "manifests"])
def test_a_valid_repository_name_stays(name: str) -> None:
    assert repository_name(name) == name


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("Forecast", "forecast"),
        ("a..b", "a-b"),
        ("a.-b", "a-b"),
        ("a___b", "a-b"),
        ("x-", "x"),
        ("My.Env_1.", "my.env_1"),
        ("x" * 129, "x" * 100),
        ("forecast--0123456789ab", "forecast--0123456789ab"),
        ("e" * 32, "e" * 32),
        ("azureml_" + "0" * 32, "azureml_" + "0" * 32),
    ],
)
def test_any_other_name_is_lower_case_words_and_a_part_of_its_sha256(name: str, pattern: str) -> None:
    assert re.fullmatch(re.escape(pattern) + "--[0-9a-f]{12}", repository_name(name))


def test_in_the_catalogue_the_prefix_is_in_lower_case() -> None:
    assert repository_name("AzureML-sklearn-1.9", curated=True) == "azureml-sklearn-1.9"
    assert repository_name("azureml-sklearn-1.9", curated=True).startswith("azureml-sklearn-1.9--")
    assert repository_name("AzureML-X", curated=True).startswith("azureml-x--")
    assert repository_name("forecast", curated=True) == "forecast"


@given(NAMES | CLOSE, st.booleans())
def test_every_name_makes_a_repository_that_engines_accept(name: str, curated: bool) -> None:
    assert name_problem(name, curated=True) is None
    repository = repository_name(name, curated=curated)

    assert ImageReference.parse(f"localhost:8000/lab/{repository}:1").repository == f"lab/{repository}"
    assert len(repository) <= LONGEST
    assert "/" not in repository
    assert not re.search("[0-9a-f]{32}$", repository)  # the end of a hash name


@given(CLOSE, CLOSE, st.booleans())
def test_two_names_never_make_the_same_repository(first: str, second: str, curated: bool) -> None:
    if curated:
        first, second = f"AzureML-{first}", f"azureml-{second}"
    same = repository_name(first, curated=curated) == repository_name(second, curated=curated)

    assert same == (first == second)


@given(VERSIONS)
def test_a_version_is_read_from_its_tag_which_engines_accept(version: str) -> None:
    tag = tag_of(version)

    assert ImageReference.parse(f"localhost:8000/lab/forecast:{tag}").tag == tag
    assert version_of(tag) == version


@given(st.text(alphabet="_.+-aA1", max_size=12))
def test_what_is_read_from_a_tag_has_that_tag(tag: str) -> None:
    version = version_of(tag)

    assert version is None or tag_of(version) == tag
