"""Members: who lets people in, changes their role and takes them out, and that an owner is always left."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from environments.models import Event, Member, Role, Scope
from tests.builds.scenarios import browser_of, person
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db
KEEP = "/w/lab/settings/members/"
REMOVE = "/w/lab/settings/members/remove"
PAGE = "/w/lab/settings/?tab=members"


@pytest.fixture
def olga() -> User:
    cache.clear()
    return person("olga", lab=Role.OWNER)


def role_of(name: str) -> str | None:
    member = Member.objects.filter(workspace__name="lab", user__username=name).first()
    return Role(member.role).label if member else None


def test_an_owner_adds_promotes_and_removes_and_each_is_an_event(olga: User) -> None:
    person("paul")
    browser = browser_of(olga)
    browser.post(KEEP, {"user": "paul", "role": "reader"})
    assert role_of("paul") == "reader"
    assert "paul" in browser.post(KEEP, {"user": "paul", "role": "contributor"}, follow=True).content.decode()
    assert role_of("paul") == "contributor"
    browser.post(REMOVE, {"user": "paul"})
    assert role_of("paul") is None
    assert list(Event.objects.order_by("pk").values_list("verb", "subject")) == [
        ("member.added", "paul"), ("member.changed", "paul"), ("member.removed", "paul"),
    ]  # fmt: skip
    activity = browser.get("/w/lab/activity/").content.decode()
    assert "changed the role of" in activity


def test_the_last_owner_neither_leaves_nor_becomes_less(olga: User) -> None:
    browser, call = browser_of(olga), Caller(olga)
    for answer in (
        browser.post(REMOVE, {"user": "olga"}),
        browser.post(KEEP, {"user": "olga", "role": "reader"}),
    ):
        assert answer.status_code == 422
        assert "is the last owner" in answer.content.decode()
    member = "workspaces/lab/members/olga/"
    for refused in (call("PUT", member, {"role": "contributor"}), call("DELETE", member)):
        assert (refused.status, refused.code) == (409, "last-owner")
    assert role_of("olga") == "owner"
    closed = person("closed", lab=Role.OWNER)
    User.objects.filter(pk=closed.pk).update(is_active=False)
    assert call("DELETE", member).status == 409  # an account that is closed owns nothing

    person("otto", lab=Role.OWNER)
    assert call("DELETE", member).status == 204
    assert call("GET", "workspaces/lab/").status == 404  # at once


def test_everybody_leaves_by_themselves_and_takes_nobody_along(olga: User) -> None:
    rita = browser_of(person("rita", lab=Role.READER))
    person("paul", lab=Role.READER)
    page = rita.get(PAGE).content.decode()
    assert "Leave" in page
    assert "Add a member" not in page
    assert rita.post(REMOVE, {"user": "paul"}).status_code == 403
    assert rita.post(REMOVE, {"user": "rita"}).status_code == 302
    assert (role_of("rita"), role_of("paul")) == (None, "reader")
    assert Event.objects.get().verb == "member.left"
    assert rita.get(PAGE).status_code == 404


def test_a_name_that_nobody_has_stays_in_the_form(olga: User) -> None:
    answer = browser_of(olga).post(KEEP, {"user": "<b>nobody", "role": "owner"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "No user “&lt;b&gt;nobody”." in page
    assert 'value="&lt;b&gt;nobody"' in page
    assert Caller(olga)("PUT", "workspaces/lab/members/nobody/", {"role": "reader"}).code == "no-such-person"


def test_programs_keep_members_too(olga: User) -> None:
    person("paul")
    call = Caller(olga)
    path = "workspaces/lab/members/paul/"
    assert call("PUT", path, {"role": "reader"}).status == 201
    again = call("PUT", path, {"role": "owner"})
    assert (again.status, again.json) == (200, {"user": "paul", "role": "owner"})
    assert call("PUT", path, {"role": "king"}).status == 400
    assert Caller(olga, Scope.READ)("DELETE", path).status == 403
    assert call("DELETE", path).status == 204
    assert call("DELETE", path).status == 404
