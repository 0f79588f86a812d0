"""The gallery of curated environments: what each card says before and after a build, and what the facets filter."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from builds.models import Build, Image
from builds.queue.requests import request_build
from environments.catalogue.deprecations import deprecate, retire
from environments.catalogue.loader import load_catalogue
from environments.models import Environment, Role, Version
from environments.versions.uses import report_use
from tests.builds.scenarios import (
    browser_of,
    fail_build,
    main_of,
    person,
    queue_build,
    save_text,
    succeed_build,
)

pytestmark = pytest.mark.django_db
GALLERY = "/w/lab/environments/?tab=curated"


@pytest.fixture
def olga() -> User:
    return person("olga", lab=Role.CONTRIBUTOR)


def curated(name: str = "AzureML-a", text: str = "numpy==2.0.0\n", **more: Any) -> Version:
    return save_text(text, name=name, workspace="curated", **more)


def page(client: Client, path: str = GALLERY, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status
    return main_of(response.content.decode())


def names(text: str) -> list[str]:
    """The names on the cards."""
    return re.findall(r'class="env-link" href="[^"]*">([^<]*)<', text)


def chips(text: str) -> dict[str, str]:
    """The facets' values with their counts, and the addresses that they lead to."""
    facets = text.partition('class="facets"')[2].partition('class="gallery"')[0]
    rows = re.findall(r'<a [^>]*?href="([^"]*)"[^>]*>((?:(?!</a>).)*?)<span class="count">(\d+)', facets)
    return {f"{re.sub('<[^>]*>', '', label).strip()} {count}": unescape(path) for path, label, count in rows}


# Cards


def test_every_environment_that_comes_with_the_studio_says_what_it_requests_before_any_build(
    olga: User,
) -> None:
    load_catalogue()
    text = page(browser_of(olga))
    assert len(names(text)) == 13
    for expected in (
        "pytorch-2.15-cuda",
        "PyTorch · version 1",
        "Python 3.12",
        "GPU",
        "Not built",
        'torch <span class="quiet">==2.15.0',
        "4 requested packages",
        "Build and use",
        "Start from it",
        "catalogue.svg#descent",
    ):
        assert expected in text, expected
    assert " MB" not in text  # no size is made up


def test_a_built_one_has_its_real_size_and_a_command_on_the_card(olga: User) -> None:
    version = curated(description="A *short* [start](https://x.example).\n\nMore.")
    succeed_build(queue_build(version))
    text = page(browser_of(olga))
    assert "88 MB" in text
    assert "docker run --rm -it testserver/curated/azureml-a:1 python" in text
    assert "A short start." in text
    assert "More." not in text
    assert "Build and use" not in text
    assert "/w/curated/environments/AzureML-a/versions/1/#how-to-use" in text


def test_a_command_for_a_gpu_gives_the_container_the_gpus(olga: User) -> None:
    succeed_build(queue_build(curated(tags={"device": "cuda"})))
    assert "docker run --rm -it --gpus all testserver/" in page(browser_of(olga))


def test_uses_are_those_of_all_workspaces_as_a_number(olga: User) -> None:
    version = curated()
    paul = person("paul", shop=Role.CONTRIBUTOR)
    succeed_build(queue_build(version))
    save_text("numpy==2.0.1\n", name="secret-name", workspace="shop", user=paul, based_on=version)
    save_text("numpy==2.0.2\n", name="secret-name", workspace="shop", user=paul)
    request_build(save_text("numpy==2.0.0\n", name="same", workspace="shop"), paul)
    cora = person("cora", curated=Role.CONTRIBUTOR)
    report_use(version, "run", "train", workspace=version.environment.workspace, user=cora)
    text = page(browser_of(olga))
    assert "3 uses" in text
    assert "Environments started from it: 1. Reported uses: 1. Requests served without a build: 1." in text
    assert "secret-name" not in text


