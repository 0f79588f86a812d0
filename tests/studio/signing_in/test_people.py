"""Users: added by the operator, their passwords, their sessions."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from environments.models import Member, Role
from tests.builds.scenarios import browser_of, person, workspace_named

pytestmark = pytest.mark.django_db
OLD, NEW = "a long enough password", "another long enough password"


def output_of(*argv: str) -> str:
    out = io.StringIO()
    call_command("person", *argv, stdout=out)
    return out.getvalue()


def test_a_person_who_was_added_signs_in_by_a_link_and_sets_a_password() -> None:
    workspace_named("lab")
    shown = output_of("add", "olga", "--workspace", "lab=contributor")
    link = shown[shown.index("/login/") :].strip()
    member = Member.objects.get(user__username="olga")
    assert (member.workspace.name, member.role) == ("lab", Role.CONTRIBUTOR)

    client = Client()
    client.post(link)
    page = client.get("/account/password/").content.decode()
    assert "Set password" in page
    assert "old_password" not in page
    client.post("/account/password/", {"new_password1": NEW, "new_password2": NEW})
    assert Client().post("/login/", {"username": "olga", "password": NEW}).status_code == 302


@pytest.mark.parametrize(
    "argv",
    [["add", "olga"], ["link", "nobody"], ["close", "nobody"], ["add", "eve", "--workspace", "nowhere"],
     ["add", "eve", "--workspace", "lab=king"]],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_a_sentence(argv: list[str]) -> None:
    person("olga", lab=Role.READER)
    before = User.objects.count()
    with pytest.raises(CommandError, match=r"^There is|is no role|already exists"):
        output_of(*argv)
    assert User.objects.count() == before


def test_a_name_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ValidationError):
        output_of("add", "two words")


def test_closing_an_account_ends_its_sessions() -> None:
    browser = browser_of(person("olga", lab=Role.READER))
    assert browser.get("/account/tokens/").status_code == 200
    output_of("close", "olga")
    assert browser.get("/account/tokens/").status_code == 302


def test_a_new_password_ends_every_other_session() -> None:
    olga = person("olga", lab=Role.READER)
    here, elsewhere = browser_of(olga), browser_of(olga)
    changed = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW}
    assert here.post("/account/password/", changed).status_code == 302
    assert here.get("/account/password/").status_code == 200
    assert elsewhere.get("/account/password/").status_code == 302


@pytest.mark.parametrize(
    "wrong",
    [
        {"old_password": "wrong"},
        {"new_password2": "different one"},
        {"new_password1": "short", "new_password2": "short"},
    ],
)
def test_a_password_is_not_changed_by_a_wrong_form(wrong: dict[str, str]) -> None:
    olga = person("olga", lab=Role.READER)
    form = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW, **wrong}
    assert browser_of(olga).post("/account/password/", form).status_code == 422
    olga.refresh_from_db()
    assert olga.check_password(OLD)


def test_signing_in_changes_the_session_so_that_a_planted_one_is_worth_nothing() -> None:
    person("olga", lab=Role.READER)
    client = Client()
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    client.post("/login/", {"username": "olga", "password": OLD})
    assert client.session.session_key != before
