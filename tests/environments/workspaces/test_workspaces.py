"""Making workspaces and giving them other titles: who may, what they may be called, and that all see it (issue 6)."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from environments.models import Event, Member, Role, Scope, Workspace
from tests.builds.scenarios import browser_of, person, workspace_named
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db

NEW = "/workspaces/new/"
RENAME = "/w/lab/settings/title"


@pytest.fixture
def admin() -> User:
    user = person("ada")
    user.is_superuser = True
    user.save()
    return user


@pytest.fixture
def browser(admin: User) -> Client:
    return browser_of(admin)


def text_of(client: Client, path: str) -> str:
    return str(client.get(path, follow=True).content.decode())


# Making one


def test_an_admin_makes_one_owns_it_and_finds_it_in_the_switcher(browser: Client, admin: User) -> None:
    workspace_named("lab")
    assert f'href="{NEW}"' in text_of(browser, "/w/lab/environments/")

    made = browser.post(NEW, {"title": "  Computer   vision ", "name": ""}, follow=True)

    assert made.redirect_chain == [("/w/computer-vision/settings/?tab=members", 302)]
    page = made.content.decode()
    assert "Workspace Computer vision created" in page
    assert 'aria-label="Workspace Computer vision, switch workspace"' in page
    assert Member.objects.get(workspace__name="computer-vision").user == admin
    assert Member.objects.get(workspace__name="computer-vision").role == Role.OWNER
    event = Event.objects.get()
    assert (event.verb, event.subject, event.actor) == ("workspace.created", "computer-vision", admin)
    assert "created the workspace" in text_of(browser, "/w/computer-vision/activity/")


def test_everybody_makes_them_only_where_the_setting_says_so(settings: Settings) -> None:
    sam = person("sam")
    browser = browser_of(sam)
    assert browser.get(NEW).status_code == browser.post(NEW, {"title": "Mine"}).status_code == 403
    refused = text_of(browser, NEW)
    assert "Ask an admin for a new one" in refused
    assert "change your role" not in refused
    assert "Ask an owner or an admin" in text_of(browser, "/")
    assert not Workspace.objects.filter(curated=False).exists()

    settings.ANYONE_CREATES_WORKSPACES = True

    assert NEW in text_of(browser, "/")
    assert browser.post(NEW, {"title": "Mine"}).status_code == 302
    assert Member.objects.get(user=sam).role == Role.OWNER


@pytest.mark.parametrize(
    ("title", "name", "why"),
    [
        ("", "vision", "Give the workspace a title"),
        ("x" * 121, "vision", "up to 120"),
        ("a\x07b", "vision", "in one line"),
        ("Vision", "Vision", "lower-case"),
        ("Vision", "a--b", "lower-case"),
        ("Vision", "-a", "lower-case"),
        ("Vision", "a/b", "lower-case"),
        ("Vision", "x" * 64, "lower-case"),
        ("画像", "", "lower-case"),
        ("Vision", "curated", "catalogue"),
        ("Vision", "lab", "called lab already"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field_and_stays_to_be_corrected(
    browser: Client, title: str, name: str, why: str
) -> None:
    workspace_named("lab")

    answer = browser.post(NEW, {"title": title, "name": name})

    assert answer.status_code == 422
    page = answer.content.decode()
    assert why in page
    assert page.count('class="field-error"') == 1
    assert f'value="{name}"' in page
    assert list(Workspace.objects.filter(curated=False).values_list("name", flat=True)) == ["lab"]


def test_a_long_title_makes_a_name_that_fits(browser: Client) -> None:
    assert browser.post(NEW, {"title": f"{'team ' * 12}abcdef vision"}).status_code == 302

    name = Workspace.objects.get(curated=False).name
    assert name == "-".join(["team"] * 12 + ["abc"])
    assert browser.get(f"/w/{name}/environments/").status_code == 200


# Another title


def test_an_owner_gives_another_title_and_the_name_stays() -> None:
    olga = person("olga", lab=Role.OWNER)
    browser = browser_of(olga)

    page = browser.post(RENAME, {"title": "The laboratory <b>"}, follow=True).content.decode()

    assert "Workspace renamed to The laboratory &lt;b&gt;." in page
    assert Workspace.objects.get(name="lab").title == "The laboratory <b>"
    assert "No changes to save" in browser.post(RENAME, {"title": "The laboratory <b>"}, follow=True).content.decode()  # fmt: skip
    assert browser.post(RENAME, {"title": " "}).status_code == 422
    event = Event.objects.get()
    assert (event.verb, event.before, event.after) == (
        "workspace.renamed",
        {"title": "Lab"},
        {"title": "The laboratory <b>"},
    )


@pytest.mark.parametrize(
    ("role", "seen", "changed"), [(Role.CONTRIBUTOR, 200, 403), (Role.READER, 403, 403), (None, 404, 404)]
)
def test_contributors_see_the_title_and_only_owners_change_it(
    role: Role | None, seen: int, changed: int
) -> None:
    workspace_named("lab")
    browser = browser_of(person("carl", **({"lab": role} if role else {"other": Role.OWNER})))

    page = browser.get("/w/lab/settings/?tab=general")

    assert page.status_code == seen
    assert "<form" not in page.content.decode().partition("<main")[2].partition("</main>")[0]
    assert browser.post(RENAME, {"title": "Mine"}).status_code == changed
    assert Workspace.objects.get(name="lab").title == "Lab"


# The API


def test_the_api_makes_and_renames(admin: User) -> None:
    call = Caller(admin)

    made = call("POST", "workspaces/", {"title": "Computer vision"})
    assert (made.status, made.json["name"], made.json["role"]) == (201, "computer-vision", "owner")
    again = call("POST", "workspaces/", {"title": "Computer vision"})
    assert (again.status, again.code) == (409, "name-taken")
    assert call("POST", "workspaces/", {"title": "Vision", "name": "A b"}).status == 400

    renamed = call("PATCH", "workspaces/computer-vision/", {"title": "Eyes"})
    assert (renamed.status, renamed.json["title"]) == (200, "Eyes")
    assert call("PATCH", "workspaces/computer-vision/", {"title": ""}).status == 400


def test_a_token_for_one_workspace_or_for_reading_makes_none(settings: Settings) -> None:
    settings.ANYONE_CREATES_WORKSPACES = True
    olga = person("olga", lab=Role.OWNER)
    lab = Workspace.objects.get(name="lab")

    bound = Caller(olga, workspace=lab)("POST", "workspaces/", {"title": "Mine"})
    reads = Caller(olga, Scope.READ)("POST", "workspaces/", {"title": "Mine"})

    assert (bound.status, reads.status) == (403, 403)
    assert Caller(olga)("POST", "workspaces/", {"title": "Mine"}).status == 201