def test_what_is_deprecated_or_retired_says_so_and_nothing_starts_from_the_retired(olga: User) -> None:
    cora = person("cora", curated=Role.CONTRIBUTOR)
    old = curated("AzureML-old")
    deprecation = deprecate(old.environment, cora, on=timezone.localdate(), reason="Old.")
    text = page(browser_of(olga))
    assert "Deprecated" in text
    assert "Start from it" in text
    retire(deprecation, cora)
    assert names(page(browser_of(olga))) == []
    text = page(browser_of(olga), f"{GALLERY}&archived=1")
    assert "Retired" in text
    assert "Start from it" not in text
    assert "Build and use" not in text


@pytest.mark.parametrize("how", ["queued", "failed"])
def test_the_state_of_its_last_build_is_on_the_card(how: str, olga: User) -> None:
    build = queue_build(curated())
    if how == "failed":
        fail_build(build)
    text = page(browser_of(olga))
    assert {"queued": "Queued", "failed": "Failed"}[how] in text
    assert (f"/w/curated/builds/{build.pk}/" in text) == (how == "queued")
    assert ("Build and use" in text) == (how == "failed")


def test_hostile_texts_stay_texts(olga: User) -> None:
    evil = "<script>alert(1)</script>"
    curated(
        "AzureML-evil",
        "six==1.16.0\n",
        description=f"{evil}\n" + "x" * 1_000,
        tags={
            "framework": f"'\"{evil}",
            "device": evil,
            "topic": '"><svg onload=x>',
            "a\u202e": "\u0000"[:0],
        },
    )
    text = page(
        browser_of(olga), f"{GALLERY}&q=framework:%3Cscript%3E+%27%22%3Cb%3E+is:deprecated&page=9999999"
    )
    assert "<script>alert" not in text
    text = page(browser_of(olga))
    assert "<script>alert" not in text
    assert "<svg onload" not in text
    assert "catalogue.svg#layers" in text


# Access


def test_a_reader_sees_cards_and_has_no_buttons_that_change_anything() -> None:
    curated()
    text = page(browser_of(person("rita", lab=Role.READER)))
    assert names(text) == ["a"]
    assert "Build and use" not in text
    assert "Start from it" not in text


def test_a_member_has_a_curated_environment_built_and_is_notified_of_it(olga: User) -> None:
    version = curated()
    sent = browser_of(olga).post("/w/lab/catalogue/AzureML-a/build")
    assert sent["Location"] == "/w/curated/environments/AzureML-a/"
    build = Build.objects.get()
    assert (build.version, build.workspace.curated, build.requests.get().user) == (version, True, olga)
    succeed_build(build)
    assert "is ready to use" in browser_of(olga).post(sent.request["PATH_INFO"], follow=True).content.decode()


@pytest.mark.parametrize(
    ("role", "workspace", "name", "status"),
    [
        (Role.READER, "lab", "AzureML-a", 403),
        (None, "lab", "AzureML-a", 404),
        (Role.CONTRIBUTOR, "lab", "nothing", 404),
        (Role.CONTRIBUTOR, "lab", "mine", 404),
        (Role.CONTRIBUTOR, "curated", "AzureML-a", 403),
        (Role.CONTRIBUTOR, "none", "AzureML-a", 404),
        (Role.CONTRIBUTOR, "lab", "AzureML-gone", 404),
    ],
)
def test_building_a_curated_environment_needs_the_right_to_build_somewhere(
    role: Role | None, workspace: str, name: str, status: int
) -> None:
    curated()
    save_text("six==1.16.0\n", name="mine")
    curated("AzureML-gone", "six==1.0\n")
    Environment.objects.filter(name="AzureML-gone").update(archived_at=timezone.now())
    Version.objects.filter(environment__name="AzureML-gone").update(archived_at=timezone.now())
    user = person("sam", **({"lab": role} if role else {"other": Role.OWNER}))
    assert browser_of(user).post(f"/w/{workspace}/catalogue/{name}/build").status_code == status
    assert browser_of(user).get(f"/w/{workspace}/catalogue/{name}/build").status_code == 405
    assert not Build.objects.exists()


# Facets


