"""Invitations: a link admits one person, with an account or without, and nothing else admits anybody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from environments.models import Event, Invitation, Member, Role
from environments.workspaces.invitations import (
    MOST_OPEN,
    accept_invitation,
    create_invitation,
    find_invitation,
)
from tests.builds.scenarios import browser_of, person, workspace_named
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db
INVITE = "/w/lab/settings/invitations/"
PAGE = "/w/lab/settings/?tab=members"
PASSWORD = "a long enough password"
NEW = {"username": "nina", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def olga() -> User:
    cache.clear()
    return person("olga", lab=Role.OWNER)


def link_for(owner: User, role: str = "contributor") -> str:
    """Return the path of a new invitation, read from the only page that shows it."""
    page = browser_of(owner).post(INVITE, {"role": role}).content.decode()
    match = re.search(r'value="http://testserver(/invitations/[\w-]{43}/)"', page)
    assert match, page
    return match[1]


def role_of(name: str) -> str | None:
    member = Member.objects.filter(workspace__name="lab", user__username=name).first()
    return Role(member.role).label if member else None


def test_a_newcomer_creates_an_account_and_is_in(olga: User) -> None:
    link = link_for(olga)
    visitor = Client()
    page = visitor.get(link).content.decode()
    assert "Join Lab" in page
    assert "olga" in page
    answer = visitor.post(link, NEW, follow=True)
    assert answer.redirect_chain[-1][0] == "/w/lab/environments/"
    assert "You joined Lab." in answer.content.decode()
    assert role_of("nina") == "contributor"
    verbs = list(Event.objects.order_by("pk").values_list("verb", "actor__username"))
    assert verbs == [("invitation.created", "olga"), ("person.added", "nina"), ("member.joined", "nina")]
    assert "accepted an invitation" in browser_of(olga).get("/w/lab/activity/").content.decode()
    assert Client().get(link).status_code == 410


def test_the_link_is_shown_once_and_only_its_digest_is_stored(olga: User) -> None:
    secret = link_for(olga).split("/")[2]
    row = Invitation.objects.get()
    assert secret not in str(vars(row))
    page = browser_of(olga).get(PAGE).content.decode()
    assert secret not in page
    assert "Open invitations" in page


def test_a_preview_of_the_link_does_not_use_it_up(olga: User) -> None:
    link = link_for(olga)
    for _ in range(3):
        assert Client().get(link).status_code == 200
        assert Client().head(link).status_code == 200
    assert Client().post(link, NEW).status_code == 302


def test_someone_with_an_account_joins_and_keeps_a_higher_role(olga: User) -> None:
    person("paul")
    link = link_for(olga, "reader")
    assert "Join as paul" in browser_of(User.objects.get(username="paul")).get(link).content.decode()
    browser_of(User.objects.get(username="paul")).post(link)
    assert role_of("paul") == "reader"
    browser_of(olga).post(link_for(olga, "reader"))
    assert role_of("olga") == "owner"
    browser_of(User.objects.get(username="paul")).post(link_for(olga, "contributor"))
    assert role_of("paul") == "contributor"


def test_a_link_works_for_one_person(olga: User) -> None:
    link = link_for(olga)
    assert Client().post(link, NEW).status_code == 302
    second = Client().post(link, NEW | {"username": "otto"})
    assert second.status_code == 410
    assert not User.objects.filter(username="otto").exists()


def test_of_two_people_at_once_the_second_gets_neither_account_nor_role(olga: User) -> None:
    workspace = workspace_named("lab")
    row, secret = create_invitation(workspace, Role.READER, olga)
    both = [find_invitation(secret), find_invitation(secret)]
    accept_invitation(row, person("paul"))
    assert all(both)
    # The second request has read the row before the first wrote it.
    Invitation.objects.filter(pk=row.pk).update(used_at=None)
    visitor = Client()
    page_form = visitor.get(f"/invitations/{secret}/")
    assert page_form.status_code == 200
    Invitation.objects.filter(pk=row.pk).update(used_at=timezone.now())
    assert visitor.post(f"/invitations/{secret}/", NEW).status_code == 410
    assert not User.objects.filter(username="nina").exists()


def test_expired_revoked_forged_and_orphaned_links_admit_nobody(olga: User) -> None:
    expired = link_for(olga)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    revoked = link_for(olga)
    browser_of(olga).post(f"{INVITE}{Invitation.objects.latest('pk').pk}/revoke")
    orphaned = link_for(olga)
    person("oscar", lab=Role.OWNER)
    Member.objects.filter(user=olga).update(role=Role.CONTRIBUTOR)
    for link in (
        expired,
        revoked,
        orphaned,
        f"/invitations/{'x' * 43}/",
        "/invitations/%00/",
        "/invitations/é/",
    ):
        assert Client().get(link).status_code == 410, link
        assert Client().post(link, NEW).status_code == 410, link
    Member.objects.filter(user=olga).update(role=Role.OWNER)
    assert Client().get(orphaned).status_code == 200
    User.objects.filter(pk=olga.pk).update(is_active=False)
    assert Client().get(orphaned).status_code == 410
    assert not User.objects.filter(username="nina").exists()


def test_bad_accounts_are_refused_with_the_reason_and_the_link_stays(olga: User) -> None:
    link = link_for(olga)
    for sent, shown in (
        (NEW | {"username": "olga"}, "This user name is taken"),
        (NEW | {"username": "<b>x"}, "valid username"),
        (NEW | {"password2": "another"}, "The passwords differ"),
        (NEW | {"password1": "short", "password2": "short"}, "too short"),
        ({}, "required"),
    ):
        answer = Client().post(link, sent)
        assert answer.status_code in (400, 422), sent
        assert shown in answer.content.decode(), sent
    assert "<b>x" not in Client().post(link, NEW | {"username": "<b>x"}).content.decode()
    assert User.objects.count() == 1
    assert Client().post(link, NEW).status_code == 302


def test_a_studio_can_keep_strangers_from_creating_accounts(olga: User, settings: Settings) -> None:
    settings.INVITE_NEW_PEOPLE = False
    link = link_for(olga)
    page = Client().get(link).content.decode()
    assert "Create your account" not in page
    assert f"/login/?next={link}" in page
    assert Client().post(link, NEW).status_code == 403
    person("paul")
    assert browser_of(User.objects.get(username="paul")).post(link).status_code == 302


def test_a_workspace_has_a_bounded_number_of_open_links(olga: User) -> None:
    workspace = workspace_named("lab")
    Invitation.objects.bulk_create(
        Invitation(
            workspace=workspace,
            role=Role.READER,
            digest=str(number),
            created_by=olga,
            expires_at=timezone.now() + timedelta(days=1),
        )
        for number in range(MOST_OPEN)
    )
    answer = browser_of(olga).post(INVITE, {"role": "reader"})
    assert answer.status_code == 422
    assert "Revoke some" in answer.content.decode()
    assert Caller(olga)("POST", "workspaces/lab/invitations/", {"role": "reader"}).status == 409


def test_the_api_creates_lists_and_revokes(olga: User) -> None:
    call = Caller(olga)
    made = call("POST", "workspaces/lab/invitations/", {"role": "owner"})
    assert made.status == 201
    listed = call("GET", "workspaces/lab/invitations/")
    assert [row["role"] for row in listed.json["results"]] == ["owner"]
    assert "link" not in listed.json["results"][0]
    path = made.json["link"].removeprefix("http://testserver")
    assert Client().get(path).status_code == 200
    assert call("DELETE", f"workspaces/lab/invitations/{made.json['id']}/").status == 204
    assert Client().get(path).status_code == 410
    assert call("DELETE", f"workspaces/lab/invitations/{made.json['id']}/").status == 404
    other = person("other", shop=Role.OWNER)
    theirs = create_invitation(workspace_named("shop"), Role.READER, other)[0]
    assert call("DELETE", f"workspaces/lab/invitations/{theirs.pk}/").status == 404


def test_the_last_owner_sees_no_button_to_leave(olga: User) -> None:
    page = browser_of(olga).get(PAGE).content.decode()
    assert "Last owner: stays" in page
    assert ">Leave<" not in page
    person("oscar", lab=Role.OWNER)
    assert ">Leave<" in browser_of(olga).get(PAGE).content.decode()


def test_names_are_suggested_of_people_who_share_a_workspace(olga: User) -> None:
    person("paul", shop=Role.READER)
    person("rita", lab=Role.READER)
    Member.objects.create(workspace=workspace_named("shop"), user=olga, role=Role.READER)
    person("stranger", secret=Role.OWNER)
    page = browser_of(olga).get(PAGE).content.decode()
    assert '<option value="paul">' in page
    assert "stranger" not in page
    assert '<option value="rita">' not in page  # a member already
