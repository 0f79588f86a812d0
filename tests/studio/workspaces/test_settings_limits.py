"""Settings → Limits: members see what counts and where it comes from, admins change it (issue 5, point 2)."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from builds.queue.limits import limits_of, set_limits
from environments.models import Event, Role
from tests.builds.scenarios import browser_of, person, workspace_named

pytestmark = pytest.mark.django_db

PAGE = "/w/lab/settings/?tab=limits"
CHANGE = "/w/lab/settings/limits"
EMPTY = {"at_once": "", "queued": "", "seconds": "", "disk": ""}


@pytest.fixture
def admin() -> Client:
    """Somebody who runs the studio."""
    workspace_named("lab")
    return browser_of(User.objects.create_superuser("root", password="a long enough password"))


def text_of(client: Client) -> str:
    return " ".join(client.get(PAGE).content.decode().split())


def test_members_see_what_counts_and_where_it_comes_from_and_change_nothing(settings: Settings) -> None:
    settings.LIMIT_AT_ONCE, settings.LIMIT_SECONDS = 4, 90
    owner = browser_of(person("olga", lab=Role.OWNER))
    set_limits(workspace_named("lab"), at_once=17)

    page = text_of(owner)
    assert "<strong>17</strong>" in page
    assert '<span class="quiet">4</span>' in page
    assert "<strong>1 min 30 s</strong>" in page
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
    assert owner.post(CHANGE, EMPTY | {"at_once": "99"}).status_code == 403
    assert limits_of(workspace_named("lab")).at_once == 17


@pytest.mark.parametrize(("role", "status"), [(Role.CONTRIBUTOR, 200), (Role.READER, 403), (None, 404)])
def test_the_limits_are_visible_with_the_settings(role: Role | None, status: int) -> None:
    workspace_named("lab")
    client = browser_of(person("carl", **({"lab": role} if role else {"other": Role.OWNER})))
    assert client.get(PAGE).status_code == status
    assert client.post(CHANGE, EMPTY).status_code == (404 if role is None else 403)


def test_an_admin_sets_and_resets_limits_and_both_are_recorded(admin: Client, settings: Settings) -> None:
    settings.LIMIT_AT_ONCE = 4
    response = admin.post(CHANGE, EMPTY | {"at_once": "2", "disk": "1.234567891"}, follow=True)
    now = limits_of(workspace_named("lab"))
    assert (now.at_once, now.disk) == (2, 1_234_567_891)
    assert "Limits of Lab saved" in response.content.decode()
    assert 'value="1.234567891"' in text_of(admin)  # what is not touched is not changed

    admin.post(CHANGE, EMPTY | {"disk": "1.234567891"})
    assert limits_of(workspace_named("lab")).at_once == 4
    events = Event.objects.filter(verb="workspace.limits", actor__username="root").order_by("pk")
    assert [(event.before, event.after) for event in events] == [
        ({"at_once": None, "disk": None}, {"at_once": 2, "disk": 1_234_567_891}),
        ({"at_once": 2}, {"at_once": None}),
    ]
    assert "at once: 2 → default" in admin.get("/w/lab/activity/").content.decode()


@pytest.mark.parametrize(
    ("field", "typed"),
    [("at_once", "0"), ("queued", "many"), ("seconds", "99999999999"), ("disk", "-1"), ("disk", "NaN")],
)
def test_a_limit_that_cannot_be_is_refused_and_stays_to_be_corrected(
    admin: Client, field: str, typed: str
) -> None:
    before = limits_of(workspace_named("lab"))
    answer = admin.post(CHANGE, EMPTY | {field: typed, "queued": typed if field == "queued" else "7"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert f'value="{typed}"' in page
    assert page.count('class="field-error"') == 1
    assert limits_of(workspace_named("lab")) == before


def test_more_than_the_database_can_hold_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="at_once goes up to 2147483647"):
        set_limits(workspace_named("lab"), at_once=2**40)
