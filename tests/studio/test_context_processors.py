"""The frame of every page: login, workspaces, sections, theme, icons, headers."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from environments.models import Role
from environments.sections import in_section
from scripts.vendor import ICONS
from studio import labels
from studio.context_processors import frame
from studio.preparation import login_path
from studio.templatetags import studio as tags
from tests.builds.scenarios import browser_of, person, save_text, workspace_named
from tests.studio.html import collapsed

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


# Signing in


def test_a_login_link_asks_and_its_button_signs_in() -> None:
    user = person("olga", lab=Role.OWNER)
    link, client = login_path(user), Client()
    assert "Sign in as olga" in client.get(link).content.decode()
    assert not signed_in(client)
    response = client.post(link, follow=True)
    assert response.redirect_chain[-1][0] == "/w/lab/environments/"
    assert signed_in(client)


def test_a_login_link_works_once() -> None:
    link = login_path(person("olga", lab=Role.OWNER))
    Client().post(link)
    again = Client()
    for response in (again.get(link), again.post(link)):
        assert response.status_code == 410
        assert "no longer works" in response.content.decode()
    assert not signed_in(again)


@pytest.mark.parametrize("change", ["inactive", "old", "of-another", "made-up", "garbage"])
def test_a_link_that_is_not_good_signs_nobody_in(change: str, settings: Settings) -> None:
    user = person("olga", lab=Role.OWNER)
    link = login_path(user)
    if change == "inactive":
        User.objects.filter(pk=user.pk).update(is_active=False)
    if change == "old":
        settings.PASSWORD_RESET_TIMEOUT = -1
    uid, token = link.strip("/").split("/")[1:]
    if change == "of-another":
        uid = login_path(person("paul")).strip("/").split("/")[1]
    if change == "made-up":
        token = token[:-1] + ("a" if token[-1] != "a" else "b")
    if change == "garbage":
        uid = "%00%FF"
    client = Client()
    assert client.post(f"/login/{uid}/{token}/").status_code == 410
    assert not signed_in(client)


def test_a_wrong_password_is_refused_with_a_sentence_and_the_name_stays() -> None:
    person("olga")
    client = Client()
    page = client.post("/login/", {"username": "olga", "password": "wrong"}).content.decode()
    assert "do not belong together" in page
    assert 'value="olga"' in page
    assert not signed_in(client)


def test_login_leads_to_the_requested_page() -> None:
    person("olga", lab=Role.OWNER)
    client = Client()
    login_url = client.get("/w/lab/builds/")["Location"]
    response = client.post(
        "/login/",
        {"username": "olga", "password": "a long enough password", "next": login_url.split("next=")[1]},
    )
    assert response["Location"] == "/w/lab/builds/"


def test_logout_needs_a_post() -> None:
    client = browser_of(person("olga", lab=Role.OWNER))
    assert client.get("/logout/").status_code == 405
    client.post("/logout/")
    assert not signed_in(client)


# Workspaces


def test_the_first_page_is_the_workspace_that_was_open_last() -> None:
    client = browser_of(person("olga", lab=Role.OWNER, attic=Role.READER))
    assert client.get("/")["Location"] == "/w/attic/environments/"
    client.get("/w/lab/builds/")
    assert client.get("/")["Location"] == "/w/lab/environments/"


def test_the_switcher_shows_only_visible_workspaces() -> None:
    workspace_named("secret")
    page = browser_of(person("olga", lab=Role.OWNER)).get("/w/lab/environments/").content.decode()
    assert "Lab" in page
    assert "Secret" not in page


def test_users_without_a_workspace_learn_whom_to_ask() -> None:
    page = browser_of(person("newcomer")).get("/").content.decode()
    assert "not in a workspace yet" in page


def test_a_left_workspace_is_forgotten() -> None:
    user = person("olga", lab=Role.OWNER, attic=Role.READER)
    client = browser_of(user)
    client.get("/w/lab/environments/")
    user.memberships.filter(workspace__name="lab").delete()
    assert client.get("/w/lab/environments/").status_code == 404
    assert client.get("/")["Location"] == "/w/attic/environments/"


# Sections


@pytest.mark.parametrize(
    ("address", "section"),
    [
        ("/w/lab/environments/", "/w/lab/environments/"),
        ("/w/lab/environments/forecast/versions/1/edit/", "/w/lab/environments/"),
        ("/w/lab/environments/forecast/versions/1/rebuild/", "/w/lab/environments/"),
        ("/w/lab/compare/", "/w/lab/environments/"),
        ("/w/lab/builds/", "/w/lab/builds/"),
        ("/w/lab/images/clean-up/", "/w/lab/images/"),
        ("/w/curated/proposals/", "/w/curated/proposals/"),
        ("/activity/", "/w/lab/activity/"),
        ("/w/lab/settings/", "/w/lab/settings/"),
        ("/account/tokens/", None),
    ],
)
def test_a_page_marks_its_section_in_the_navigation(address: str, section: str | None) -> None:
    save_text("numpy==2.1.3\n", workspace="lab")
    client = browser_of(person("olga", lab=Role.OWNER, curated=Role.CONTRIBUTOR))
    client.get("/w/lab/environments/")  # opens the workspace
    page = collapsed(client.get(address).content.decode())
    navigation = page.partition('<ul class="sections">')[2].partition("</ul>")[0]
    assert re.findall(r'href="([^"]*)" aria-current="page"', navigation) == [section] * (section is not None)


def test_a_new_page_needs_its_url_only_to_be_in_a_section(settings: Settings) -> None:
    def page(request: HttpRequest) -> HttpResponse:
        return HttpResponse(frame(request)["section"])

    urls: Any = ModuleType("urls")
    urls.urlpatterns = [path("new-page/", in_section("builds", page))]
    settings.ROOT_URLCONF = urls
    client = browser_of(person("olga", lab=Role.OWNER))
    assert client.get("/new-page/").content == b"builds"


# The theme


def test_a_theme_that_was_chosen_is_kept_and_the_way_back_is_safe() -> None:
    client = browser_of(person("olga", lab=Role.OWNER))
    response = client.post("/theme/", {"theme": "dark", "next": "/w/lab/builds/"})
    assert response["Location"] == "/w/lab/builds/"
    assert 'data-bs-theme="dark"' in client.get("/w/lab/builds/").content.decode()
    assert client.post("/theme/", {"theme": "dark", "next": "https://evil.example/"})["Location"] == "/"
    client.post("/theme/", {"theme": '"><script>'})
    assert 'data-chosen="dark"' in client.get("/w/lab/builds/").content.decode()
    assert client.get("/theme/").status_code == 405


# Scripts, styles and icons


def test_no_page_runs_inline_script_or_style() -> None:
    save_text("numpy==2.1.3\n", workspace="lab")
    client = browser_of(person("olga", lab=Role.OWNER))
    for address in ("/w/lab/environments/", "/w/lab/environments/forecast/", "/w/lab/new/", "/w/lab/builds/"):
        response = client.get(address)
        page = response.content.decode()
        assert "default-src 'self'" in response["Content-Security-Policy"]
        assert "unsafe" not in response["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)  # nothing comes from elsewhere


def test_every_icon_that_is_named_is_in_the_sprite_and_no_other() -> None:
    named = {icon for _, icon, _ in [*labels.STATES.values(), *labels.SEVERITIES.values()]}
    named |= {icon for icon, _ in labels.EVENTS.values()} | {
        "activity",
        "arrows-sort",
        "chevron-up",
        "chevron-down",
    }
    for template in (ROOT / "templates").rglob("*.html"):
        named |= set(re.findall(r'{% icon "([\w-]+)"', template.read_text()))
    sprite = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/vendor/icons.svg").read_text()))
    assert named <= sprite
    assert sprite == set(ICONS)
    assert sorted(sprite - named) == []


@pytest.mark.parametrize(
    ("bytes", "shown"),
    [
        (0, "\N{EN DASH}"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (88_400_000, "88 MB"),
        (1_440_000_000, "1.4 GB"),
        (5e15, "5000.0 TB"),
    ],
)
def test_sizes_are_shown_as_people_say_them(bytes: float, shown: str) -> None:
    assert tags.size(bytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "\N{EN DASH}"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (185, "3 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_lengths_of_time_are_shown_as_people_say_them(seconds: float | None, shown: str) -> None:
    assert tags.duration(seconds) == shown