@pytest.fixture
def shelf() -> None:
    curated("AzureML-torch-cpu", "torch==2.0+cpu\n", tags={"framework": "pytorch"})
    curated("AzureML-torch-cuda", "torch==2.0+cu118\n", tags={"framework": "PyTorch"})
    curated("AzureML-forest", "scikit-learn==1.5\n")
    succeed_build(queue_build(curated("AzureML-plain", "six==1.16.0\n")))


def test_facets_count_and_their_links_filter(shelf: None, olga: User) -> None:
    client = browser_of(olga)
    links = chips(page(client))
    assert {"PyTorch 2", "scikit-learn 1", "Other 1", "CPU 3", "GPU 1", "Ready 1", "Not built 3"} <= {*links}
    text = page(client, links["PyTorch 2"])
    assert names(text) == ["torch-cpu", "torch-cuda"]
    assert "<strong>2</strong> of 4" in text
    further = chips(text)
    assert {"CPU 1", "GPU 1", "scikit-learn 1"} <= {*further}  # of a facet itself, all remain to choose from
    text = page(client, further["GPU 1"])
    assert names(text) == ["torch-cuda"]
    assert "tab=curated" in further["GPU 1"]
    text = page(client, f"{GALLERY}&q=framework:pytorch+state:ready")
    assert "No curated environments match" in text
    assert "Clear the search" in text


def test_a_search_and_facets_go_together_and_stay_in_the_links(shelf: None, olga: User) -> None:
    client = browser_of(olga)
    text = page(client, f"{GALLERY}&q=torch+device:gpu")
    assert names(text) == ["torch-cuda"]
    assert all("q=torch" in path for path in chips(text).values())
    assert chips(text)["CPU 1"].endswith("q=torch%20device%3Acpu")  # in place of the chosen value
    for wrong in ("base:", "device:tpu", "state:odd"):
        assert "read this search" in page(client, f"{GALLERY}&q={wrong}"), wrong


def test_the_list_reads_the_same_search(shelf: None, olga: User) -> None:
    client = browser_of(olga)
    cora = person("cora", curated=Role.CONTRIBUTOR)
    forest = Environment.objects.get(name="AzureML-forest")
    deprecate(forest, cora, on=timezone.localdate(), reason="Old.")
    for query, expected in {
        "device:gpu": ["torch-cuda"],
        "device:cpu": ["forest", "plain", "torch-cpu"],
        "framework:pytorch device:cpu": ["torch-cpu"],
        "is:deprecated": ["forest"],
        "state:ready": ["plain"],
    }.items():
        assert names(page(client, f"{GALLERY}&q={query}")) == expected, query
        rows = page(client, f"{GALLERY}&q={query}&view=list")
        assert re.findall(r'class="name" href="[^"]*">([^<]*)<', rows) == expected, query


def test_a_search_that_is_typed_replaces_the_cards_and_the_address(shelf: None, olga: User) -> None:
    address = f"{GALLERY}&q=torch&sort=name&archived="
    answer = browser_of(olga).get(address, headers={"HX-Request": "true"})
    assert answer.headers["HX-Push-Url"] == f"{GALLERY}&q=torch&sort=name"
    assert names(answer.text) == ["torch-cpu", "torch-cuda"]
    assert "<main" not in answer.text


def test_the_list_with_its_columns_is_a_link_away(shelf: None, olga: User) -> None:
    text = page(browser_of(olga), f"{GALLERY}&view=list&sort=-packages")
    assert '<table class="list environments">' in text
    assert "Show as cards" in text


def test_an_empty_catalogue_says_how_it_is_filled(olga: User) -> None:
    assert "No curated environments yet" in page(browser_of(olga))


# As many queries for a full page


def test_as_many_queries_for_one_card_as_for_a_page_of_them(olga: User) -> None:
    client, counts = browser_of(olga), []
    for rows in (1, 40):
        for number in range(rows):
            version = curated(f"AzureML-e{rows}-{number:02}", f"a=={rows}.{number}\n")
            if number % 2 == 0:
                succeed_build(queue_build(version))
        page(client)
        with CaptureQueriesContext(connection) as queries:
            text = page(client)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert len(names(text)) == 24
    assert names(page(client, f"{GALLERY}&page=2"))[-1] == "e40-39"
    assert Image.objects.count() == 21
