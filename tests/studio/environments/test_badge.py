"""Badges: state, version and size as an SVG, for those who may see it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from django.test import Client, RequestFactory
from django.utils.html import escape

from builds.models import Build
from environments.errors import ConflictError
from environments.models import BadgeKey, Environment, Event, Role, Workspace
from environments.sharing.badge_keys import MAX_KEYS, create_key, secret_of
from studio.environments.badge.drawing import COLOURS, draw
from studio.environments.badge.links import badges_of
from tests.builds.scenarios import browser_of, fail_build, person, queue_build, save_text, succeed_build

NASTY = """</text><script>alert(1)</script>&"'{x}\x00\x1b\ud800 """ + "long " * 400


@pytest.fixture
def anyone() -> Client:
    return Client()


def secret(environment: Environment) -> str:
    """Return the secret of the environment's first key."""
    key = environment.badge_keys.first() or BadgeKey.objects.create(environment=environment, name="README")
    return secret_of(key)


def keyed(environment: Environment) -> str:
    return f"/badge/{environment.workspace.name}/{environment.name}.svg?key={secret(environment)}"


def texts(svg: bytes | str) -> list[str]:
    root = ElementTree.fromstring(svg)  # noqa: S314
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_name_with_marks_of_xml_stays_text() -> None:
    svg = draw(NASTY, NASTY, "bad")
    tags = {element.tag.partition("}")[2] for element in ElementTree.fromstring(svg).iter()}  # noqa: S314
    assert tags == {"svg", "title", "rect", "path", "g", "text"}
    label, message = texts(svg)
    assert label == message
    assert label.startswith("</text><script>alert(1)</script>&\"'{x}")
    assert len(label) == 48
    svg.encode()  # no half of a pair is left


@pytest.mark.parametrize("text", ["", " ", "é—日本", "{0} %s {label}", "a" * 48])
def test_any_text_is_drawn(text: str) -> None:
    assert texts(draw(text, text, "good"))[0] == " ".join(text.split())


def test_its_colours_are_readable_under_white() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in COLOURS.values():
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5, colour


@pytest.mark.django_db
def test_it_shows_state_version_and_size(anyone: Client) -> None:
    version = save_text("numpy==2.1.3")
    address = keyed(version.environment)

    def shown() -> list[str]:
        return texts(anyone.get(address).content)

    assert shown() == ["forecast:1", "not built"]
    build = queue_build(version)
    assert shown() == ["forecast:1", "queued"]
    fail_build(build)
    assert shown() == ["forecast:1", "failed"]
    succeed_build(queue_build(version))
    assert shown() == ["forecast:1", "ready · 88 MB"]
    save_text("numpy==2.2.0")
    assert shown() == ["forecast:2", "not built"]
    version.environment.versions.update(archived_at="2026-01-01T00:00:00Z")
    assert shown() == ["forecast", "archived"]


@pytest.mark.django_db
def test_without_its_key_it_does_not_exist_unless_anyone_may_pull(anyone: Client) -> None:
    version = save_text("numpy==2.1.3")
    other = save_text("six==1.16.0", name="other")
    open_address = "/badge/lab/forecast.svg"
    for address in (
        open_address,
        f"{open_address}?key=",
        f"{open_address}?key={secret(other.environment)}",
        f"{open_address}?key=é%00",
        f"{open_address}?key=²-x",
        f"{open_address}?key={'9' * 40}-x",
        f"{open_address}?key={secret(version.environment).partition('-')[0]}",
        f"{open_address}?key={secret(version.environment)}0",
        "/badge/lab/nothing.svg",
        "/badge/nowhere/forecast.svg",
    ):
        assert anyone.get(address).status_code == 404, address
    # A session opens nothing either: what a README shows does not depend on its reader.
    assert browser_of(person("rita", lab=Role.READER)).get(open_address).status_code == 404
    assert anyone.get(keyed(version.environment)).status_code == 200

    Workspace.objects.filter(name="lab").update(anonymous_pull=True)
    assert anyone.get(open_address).status_code == 200
    assert anyone.get(f"{open_address}?key=wrong").status_code == 200


