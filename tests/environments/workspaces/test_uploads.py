"""Settings → Uploads: how old packages must be in a workspace, on the page and in the API."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from environments.definition.model import Cutoff
from environments.models import Event, Role, Workspace
from environments.workspaces.uploads import upload_policy
from tests.builds.scenarios import browser_of, person

pytestmark = pytest.mark.django_db

PAGE = "/w/lab/settings/?tab=uploads"
CHANGE = "/w/lab/settings/uploads"
API = "/api/v1/workspaces/lab/uploads/"


@pytest.fixture
def olga() -> Client:
    """An owner of the workspace `lab`."""
    return browser_of(person("olga", lab=Role.OWNER))


def policy() -> Cutoff:
    return upload_policy(Workspace.objects.get(name="lab"))


def put(client: Client, **sent: object) -> tuple[int, dict[str, object]]:
    answer = client.put(API, json.dumps(sent), content_type="application/json")
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"limit": "soon"}, "neither a date nor an age"),
        ({"limit": "1 month"}, "no fixed length"),
        ({"limit": "2026-02-30"}, "no such date"),
        ({"limit": "14 days", "exceptions": "numpy"}, "has no limit"),
        ({"limit": "14 days", "exceptions": "numpy: sometimes"}, "neither a date nor an age"),
        ({"limit": "14 days", "exceptions": "<b>: any"}, "neither a package"),
        ({"limit": "14 days", "exceptions": "a: any\n" * 10_000}, "50000 characters"),
        ({"limit": "14 days", "exceptions": "".join(f"p{n}: any\n" for n in range(501))}, "up to 500"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_stays_to_be_corrected(
    olga: Client, typed: dict[str, str], message: str
) -> None:
    answer = olga.post(CHANGE, typed)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert message in page
    assert 'role="alert"' in page
    assert f'value="{typed["limit"]}"' in page
    assert "<b>" not in page.partition("<textarea")[2].partition("</textarea>")[0]
    assert policy() == Cutoff()
    assert not Event.objects.exists()


def test_an_owner_sets_changes_and_removes_the_policy_with_a_message_each(olga: Client) -> None:
    page = olga.post(
        CHANGE, {"limit": "2 weeks", "exceptions": "NumPy: any\nhttps://x.example/simple: 1d\n"}, follow=True
    ).content.decode()
    assert "Builds skip packages that are too new" in page
    assert 'value="14 days"' in page
    assert "https://x.example/simple: 1 day\nnumpy: any" in page
    expected = Cutoff(newest="14 days", exceptions={"numpy": "any", "https://x.example/simple": "1 day"})
    assert policy() == expected
    same = {"limit": "P14D", "exceptions": "numpy: any\nhttps://x.example/simple: 24 hours"}
    assert "No changes to save" in olga.post(CHANGE, same, follow=True).content.decode()
    olga.post(CHANGE, {"limit": "2026-06-01"})
    assert policy() == Cutoff(as_of="2026-06-01")
    assert "Packages of any age are used" in olga.post(CHANGE, {"limit": ""}, follow=True).content.decode()
    assert policy() == Cutoff()

    assert list(Event.objects.order_by("pk").values_list("verb", "before", "after")) == [
        (
            "workspace.uploads",
            {"limit": "", "exceptions": {}},
            {"limit": "14 days", "exceptions": {"numpy": "any", "https://x.example/simple": "1 day"}},
        ),
        (
            "workspace.uploads",
            {"limit": "14 days", "exceptions": {"numpy": "any", "https://x.example/simple": "1 day"}},
            {"limit": "2026-06-01", "exceptions": {}},
        ),
        (
            "workspace.uploads",
            {"limit": "2026-06-01", "exceptions": {}},
            {"limit": "", "exceptions": {}},
        ),
    ]
    assert "2026-06-01 → none" in olga.get("/w/lab/activity/").content.decode()


def test_contributors_read_it_and_cannot_change_it(olga: Client) -> None:
    olga.post(CHANGE, {"limit": "14 days", "exceptions": "numpy: any"})
    mia = browser_of(person("mia", lab=Role.CONTRIBUTOR))

    page = mia.get(PAGE).content.decode()
    assert "Only packages that are at least 14 days old are used." in page
    assert "numpy: any" in page
    assert "<textarea" not in page
    assert mia.post(CHANGE, {"limit": ""}).status_code == 403


def test_the_api_gives_and_changes_it(olga: Client) -> None:
    assert olga.get(API).json() == {"limit": "", "exceptions": {}}
    assert put(olga, limit="2 weeks", exceptions={"NumPy": "any"}) == (
        200,
        {"limit": "14 days", "exceptions": {"numpy": "any"}},
    )
    status, answer = put(olga, limit="soon")
    assert status == 400
    assert "neither a date nor an age" in json.dumps(answer)
    assert put(olga, limit="")[1] == {"limit": "", "exceptions": {}}
    assert policy() == Cutoff()
