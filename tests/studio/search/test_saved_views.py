"""Saved views and pins: a person's own, also with hostile input."""

from __future__ import annotations

import html

import pytest
from django.test import Client

from environments.models import Pin, Role, SavedView
from studio.search import saved
from tests.builds.scenarios import browser_of, person, save_text
from tests.studio.html import collapsed

pytestmark = pytest.mark.django_db
LIST = "/w/lab/environments/"
SAVE = "/w/lab/views/save"


@pytest.fixture
def rita() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def text_of(browser: Client, url: str = LIST) -> str:
    response = browser.get(url)
    assert response.status_code == 200
    return html.unescape(collapsed(response.content.decode()))


def names(browser: Client, **params: str) -> list[str]:
    return [version.environment.name for version, *_ in browser.get(LIST, params).context["rows"]]


def test_a_search_is_saved_under_a_name_shown_and_deleted_by_its_owner_alone(rita: Client) -> None:
    save_text("numpy==2.1.3\n")
    url = f"{LIST}?q=numpy<2&versions=all"
    assert "Save view" in text_of(rita, url)
    rita.post(SAVE, {"name": "Old numpy", "query": "q=numpy%3C2&versions=all", "next": url})
    view = SavedView.objects.get()
    assert (view.name, view.query) == ("Old numpy", "q=numpy%3C2&versions=all")
    page = text_of(rita)
    assert f'href="{LIST}?q=numpy%3C2&versions=all"' in page
    assert "Save view" not in text_of(rita, url)
    other = browser_of(person("otto", lab=Role.OWNER))
    assert "Old numpy" not in text_of(other)
    other.post(f"/w/lab/views/{view.pk}/delete")
    assert SavedView.objects.exists()
    rita.post(f"/w/lab/views/{view.pk}/delete")
    rita.post(f"/w/lab/views/{view.pk}/delete")
    rita.post("/w/lab/views/99999999999999999999/delete")
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("name", "query", "kept"),
    [
        ("", "q=a", None),
        ("   ", "q=a", None),
        ("<b>x</b>", "q=<script>", "q=%3Cscript%3E"),
        ("n" * 200, "q=a", "q=a"),
        ("far", "next=https://evil.example&q=a&sort=name", "q=a&sort=name"),
        ("none", "", None),
        ("none", "nonsense", None),
        ("long", "q=" + "x" * 2_000, None),
        ("longer", "q=" + "x" * 1_000_000, None),
        ("nul", "q=a%00b", "q=a%00b"),
    ],
)
def test_a_view_holds_only_parameters_of_the_list(
    rita: Client, name: str, query: str, kept: str | None
) -> None:
    save_text("numpy==2.1.3\n")
    response = rita.post(SAVE, {"name": name, "query": query, "next": LIST})
    assert response.status_code == 302
    assert [view.query for view in SavedView.objects.all()] == ([kept] if kept else [])
    page = rita.get(LIST).content.decode()
    assert "<b>x" not in page
    assert "<script>" not in page.partition("<main")[2].partition("</main>")[0]


def test_a_person_has_so_many_views_and_pins_in_a_workspace(
    rita: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "MOST_VIEWS", 2)
    monkeypatch.setattr(saved, "MOST_PINS", 1)
    for name in ("a", "b", "c", "a"):
        rita.post(SAVE, {"name": name, "query": f"q={name}"})
    assert sorted(SavedView.objects.values_list("name", flat=True)) == ["a", "b"]
    for name in ("one", "two"):
        save_text("numpy==2.1.3\n", name=name)
        rita.post(f"{LIST}{name}/pin", {"pinned": "yes"})
    assert [pin.environment.name for pin in Pin.objects.all()] == ["one"]


def test_pinned_environments_come_first_for_the_person_who_pinned_them(rita: Client) -> None:
    for name in ("alpha", "beta", "gamma"):
        save_text(f"numpy==2.1.3\n# {name}\n", name=name)
    assert names(rita, sort="name") == ["alpha", "beta", "gamma"]
    for _ in range(2):
        assert rita.post(f"{LIST}gamma/pin", {"pinned": "yes", "next": LIST})["Location"] == LIST
    assert names(rita, sort="name") == ["gamma", "alpha", "beta"]
    assert names(rita, q="is:pinned") == ["gamma"]
    other = browser_of(person("otto", lab=Role.READER))
    assert names(other, sort="name") == ["alpha", "beta", "gamma"]
    assert 'aria-pressed="true"' in text_of(rita).split(">gamma</a>")[1].split("</tr>")[0]
    rita.post(f"{LIST}gamma/pin", {"pinned": "no"})
    assert names(rita, q="is:pinned") == []


def test_strangers_and_visitors_pin_and_save_nothing(rita: Client) -> None:
    save_text("numpy==2.1.3\n", name="theirs", workspace="other")
    assert rita.post("/w/other/environments/theirs/pin", {"pinned": "yes"}).status_code == 404
    assert rita.post("/w/other/views/save", {"name": "x", "query": "q=a"}).status_code == 404
    assert browser_of(None).post(SAVE, {"name": "x", "query": "q=a"})["Location"].startswith("/login/")
    assert rita.get(SAVE).status_code == 405
    assert not Pin.objects.exists()
    assert not SavedView.objects.exists()


def test_choices_are_kept_where_an_action_could_not_be_done(rita: Client) -> None:
    for name in ("one", "two", "three"):
        save_text(f"numpy==2.1.3\n# {name}\n", name=name)
    chosen = ["lab/one", "lab/two", "lab/three"]
    answer = rita.post(
        "/w/lab/chosen/compare", {"environment": chosen, "next": f"{LIST}?sort=name"}, follow=True
    )
    page = collapsed(answer.content.decode())
    assert page.count("checked aria-label") == 3
    assert (
        'name="next" value="/w/lab/environments/?sort=name"' in page
    )  # the choice is not a part of the view
