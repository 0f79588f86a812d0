"""The ways to begin a definition: what each offers, and what it leaves to type."""

from __future__ import annotations

import html
import re
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from environments.definition import read
from environments.models import Role, Version
from environments.versions.service import save_reading
from tests.builds.scenarios import browser_of, person, save_text, workspace_named
from tests.studio.html import collapsed

pytestmark = pytest.mark.django_db

NEW = "/w/lab/new/"


@pytest.fixture
def contributor() -> Client:
    return browser_of(person("carla", lab=Role.CONTRIBUTOR))


def page_of(client: Client, **query: str) -> str:
    response = client.get(NEW, query)
    assert response.status_code == 200
    return collapsed(response.content.decode())


def text_in(page: str) -> str:
    """Return the text in the editor."""
    match = re.search(r'<textarea[^>]*id="id_text"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert match
    return match[1].replace("&quot;", '"').replace("&#x27;", "'").replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.parametrize("source", ["text", "start", "packages", "dockerfile", "context"])
def test_every_way_to_begin_has_an_address_and_says_which_it_is(contributor: Client, source: str) -> None:
    page = page_of(contributor, source=source)
    current = re.findall(r'<a href="/w/lab/new/([^"]*)" aria-current="page"', page)
    assert current == ["" if source == "text" else f"?source={source}"]


def test_a_way_that_there_is_not_is_pasting(contributor: Client) -> None:
    assert 'id="id_text"' in page_of(contributor, source="../etc\0")


def picked(client: Client, **values: str) -> Version:
    """Return the version that is saved of picks."""
    response = client.post(
        f"{NEW}?source=packages", {"name": "picked", "workspace": "lab", "action": "save", **values}
    )
    assert response.status_code == 302, collapsed(response.content.decode())
    return Version.objects.get(environment__name="picked")


def test_a_base_and_packages_become_a_definition_that_is_accepted(contributor: Client) -> None:
    packages = "  numpy==2.1.3\r\n\r\npandas[excel]>=2 ; python_version > '3.8'\r\n"
    version = picked(contributor, base="python:3.12-slim", python="", text=packages)
    assert version.definition.image == "python:3.12-slim"
    assert version.definition.python.pip == ("numpy==2.1.3", "pandas[excel]>=2 ; python_version > '3.8'")
    assert version.definition.python.conda == ()


def test_a_python_of_its_own_comes_from_conda(contributor: Client) -> None:
    version = picked(contributor, base="ubuntu:24.04", python="3.12", text="")
    assert version.definition.python.conda == ("python=3.12", "pip")
    assert version.definition.python.channels == ("conda-forge",)


def test_another_image_is_typed(contributor: Client) -> None:
    version = picked(contributor, base="", base_other=" registry.example/ours:7 ", python="", text="six")
    assert version.definition.image == "registry.example/ours:7"


def test_picks_come_back_with_the_error_and_can_be_edited_as_yaml(contributor: Client) -> None:
    values = {
        "name": "AzureML-x",
        "workspace": "lab",
        "base": "",
        "base_other": "registry.example/ours:7",
        "python": "3.11",
        "text": "\nsix==1.16.0\n",
    }
    refused = contributor.post(f"{NEW}?source=packages", {**values, "action": "build"})
    page = collapsed(refused.content.decode())
    assert refused.status_code == 422
    assert 'value="registry.example/ours:7" list="base-known"' in page
    assert '<option value="3.11" selected>' in page
    assert text_in(page).strip() == "six==1.16.0"
    as_yaml = collapsed(
        contributor.post(f"{NEW}?source=packages", {**values, "action": "text"}).content.decode()
    )
    assert text_in(as_yaml).startswith("image: registry.example/ours:7\nconda_file:")
    assert 'name="base"' not in as_yaml


def test_findings_on_picks_are_at_their_lines(contributor: Client) -> None:
    values = {
        "base": "python:3.12-slim",
        "python": "3.12",
        "text": "six==1.16.0\n\nnumpy\n\n-e git+https://x\n",
    }
    page = collapsed(contributor.post("/w/lab/check", values).content.decode())
    assert 'data-line="3"' in page
    assert set(re.findall(r'data-severity="\w+" data-line="(\d*)"', page)) <= {"", "3", "5"}


def test_picks_can_be_given_in_the_address(contributor: Client) -> None:
    page = page_of(contributor, source="packages", base="x.example/y:1", python="3.11", packages="six\n")
    assert text_in(page) == "six\n"
    assert 'value="x.example/y:1" list="base-known"' in page


@pytest.mark.parametrize(
    "packages", ["numpy: 2\n- [", "#!/bin/sh", "a" * 5000, "'\"{%}&<script>", "-r other.txt"]
)
def test_any_input_as_packages_ends_in_the_editor_with_its_findings(
    contributor: Client, packages: str
) -> None:
    values = {"name": "x", "workspace": "lab", "base": "python:3.12-slim", "text": packages}
    for action in ("check", "text", "review", "save"):
        response = contributor.post(f"{NEW}?source=packages", {**values, "action": action})
        page = collapsed(response.content.decode())
        assert response.status_code in (200, 302, 422), action
        assert packages not in page or "<" not in packages
        assert response.status_code == 302 or escape(packages.split("\n")[0])[:40] in page


def test_bases_that_environments_stand_on_are_offered_once_with_how_many_there_are(
    contributor: Client,
) -> None:
    for name in ("one", "two"):
        save_on("registry.example/ours:7", name)
    save_on("registry.example/theirs:1", "else", workspace="other")
    page = page_of(contributor, source="packages")
    assert page.count("registry.example/ours:7") == 2  # its value and its words
    assert "Used by 2 environments" in page
    assert "registry.example/theirs" not in page


def save_on(base: str, name: str, workspace: str = "lab") -> Version:
    text = f"image: {base}\n"
    return save_reading(workspace_named(workspace), name, read(text), source=text).version


def test_a_dockerfile_begins_with_one_that_is_accepted(contributor: Client) -> None:
    page = page_of(contributor, source="dockerfile")
    assert read(text_in(page), "Dockerfile").accepted
    assert 'name="filename" id="id_filename" value="Dockerfile"' in page


def test_a_build_context_is_requested_as_a_file_with_its_limits(contributor: Client) -> None:
    page = page_of(contributor, source="context")
    assert 'type="file"' in page
    assert 'id="id_text"' not in page
    assert "5000 files" in page


# Starting from another environment


def test_environments_to_start_from_are_found_by_what_they_hold_and_only_those_one_may_see(
    contributor: Client,
) -> None:
    save_text("numpy==2.1.3\n", name="forecast")
    save_text("torch==2.8.0\n", name="vision")
    save_text("torch==2.8.0\n", name="AzureML-torch", workspace="curated")
    save_text("torch==2.8.0\n", name="secret", workspace="other")
    page = page_of(contributor, source="start", q="torch")
    assert "?from=lab/vision:1" in page
    assert "?from=curated/AzureML-torch:1" in page
    assert "forecast" not in page
    assert "secret" not in page


def test_nothing_to_start_from_says_so(contributor: Client) -> None:
    assert "No environments yet." in page_of(contributor, source="start")
    assert "Nothing matches “numpy<”." in html.unescape(
        page_of(contributor, source="start", q="numpy<")
    )  # no constraint either


def test_typing_gets_the_lists_alone(contributor: Client) -> None:
    save_text("torch==2.8.0\n", name="vision")
    response = contributor.get(NEW, {"source": "start", "q": "vis"}, headers={"HX-Request": "true"})
    part = response.content.decode()
    assert "?from=lab/vision:1" in part
    assert "<html" not in part


def test_the_ways_to_begin_take_the_same_queries_however_much_there_is(contributor: Client) -> None:
    queries: list[dict[str, str]] = [{"source": "start"}, {"source": "packages"}, {}]
    save_text("numpy==2.0.0\n", name="the-first")
    contributor.get(NEW)
    few = [queries_of(contributor, query) for query in queries]
    for number in range(30):
        save_text(f"numpy==2.1.{number}\n", name=f"environment-{number}")
    assert [queries_of(contributor, query) for query in queries] == few


def queries_of(client: Client, query: dict[str, str]) -> int:
    with CaptureQueriesContext(connection) as queries:
        client.get(f"{NEW}?{urlencode(query)}")
    return len(queries)