@pytest.mark.django_db
def test_it_is_kept_for_a_minute_and_then_asked_after(anyone: Client) -> None:
    version = save_text("numpy==2.1.3")
    first = anyone.get(keyed(version.environment))
    assert first["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert first["Cache-Control"] == "public, max-age=60"
    assert "Set-Cookie" not in first
    again = anyone.get(keyed(version.environment), headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    succeed_build(queue_build(version))
    changed = anyone.get(keyed(version.environment), headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert anyone.post(keyed(version.environment)).status_code == 405
    assert anyone.head(keyed(version.environment)).status_code == 200


@pytest.mark.django_db
def test_it_speaks_english_to_every_reader(anyone: Client) -> None:
    version = save_text("numpy==2.1.3")
    succeed_build(queue_build(version))
    swedish = anyone.get(keyed(version.environment), headers={"Accept-Language": "sv"})
    assert texts(swedish.content)[1] == "ready · 88 MB"


@pytest.mark.django_db
def test_the_markdown_shows_it_and_leads_to_the_environment(anyone: Client) -> None:
    from studio.markdown import to_html

    save_text("numpy==2.1.3", name="a_b-1")
    environment = Environment.objects.get()
    request = RequestFactory().get("/")
    assert badges_of(environment, request) == []
    secret(environment)
    (link,) = badges_of(environment, request)
    assert anyone.get(link.url.removeprefix("http://testserver")).status_code == 200
    page = to_html(link.markdown)
    assert '<a href="http://testserver/w/lab/environments/a_b-1/"' in page
    assert "a_b-1</a>" in page
    environment.workspace.anonymous_pull = True
    assert badges_of(environment, request)[0].url == "http://testserver/badge/lab/a_b-1.svg"


@pytest.mark.django_db
def test_the_page_offers_it_to_copy() -> None:
    save_text("numpy==2.1.3")
    reader = browser_of(person("rita", lab=Role.READER))
    address = "/w/lab/environments/forecast/"
    assert "An owner of the workspace can create its key." in reader.get(address).text
    environment = Environment.objects.get()
    request = RequestFactory().get("/")
    secret(environment)
    page = reader.get(address).text
    assert f'src="{keyed(environment)}"' in page
    assert f'data-copy="{escape(badges_of(environment, request)[0].markdown)}"' in page
    assert "badge-keys" not in page  # owners create and revoke keys
    assert not Build.objects.exists()


@pytest.mark.django_db
def test_owners_create_keys_and_revoke_each_on_its_own(anyone: Client) -> None:
    environment = save_text("numpy==2.1.3").environment
    owner = browser_of(person("olga", lab=Role.OWNER))
    address = "/w/lab/environments/forecast/badge-keys"
    for name in ("README of churn", "<b>wiki</b>"):
        assert owner.post(address, {"key_name": name})["Location"] == "/w/lab/environments/forecast/#badge"
    first, second = environment.badge_keys.order_by("pk")
    page = owner.get("/w/lab/environments/forecast/").text
    assert "&lt;b&gt;wiki&lt;/b&gt;" in page
    assert f"{address}/{first.pk}/revoke" in page
    shown = [f"/badge/lab/forecast.svg?key={secret_of(key)}" for key in (first, second)]
    assert [anyone.get(each).status_code for each in shown] == [200, 200]
    owner.post(f"{address}/{first.pk}/revoke")
    assert [anyone.get(each).status_code for each in shown] == [404, 200]
    assert owner.post(f"{address}/{first.pk}/revoke").status_code == 404
    verbs = Event.objects.filter(verb__startswith="badge.").order_by("pk")
    assert [(event.verb, event.details["label"]) for event in verbs] == [
        ("badge.created", "README of churn"),
        ("badge.created", "<b>wiki</b>"),
        ("badge.revoked", "README of churn"),
    ]
    assert "revoked the badge key" in owner.get("/w/lab/activity/").text


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\x1bb"])
def test_a_key_has_a_name_that_people_can_read(name: str) -> None:
    environment = save_text("numpy==2.1.3").environment
    owner = browser_of(person("olga", lab=Role.OWNER))
    page = owner.post("/w/lab/environments/forecast/badge-keys", {"key_name": name}, follow=True)
    assert "Name the key." in page.text
    assert not environment.badge_keys.exists()


@pytest.mark.django_db
def test_an_environment_has_a_bounded_number_of_keys() -> None:
    environment = save_text("numpy==2.1.3").environment
    olga = person("olga", lab=Role.OWNER)
    for number in range(MAX_KEYS):
        create_key(environment, f"page {number}", olga)
    with pytest.raises(ConflictError):
        create_key(environment, "one more", olga)


@pytest.mark.django_db
def test_the_api_lists_creates_and_revokes_badges(anyone: Client) -> None:
    save_text("numpy==2.1.3")
    owner, reader = browser_of(person("olga", lab=Role.OWNER)), browser_of(person("rita", lab=Role.READER))
    address = "/api/v1/workspaces/lab/environments/forecast/badges/"
    assert reader.get(address).json() == {"results": []}
    assert reader.post(address, {"name": "x"}, "application/json").status_code == 403
    assert owner.post(address, {"name": ""}, "application/json").status_code == 400
    created = owner.post(address, {"name": "README"}, "application/json")
    assert created.status_code == 201
    badge = created.json()
    assert (badge["name"], badge["created_by"]) == ("README", "olga")
    assert badge["url"] in badge["markdown"]
    path = badge["url"].removeprefix("http://testserver")
    assert anyone.get(path).status_code == 200
    assert reader.get(address).json() == {"results": [badge]}
    assert reader.delete(f"{address}{badge['key']}/").status_code == 403
    assert owner.delete(f"{address}{badge['key']}/").status_code == 204
    assert anyone.get(path).status_code == 404
    Workspace.objects.filter(name="lab").update(anonymous_pull=True)
    (badge,) = reader.get(address).json()["results"]
    assert (badge["key"], badge["url"]) == (None, "http://testserver/badge/lab/forecast.svg")
