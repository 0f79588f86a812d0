"""Forty queries and more over a seeded workspace, against a scan of every lock and definition that shares no code with it."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from django.test import Client
from packaging.specifiers import SpecifierSet
from packaging.version import Version as Pep440

from builds.images.packages import save_packages
from builds.imaging.lock import Lock, LockedPackage
from builds.models import Image
from environments.definition import read
from environments.models import Role, Version
from environments.versions.service import archive_version, save_reading
from tests.builds.scenarios import browser_of, fail_build, person, queue_build, succeed_build, workspace_named

LIST = "/w/lab/environments/"
# Every version that the scan takes for possible where a range is requested.
GRID = [Pep440(f"{a}.{b}.{c}") for a, b, c in itertools.product(range(5), range(32), (0, 1, 4, 5))]


@dataclass
class Seed:
    """A version as the test made it: what it requests, what its lock holds, and the state of its image."""

    name: str
    text: str
    lock: dict[str, str] | None = None  # name: version; None where it has no image
    state: str = "none"
    person: str = "ann"
    tags: dict[str, str] = field(default_factory=dict)
    description: str = ""
    conda: bool = False
    python: str = "3.11.7"
    base: str = ""
    archived: bool = False
    number: int = 0
    latest: bool = False


SEEDS = [
    Seed("churn", "numpy==1.24.0\n", {"numpy": "1.24.0"}, "ready"),
    Seed(
        "churn", "numpy==1.26.4\npandas\n", {"numpy": "1.26.4", "pandas": "2.2.3", "pytz": "2024.1"}, "ready"
    ),
    Seed("churn", "numpy==2.1.3\n", {"numpy": "2.1.3"}, "ready", "bob", {"team": "Growth"}, "Predicts churn"),
    Seed(
        "nlp",
        "torch==2.3.0\n# first\n",
        {"torch": "2.3.0", "numpy": "1.26.4"},
        "ready",
        "bob",
        {"team": "nlp"},
    ),
    Seed("nlp", "torch==2.4.0\ntransformers>=4.40\n", None, "none", "bob", {"team": "nlp", "gpu": ""}),
    Seed("shap-study", "shap==0.46.0\nnumpy<2\n", {"shap": "0.46.0", "numpy": "1.26.4"}, "ready", "cleo"),
    Seed(
        "shap-study", "# without it\nscipy==1.14.1\n", {"scipy": "1.14.1", "numpy": "2.2.0"}, "ready", "cleo"
    ),
    Seed("range-low", "numpy>=1.20,<2\n", None, "failed", "cleo", {"stage": "test"}),
    Seed("range-open", "numpy>=1.26\n", None, "none", "ann"),
    Seed("compatible", "numpy~=1.24\n", None, "queued", "ann"),
    Seed("bare", "numpy\nsix\n", None, "none", "bob"),
    Seed("wild", "numpy==1.26.*\n", None, "none", "ann"),
    Seed("not-two", "numpy!=2.0.0,>=2\n", None, "none", "ann"),
    Seed(
        "failed-built",
        "scikit-learn==1.5.0\n",
        None,
        "failed",
        "bob",
        {"cost centre": "42", "framework": "SkLearn"},
    ),
    Seed("Old", "numpy==1.0.4\n", {"numpy": "1.0.4"}, "ready", "ann", {}, "", python="3.9.18", archived=True),
    Seed("Old", "numpy==1.9.1\n", {"numpy": "1.9.1"}, "ready", "ann", python="3.9.18"),
    Seed("conda-env", "python=3.10\nnumpy=1.21\n", None, "none", "cleo", conda=True),
    Seed(
        "conda-built", "numpy=1.22\n", {"numpy": "1.22.4", "openssl": "1.1.1w"}, "ready", "cleo", conda=True
    ),
    Seed("names", "Scikit_Learn==1.4.0\nmy.package==0.1\n", None, "none", "ann", {"Team": "GROWTH"}),
    Seed("marker", 'numpy==1.25.0; python_version < "3.12"\n', None, "none", "bob"),
    Seed("prerelease", "numpy==2.0.0rc1\n", {"numpy": "2.0.0rc1"}, "ready", "ann"),
]


QUERIES = [
    "numpy", "package:numpy", "package:shap", "package:torch", "torch", "numpy<2", "numpy<1.20", "numpy<=1.9.1",
    "numpy>=2", "numpy>2", "numpy==1.26.4", "numpy==1.26.*", "numpy!=1.26.4", "numpy~=1.24", "numpy>=1.24,<1.26",
    "NumPy >= 1.2, < 2", "numpy>=1.0", "package:scikit-learn", "package:Scikit_Learn", "scikit-learn<1.5",
    "package:pytz", "package:openssl", "openssl>1.1.1k", "package:my.package", "package:nothing-has-this",
    "python:3.11", "python:3.9", "python>=3.10", "state:ready", "state:failed", "state:none", "state:queued",
    "by:ann", "by:BOB", "by:me", "by:nobody", "tag:team", "tag:team=nlp", "tag:TEAM=growth", "tag:gpu", "tag:gp",
    'tag:"cost centre=42"', 'tag:"cost centre"', "framework:pytorch", "framework:sklearn", "framework:scikit-learn",
    "framework:transformers", "label:latest", "kind:system-managed", "kind:user-managed", "kind:image",
    "team=growth", "churn", "predicts", "churn:2", "numpy<2 state:ready", "numpy<2 by:bob", "package:numpy tag:team",
    "package:six state:none", "numpy<2 python:3.9", "framework:pytorch state:ready", "numpy>=1.20 numpy<1.25",
    "package:numpy state:failed by:cleo", "NLP", "state:failed tag:stage=test", "base:python", "base:nowhere",
]  # fmt: skip


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(name: str, version: str, conda: bool) -> LockedPackage:
    return LockedPackage(
        ecosystem="conda" if conda else "pypi",
        name=name,
        version=version,
        url=f"https://files.example/{name}",
        sha256="a" * 64,
        filename=name,
        kind="conda" if conda else "wheel",
    )


def saved(seed: Seed, people: dict[str, Any]) -> Version:
    text, path = seed.text, "requirements.txt"
    if seed.conda:
        lines = "".join(f"  - {line}\n" for line in seed.text.split())
        text, path = f"channels: [conda-forge]\ndependencies:\n{lines}", "environment.yaml"
    reading = read(text, path)
    version = save_reading(
        workspace_named("lab"), seed.name, reading, source=text, user=people[seed.person],
        tags=seed.tags, description=seed.description,
    ).version  # fmt: skip
    if seed.lock is not None:
        image = succeed_build(queue_build(version))
        packages = tuple(locked(*item, seed.conda) for item in seed.lock.items())
        Image.objects.filter(pk=image.pk).update(
            lock=Lock(packages=packages).model_dump(mode="json"), python=seed.python
        )
        image.refresh_from_db()
        save_packages(image)
    elif seed.state == "failed":
        fail_build(queue_build(version))
    elif seed.state == "queued":
        queue_build(version)
    if seed.archived:
        archive_version(version, people["ann"])
    seed.number, seed.base = version.number, version.base
    return version


@pytest.fixture
def ann(db: None) -> Client:
    people = {name: person(name, lab=Role.CONTRIBUTOR) for name in ("ann", "bob", "cleo")}
    for seed in SEEDS:
        saved(seed, people)
    newest = {seed.name: seed.number for seed in SEEDS if not seed.archived}
    for seed in SEEDS:
        seed.latest = seed.number == newest[seed.name] and not seed.archived
    return browser_of(people["ann"])


# The scan: it reads locks and texts as they were seeded, line by line.


def allowed(request: str, sign_and_bound: str, conda: bool) -> bool:
    """Whether every version that a request allows fits, tried over a grid; a request without version fits no bound."""
    exact = re.fullmatch(r"={1,2}([\w.]+)", request)
    if (conda and request.startswith("=")) or (exact and "*" not in request):
        return SpecifierSet(sign_and_bound).contains(request.lstrip("="), prereleases=True)
    bound = SpecifierSet(sign_and_bound)
    versions = possible(request)
    return bool(versions) and all(version in bound for version in versions)


@cache
def possible(request: str) -> list[Pep440]:
    return list(SpecifierSet(request).filter(GRID)) if request else []


def requests(seed: Seed) -> list[tuple[str, str]]:
    lines = [line.partition(";")[0].strip() for line in seed.text.splitlines() if not line.startswith("#")]
    parts = [re.fullmatch(r"([\w.-]+)(.*)", line) for line in lines if line]
    return [(normal(part[1]), part[2].strip()) for part in parts if part]


def conda_newer(version: str) -> bool:
    return version > "1.1.1k"


def holds(seed: Seed, name: str, bounds: str) -> bool:
    name = normal(name)
    if seed.lock is None:
        return any(
            other == name and (not bounds or allowed(text, bounds, seed.conda))
            for other, text in requests(seed)
        )
    held = {**{normal(key): value for key, value in seed.lock.items()}, "python": seed.python}
    if name not in held:
        return False
    if name == "openssl" and bounds:
        return conda_newer(held[name])
    return not bounds or SpecifierSet(bounds).contains(held[name], prereleases=True)


FRAMEWORKS = {"torch": "pytorch", "transformers": "transformers", "scikit-learn": "scikit-learn"}


def matches(seed: Seed, term: str) -> bool:
    kind, _, value = term.partition(":")
    value = value.strip('"')
    tags = {f"{key}={text}".lower() if text else key.lower() for key, text in seed.tags.items()}
    if kind == "package":
        return holds(seed, value, "")
    if kind == "python":
        return holds(seed, "python", f"=={value}.*")
    if bound := re.fullmatch(r"([\w.-]+?)([<>=!~]=?.*)", term):
        if "=" in term and not re.search(r"[<>=!~]=|[<>]", term):
            return term.lower() in tags  # a tag as it is shown
        return holds(seed, bound[1], bound[2])
    match kind:
        case "state":
            return seed.state == value
        case "by":
            return seed.person == {"me": "ann"}.get(value, value.lower())
        case "tag":
            return any(tag == value.lower() or tag.partition("=")[0] == value.lower() for tag in tags)
        case "framework":
            named = {text.lower() for key, text in seed.tags.items() if key == "framework"}
            return value in named | {FRAMEWORKS.get(name) for name, _ in requests(seed)}
        case "label":
            return seed.latest
        case "kind":
            return value in ("system-managed", "image")
        case "base":
            return value in seed.base
    texts = (seed.name, f"{seed.name}:{seed.number}", seed.description, *tags, seed.text, seed.base)
    return any(term.lower() in text.lower() for text in texts)


def terms(query: str) -> list[str]:
    joined = re.sub(r"\s*([<>=!~]=?)\s*(?=[\d*])", r"\1", query)
    joined = re.sub(r",\s+", ",", joined)
    return re.findall(r'\w+:"[^"]*"|\S+', joined)


def scan(query: str, *, all_versions: bool) -> set[str]:
    in_scope = [seed for seed in SEEDS if not seed.archived and (all_versions or seed.latest)]
    return {seed.name for seed in in_scope if all(matches(seed, term) for term in terms(query))}


@pytest.mark.slow
@pytest.mark.django_db
def test_each_query_finds_what_a_scan_of_locks_and_definitions_finds_and_nothing_else(ann: Client) -> None:
    assert len(QUERIES) >= 40
    hits = 0
    for query, scope in itertools.product(QUERIES, ("", "all")):
        page = ann.get(LIST, {"q": query, "versions": scope}).context
        assert not page["problem"], query
        result = {version.environment.name for version, *_ in page["rows"]}
        assert result == scan(query, all_versions=scope == "all"), (query, scope)
        hits += bool(result)
    assert hits > len(QUERIES)  # most of them do find something


@pytest.mark.django_db
def test_each_hit_names_the_versions_and_packages_that_match(ann: Client) -> None:
    for query in ("numpy<2", "package:numpy", "numpy==1.26.4", "package:torch"):
        page = ann.get(LIST, {"q": query, "versions": "all"}).context
        for version, _, _, hits, *_ in page["rows"]:
            name = version.environment.name
            wanted = [
                seed for seed in SEEDS if seed.name == name and not seed.archived and matches(seed, query)
            ]
            assert {hit.version for hit in hits.hits} == {str(seed.number) for seed in wanted}
            shown = {(number, match.requested) for match in hits.packages for number in match.versions}
            assert shown == {(str(seed.number), seed.lock is None) for seed in wanted}


@pytest.mark.django_db
def test_the_latest_versions_are_searched_first_and_hits_in_older_versions_are_named_below(
    ann: Client,
) -> None:
    page = ann.get(LIST, {"q": "package:shap"})
    assert page.context["rows"] == []
    assert [f"{hit.name}:{hit.version}" for hit in page.context["older"]] == ["shap-study:1"]
    content = page.content.decode()
    assert "In older versions:" in content
    assert 'href="/w/lab/environments/shap-study/versions/1/"' in content
    assert "No latest version of a custom environment matches “package:shap”" in content
    everything = ann.get(LIST, {"q": "package:shap", "versions": "all"}).content.decode()
    assert "In older versions:" not in everything.split("_older")[0] or "shap 0.46.0" in everything
    assert "shap 0.46.0" in everything


@pytest.mark.django_db
def test_facets_count_environments_and_write_terms_that_give_as_many(ann: Client) -> None:
    for query in ("", "package:numpy"):
        facets = ann.get(LIST, {"q": query}).context["facets"]
        assert {facet.qualifier for facet in facets} >= {"state", "by", "tag"}
        for facet in facets:
            for value in facet.values:
                page = ann.get(LIST, {"q": value.query}).context["page"]
                assert page.paginator.count == value.count, (query, value)
