"""The page of decisions about advisories, and the API for them."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import DjangoAssertNumQueries

from builds.exposure.triage import Scope, decide
from builds.models import Triage
from environments.models import Event, Role
from tests.builds.policies.making import advisory, built, package
from tests.builds.scenarios import browser_of, main_of, person, save_text

pytestmark = pytest.mark.django_db
PAGE, API = "/w/lab/decisions/", "/api/v1/workspaces/lab/decisions/"
DECISION = {"advisory": "cve-2024-1", "scope": "environment", "environment": "forecast", "state": "accepted"}


def test_an_owner_records_a_decision_which_members_see_and_strangers_do_not() -> None:
    owner, reader, stranger = person("ada", lab=Role.OWNER), person("bob", lab=Role.READER), person("sam")
    save_text("jinja2==3.1.2\n")
    advisory()

    answer = browser_of(owner).post(PAGE, DECISION | {"reason": "<b>Low</b> “risk”", "until": "2999-01-01"})

    assert answer.status_code == 302
    page = main_of(browser_of(reader).get(PAGE).content.decode())
    assert "&lt;b&gt;Low&lt;/b&gt;" in page
    assert "Risk accepted" in page
    assert "Record a decision" not in page
    assert browser_of(stranger).get(PAGE).status_code == 404
    assert browser_of(reader).post(PAGE, DECISION).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"advisory": "CVE-1999-1"},
        {"advisory": "'\"><script>"},
        {"scope": "galaxy"},
        {"scope": "studio"},
        {"environment": "elsewhere"},
        {"scope": "version", "version": "99"},
        {"state": "maybe"},
        {"reason": ""},
        {"until": "soon"},
        {"until": "2001-01-01"},
        {"justification": "because"},
    ],
)
def test_what_makes_no_sense_is_refused_and_stays_in_the_form(wrong: dict[str, str]) -> None:
    owner = browser_of(person("ada", lab=Role.OWNER))
    save_text("jinja2==3.1.2\n")
    save_text("jinja2==3.1.2\n", name="elsewhere", workspace="other")
    advisory()

    answer = owner.post(PAGE, DECISION | {"reason": "A reason that is kept."} | wrong)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert "<script>'" not in page
    assert 'role="alert"' in page
    assert ("A reason that is kept." in page) is ("reason" not in wrong)
    assert not Triage.objects.exists()


def test_the_list_takes_the_same_number_of_queries_for_one_and_for_many(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    ada = person("ada", lab=Role.OWNER)
    browser = browser_of(ada)
    for number in range(12):
        version = save_text("jinja2==3.1.2\n", name=f"e{number}")
        known = advisory(f"CVE-2024-{number}")
        decide(known, Scope(version=version), "accepted", "Low.", ada)
        decide(known, Scope(environment=version.environment), "pending", "Looking.", ada)
    with django_assert_max_num_queries(45):
        assert browser.get(PAGE).status_code == 200


def test_a_decision_of_another_workspace_is_out_of_reach() -> None:
    owner, other = person("ada", lab=Role.OWNER), person("eve", other=Role.OWNER)
    theirs = save_text("jinja2==3.1.2\n", workspace="other").environment
    save_text("jinja2==3.1.2\n")
    row = decide(advisory(), Scope(environment=theirs), "accepted", "Low.", other)
    browser = browser_of(owner)

    assert browser.get(API).json()["results"] == []
    for number in (row.pk, 2**70):
        assert browser.post(f"{PAGE}{number}/withdraw").status_code == 404
        assert browser.delete(f"{API}{number}/").status_code == 404
    assert Triage.objects.count() == 1


def test_the_api_records_lists_and_withdraws() -> None:
    browser = browser_of(person("ada", lab=Role.OWNER))
    save_text("jinja2==3.1.2\n")
    advisory()

    made = browser.post(API, DECISION | {"reason": "Low."}, "application/json")

    assert made.status_code == 201
    (row,) = browser.get(f"{API}?advisory=CVE-2024-1").json()["results"]
    assert (row["scope"], row["state"], row["by"]) == ("environment", "accepted", "ada")
    studio = browser.post(API, DECISION | {"scope": "studio", "reason": "x"}, "application/json")
    assert studio.status_code == 403
    assert browser.delete(f"{API}{row['id']}/").status_code == 204
    assert not Triage.objects.exists()


def test_vex_goes_out_and_in_again_on_the_page_and_in_the_api() -> None:
    ada = person("ada", lab=Role.OWNER)
    browser = browser_of(ada)
    version = save_text("jinja2==3.1.2\n", user=ada)
    built(version, package("jinja2", "3.1.2"))
    decide(advisory(), Scope(environment=version.environment), "accepted", "Low.", ada)
    exported = browser.get(f"{PAGE}vex.cdx.json")
    assert exported["Content-Disposition"].endswith('.vex.cdx.json"')
    text = exported.content
    assert text == browser.get("/api/v1/workspaces/lab/vex/").content
    Triage.objects.all().delete()

    sent = {"scope": "environment", "environment": "forecast"}
    file = SimpleUploadedFile("vex.json", text)
    assert browser.post(f"{PAGE}import", sent | {"file": file}).status_code == 302
    assert Triage.objects.get().state == "accepted"
    assert Event.objects.filter(verb="triage.imported", actor=ada).exists()
    for file in (
        SimpleUploadedFile("vex.json", b"[" * 100_000),
        SimpleUploadedFile("vex.json", b" " * 1_100_000),
    ):
        assert browser.post(f"{PAGE}import", sent | {"file": file}).status_code == 422
    assert browser.post(f"{PAGE}import", sent).status_code == 422
    unknown = text.replace(b"CVE-2024-1", b"CVE-1999-1")
    page = browser.post(f"{PAGE}import", sent | {"file": SimpleUploadedFile("vex.json", unknown)})
    assert "The studio knows no such advisory." in page.content.decode()
    again = browser.post(
        "/api/v1/workspaces/lab/vex/", sent | {"document": json.loads(text)}, "application/json"
    )
    assert again.json() == {"recorded": ["CVE-2024-1"], "skipped": []}
