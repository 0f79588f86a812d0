"""Searching by what images hold (issue 7 point 1): PEP 440 and conda order, words, bases and Python together."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import DjangoAssertNumQueries

from builds.images.packages import save_packages
from builds.imaging.lock import Lock, LockedPackage
from builds.models import Image, ImagePackage
from environments.definition.packages.constraints import BadConstraint, Constraint
from environments.models import Role, Version
from tests.builds.scenarios import browser_of, person, queue_build, save_text, succeed_build
from tests.studio.api.calling import Caller

LIST = "/w/lab/environments/"


@pytest.fixture
def reader(db: None) -> Client:
    return browser_of(person("rita", lab=Role.READER))


def locked(name: str, version: str, **more: Any) -> LockedPackage:
    ecosystem = more.get("ecosystem", "pypi")
    given = {
        "ecosystem": ecosystem,
        "url": f"https://files.example/{name}",
        "sha256": "a" * 64,
        "filename": name,
        "kind": "conda" if ecosystem == "conda" else "wheel",
        "size": 1_000_000,
    }
    return LockedPackage(name=name, version=version, **{**given, **more})


def built(
    name: str, *packages: LockedPackage, python: str = "3.11.7", workspace: str = "lab", text: str = ""
) -> Version:
    """Return a version whose image holds these packages."""
    version = save_text(text or f"# {name}\nsix\n{name}-only\n", name=name, workspace=workspace)
    image = succeed_build(queue_build(version))
    image.lock = Lock(packages=packages).model_dump(mode="json")
    image.python = python
    image.save()
    save_packages(image)
    return version


def environments_matching(client: Client, query: str) -> set[str]:
    response = client.get(LIST, {"q": query})
    assert response.status_code == 200
    return {version.environment.name for version, *_ in response.context["rows"]}


def test_versions_are_compared_by_pep_440_and_not_as_text(reader: Client) -> None:
    built("old", locked("numpy", "1.9.3"))
    built("mid", locked("numpy", "1.20.0"))
    built("early", locked("numpy", "2.0.0rc1"))
    built("none", locked("scipy", "1.10"))
    assert environments_matching(reader, "numpy<1.20") == {"old"}
    assert environments_matching(reader, "numpy>=1.20") == {"mid", "early"}
    assert environments_matching(reader, "numpy<2") == {"old", "mid"}
    assert environments_matching(reader, "NumPy >= 1.10, < 2") == {"mid"}
    assert environments_matching(reader, "numpy==1.20") == {"mid"}
    assert environments_matching(reader, "numpy!=1.20.*") == {"old", "early"}
    assert environments_matching(reader, "package:numpy") == {"old", "mid", "early"}


def test_conda_packages_are_compared_in_condas_own_order(reader: Client) -> None:
    built("new", locked("openssl", "1.1.1w", ecosystem="conda"))
    built("old", locked("openssl", "1.1.1k", ecosystem="conda"))
    built("zones", locked("tzdata", "2024a", ecosystem="conda"))
    assert environments_matching(reader, "openssl>1.1.1k") == {"new"}
    assert environments_matching(reader, "openssl<=1.1.1k") == {"old"}
    assert environments_matching(reader, "tzdata>=2023c") == {"zones"}


def test_words_bases_python_and_packages_narrow_each_other_down(reader: Client) -> None:
    built("forecast", locked("numpy", "1.19.5"), python="3.11.7")
    built("vision", locked("numpy", "1.19.5"), python="3.9.18")
    built("ten", locked("numpy", "2.0"), python="3.10.1")
    assert environments_matching(reader, "numpy<2 fore") == {"forecast"}
    assert environments_matching(reader, "numpy<2 python:3.9") == {"vision"}
    assert environments_matching(reader, "python:3.1") == set()
    assert environments_matching(reader, "python>=3.10") == {"forecast", "ten"}
    base = Version.objects.get(environment__name="ten").base
    assert environments_matching(reader, f"base:{base[:4].upper()} numpy>=2") == {"ten"}
    assert environments_matching(reader, "base:no-such-base") == set()


def test_the_catalogues_image_counts_and_another_workspaces_does_not(reader: Client) -> None:
    text = "numpy==1.19.5\n"
    built("AzureML-same", locked("numpy", "1.19.5"), workspace="curated", text=text)
    save_text(text, name="mine")
    other = "numpy==1.18.0\n"
    built("theirs", locked("numpy", "1.18.0"), workspace="other", text=other)
    save_text(other, name="not-built")
    # A version that is not built here matches by its requests.
    assert environments_matching(reader, "numpy<2") == {"mine", "not-built"}
    assert environments_matching(reader, "numpy<2 state:ready") == {"mine"}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("numpy<", "A version is missing after “numpy&lt;”"),
        ("numpy <", "A version is missing"),
        ("<2", "names no package"),
        ("numpy<abc", "is no version"),
        ("numpy<1,2", "is missing before “2”"),
        ("numpy>1.*", "goes with == and != only"),
        ("python:new", "has no version of Python"),
        ("base:", "needs a value"),
        ("package:", "needs a name"),
    ],
)
def test_a_wrong_expression_says_what_is_wrong(reader: Client, query: str, sentence: str) -> None:
    save_text("six\n")
    response = reader.get(LIST, {"q": query})
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert "forecast" not in environments_matching(reader, query)


def test_more_rows_are_no_more_queries(
    reader: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    built("first", locked("numpy", "1.0"))
    environments_matching(reader, "numpy<2")  # what is looked up once in a process is looked up
    with CaptureQueriesContext(connection) as few:
        environments_matching(reader, "numpy<2 python:3.11")
    for number in range(6):
        built(f"more-{number}", locked("numpy", f"1.{number}"))
    with django_assert_num_queries(len(few)):
        assert len(environments_matching(reader, "numpy<2 python:3.11")) == 7


def test_a_rebuilt_image_has_the_packages_of_its_new_lock(reader: Client) -> None:
    version = built("forecast", locked("numpy", "1.0"), locked("six", "1.16"))
    image = Image.objects.get(hash=version.hash)
    image.lock = Lock(packages=(locked("numpy", "2.0"),)).model_dump(mode="json")
    image.save()
    save_packages(image)
    assert environments_matching(reader, "numpy<2") == set()
    assert environments_matching(reader, "numpy>=2") == {"forecast"}
    assert ImagePackage.objects.filter(image=image).count() == 2  # with its Python


@pytest.mark.django_db
def test_the_api_lists_the_visible_images() -> None:
    built("mine", locked("numpy", "1.19.5", requested=True))
    built("theirs", locked("numpy", "1.18.0"), workspace="other")
    call = Caller(person("rita", lab=Role.READER))
    (row,) = call.all("packages/?q=numpy%3C2")
    assert (row["version"], row["requested"], row["versions"]) == ("1.19.5", True, ["lab/mine:1"])
    assert call.all("packages/?q=numpy%3E%3D2") == []
    refused = call("GET", "packages/?q=numpy%3C")
    assert (refused.status, list(refused.json["errors"])) == (400, ["q"])
    assert call("GET", "packages/").status == 400
    assert [row["name"] for row in call.all("workspaces/lab/environments/?q=numpy%3C2")] == ["mine"]
    assert call("GET", "workspaces/lab/environments/?q=numpy%3C").status == 400


@pytest.mark.django_db
def test_the_api_searches_like_the_pages_and_says_what_matches() -> None:
    built("churn", locked("numpy", "1.26.4"), text="numpy==1.26.4\n")
    built("churn", locked("numpy", "2.1.3"), text="numpy==2.1.3\n")
    save_text("numpy<2\n", name="waiting", tags={"team": "nlp"})
    call = Caller(person("rita", lab=Role.READER))
    environments = "workspaces/lab/environments/"
    (row,) = call.all(f"{environments}?q=numpy%3C2")
    assert row["matches"] == {
        "versions": ["1"],
        "packages": [{"package": "numpy<2", "requested_only": True, "versions": ["1"]}],
    }
    every = {row["name"]: row["matches"] for row in call.all(f"{environments}?q=numpy%3C2&all_versions=1")}
    assert every["churn"]["packages"] == [
        {"package": "numpy 1.26.4", "requested_only": False, "versions": ["1"]}
    ]
    assert [row["name"] for row in call.all(f"{environments}?q=tag:team%3Dnlp+state:none")] == ["waiting"]
    assert {row["matches"] for row in call.all(environments)} == {None}
    refused = call("GET", f"{environments}?q=state:odd")
    assert (refused.status, list(refused.json["errors"])) == (400, ["q"])


@pytest.mark.parametrize(
    ("text", "version", "ecosystem", "fits"),
    [
        ("numpy~=1.20", "1.26.4", "pypi", True),
        ("numpy~=1.20", "2.0", "conda", False),
        ("numpy~=1.20", "1.21", "conda", True),
        ("numpy==1.2.*", "1.20", "conda", False),
        ("numpy==1.2.*", "1.2.9", "conda", True),
        ("certifi==2024.7.*", "2024.07.04", "conda", True),
        ("numpy==1.2.0.*", "1.2", "conda", True),
        ("jpeg==9.*", "9e", "conda", True),
        ("numpy<2", "not a version", "pypi", False),
        ("openssl>1.1.1k", "3.0", "pypi", False),
    ],
)
def test_a_constraint_allows(text: str, version: str, ecosystem: str, fits: bool) -> None:
    constraint = Constraint.parse(text)
    assert constraint is not None
    assert constraint.allows(version, ecosystem) is fits


def test_plain_words_are_no_constraints() -> None:
    assert Constraint.parse("numpy") is None
    assert Constraint.parse("<script>") is None
    with pytest.raises(BadConstraint):
        Constraint.parse("numpy>=" + ",>=1" * 20)


@pytest.mark.django_db
def test_the_api_counts_what_a_search_matches_like_the_pages() -> None:
    ann = person("ann", lab=Role.READER)
    built("ready", locked("numpy", "1.26.4"))
    save_text("numpy==2.1.3\n", name="waiting", tags={"team": "nlp"})
    call = Caller(ann)
    address = "workspaces/lab/facets/"
    counted = {each["qualifier"]: each["values"] for each in call("GET", address).json["facets"]}
    states = {each["value"]: (each["count"], each["active"], each["query"]) for each in counted["state"]}
    assert states == {"ready": (1, False, "state:ready"), "none": (1, False, "state:none")}
    assert [each["term"] for each in counted["tag"]] == ["tag:team=nlp"]
    narrowed = call("GET", f"{address}?q=state:none").json["facets"]
    (state,) = [each for each in narrowed if each["qualifier"] == "state"]
    assert [(each["value"], each["active"], each["query"]) for each in state["values"]] == [
        ("none", True, "")
    ]
    refused = call("GET", f"{address}?q=state:odd")
    assert refused.status == 400
    assert call("GET", "workspaces/nowhere/facets/").status == 404
