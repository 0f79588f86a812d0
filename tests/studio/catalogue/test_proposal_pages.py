"""The catalogue's review on the pages: who sees what, what the forms keep, and what everybody sees in the end."""

from __future__ import annotations

import datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from builds.models import Build
from builds.review.evidence import CONFIRMATIONS, gather
from environments.catalogue.deprecations import deprecate
from environments.catalogue.proposals import ask_for_changes, propose
from environments.models import Role
from environments.models.catalogue import Deprecation, Proposal, Stage
from tests.builds.scenarios import browser_of, person, queue_build, save_text, succeed_build
from tests.studio.html import collapsed

pytestmark = pytest.mark.django_db
VERSION = "/w/lab/environments/forecast/versions/1/"
REVIEW = "/w/curated/proposals/"
CURATED = "/w/curated/environments/AzureML-forecast/"
LONG = "a-name-that-somebody-generated." + "x" * 200


@pytest.fixture
def olga() -> User:
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def cora() -> User:
    return person("cora", curated=Role.CONTRIBUTOR)


def waiting(
    olga: User, name: str = "forecast", text: str = "numpy==2.1.3\n", *, built: bool = True
) -> Proposal:
    version = save_text(text, name=name, user=olga)
    if built:
        succeed_build(queue_build(version, olga))
    return propose(version, olga, name=f"AzureML-{name}"[:255], as_new=True, comment=f"Why {name}.")


def text_of(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, path
    return collapsed(response.content.decode())


def decision(row: Proposal, what: str, comment: str = "", seen: str = "") -> dict[str, object]:
    confirmed = list(CONFIRMATIONS)
    return {"decision": what, "words": comment, "seen": seen or str(gather(row).seen), "confirm": confirmed}


# From the proposal to the catalogue


def test_from_a_version_to_the_catalogue_that_everybody_sees(olga: User, cora: User) -> None:
    succeed_build(queue_build(save_text("numpy==2.1.3\n", user=olga), olga))
    author, curator = browser_of(olga), browser_of(cora)
    assert "Propose" in text_of(author, VERSION)
    assert 'value="AzureML-forecast"' in text_of(author, f"{VERSION}propose/")

    sent = author.post(
        f"{VERSION}propose/",
        {"target": "new", "name": "AzureML-forecast", "words": "All forecast.", "description": "For all."},
    )
    row = Proposal.objects.get()
    assert sent["Location"] == f"/w/lab/proposals/{row.pk}/"
    assert "forecast:1 is proposed as AzureML-forecast for the catalogue" in text_of(author, VERSION)
    assert "Your review" not in text_of(author, sent["Location"])

    assert "AzureML-forecast" in text_of(curator, REVIEW)
    page = text_of(curator, f"{REVIEW}{row.pk}/")
    for word in (
        "All forecast.",
        "numpy==2.1.3",
        "Approve without the test",
        "1 compatible",
        "For all.",
    ):
        assert word in page
    done = curator.post(f"{REVIEW}{row.pk}/decide", decision(row, "approve", "Thanks."), follow=True)
    assert "AzureML-forecast:1 is published" in done.content.decode()

    stranger = browser_of(person("stan", other=Role.READER))
    assert "forecast" in text_of(stranger, "/w/other/environments/?tab=curated")
    assert "state-good" in text_of(stranger, CURATED)
    assert Build.objects.count() == 1
    assert "Thanks." in text_of(author, f"/w/lab/proposals/{row.pk}/")
    assert "Thanks." in text_of(author, "/w/lab/activity/?what=catalogue")


def test_asked_changes_are_answered_by_a_newer_version_on_the_same_proposal(olga: User, cora: User) -> None:
    row = waiting(olga)
    author, curator = browser_of(olga), browser_of(cora)
    curator.post(f"{REVIEW}{row.pk}/decide", decision(row, "changes", "Pin six too."))
    assert "A curator requested changes before forecast:1" in text_of(author, VERSION)
    assert "Pin six too." in text_of(author, f"/w/lab/proposals/{row.pk}/")

    save_text("numpy==2.1.3\nsix==1.16.0\n", user=olga)
    newer = VERSION.replace("/1/", "/2/")
    assert "forecast:2 will replace it" in text_of(author, f"{newer}propose/")
    author.post(f"{newer}propose/", {"words": "Done.", "description": "For all."})

    row.refresh_from_db()
    assert (row.stage, row.version.number) == (Stage.WAITING, 2)
    page = text_of(curator, f"{REVIEW}{row.pk}/")
    assert "Done." in page
    assert "You can approve it once it is built." in page  # of the new version
    assert Proposal.objects.count() == 1


# Errors appear at their fields, and keep the input


def test_a_refused_form_keeps_what_was_typed_and_says_why(olga: User, cora: User) -> None:
    save_text("numpy==2.1.3\n", user=olga)
    author = browser_of(olga)
    for sent, sentence in (
        ({"target": "new", "name": "no name", "words": "My words"}, "My words"),
        (
            {"target": "new", "name": "AzureML-mine", "words": " "},
            "Explain why it should be in the catalogue",
        ),
        ({"target": "next", "existing": "AzureML-gone", "words": "x"}, "The catalogue has no AzureML-gone."),
        ({"target": "new", "name": "AzureML-\0x", "words": "x" * 6000}, "the limit is 5,000"),
    ):
        response = author.post(f"{VERSION}propose/", sent | {"description": "For all."})
        assert response.status_code == 422
        assert sentence in response.content.decode()
    assert not Proposal.objects.exists()


def test_a_decision_on_what_has_changed_meanwhile_is_refused_with_the_words_kept(
    olga: User, cora: User
) -> None:
    row = waiting(olga)
    ask_for_changes(row, person("dora", curated=Role.CONTRIBUTOR), "Pin it.")
    response = browser_of(cora).post(
        f"{REVIEW}{row.pk}/decide", {"decision": "refuse", "words": "A long text", "seen": "1.0."}
    )
    page = response.content.decode()
    assert response.status_code == 409
    assert "dora requested changes to AzureML-forecast in the meantime." in page
    assert "A long text" in page
    row.refresh_from_db()
    assert row.stage == Stage.CHANGES


@pytest.mark.parametrize("seen", ["", "x", "9" * 30 + ".1.x", "1." + "9" * 30 + ".x", "-1.0.", "\0"])
def test_a_form_that_is_made_up_changes_nothing(seen: str, olga: User, cora: User) -> None:
    row = waiting(olga)
    for sent in ({"decision": "approve", "seen": seen}, {"decision": "whatever", "seen": seen}, {}):
        assert browser_of(cora).post(f"{REVIEW}{row.pk}/decide", sent).status_code in {409, 422}
    row.refresh_from_db()
    assert row.stage == Stage.WAITING


def test_refusing_and_asking_need_words(olga: User, cora: User) -> None:
    row = waiting(olga)
    for what in ("refuse", "changes"):
        response = browser_of(cora).post(f"{REVIEW}{row.pk}/decide", decision(row, what, " "))
        assert response.status_code == 422
    row.refresh_from_db()
    assert row.stage == Stage.WAITING


# Access


def test_an_admin_cannot_decide_on_their_own_proposal(olga: User) -> None:
    boss = person("boss", lab=Role.OWNER)
    boss.is_superuser = True
    boss.save()
    row = waiting(boss)
    client = browser_of(boss)
    assert "Another curator decides about it" in text_of(client, f"{REVIEW}{row.pk}/")
    response = client.post(f"{REVIEW}{row.pk}/decide", decision(row, "approve"))
    assert response.status_code == 422
    row.refresh_from_db()
    assert row.stage == Stage.WAITING


@pytest.mark.parametrize(
    ("roles", "entries"),
    [
        ({"lab": Role.READER}, []),
        ({"lab": Role.CONTRIBUTOR}, ["/w/lab/proposals/"]),
        ({"lab": Role.READER, "curated": Role.CONTRIBUTOR}, [REVIEW]),
        ({"lab": Role.CONTRIBUTOR, "curated": Role.CONTRIBUTOR}, ["/w/lab/proposals/", REVIEW]),
    ],
)
def test_the_catalogues_entries_in_the_navigation_are_those_that_lead_somewhere(
    roles: dict[str, Role], entries: list[str]
) -> None:
    page = text_of(browser_of(person("paul", **roles)), "/w/lab/environments/")
    navigation = page.partition('class="sections"')[2].partition("</nav>")[0]
    assert 'href="/w/lab/environments/?tab=curated"' in navigation
    assert [entry for entry in ("/w/lab/proposals/", REVIEW) if f'href="{entry}"' in navigation] == entries


def test_the_frame_names_the_catalogue_while_a_curator_decides_and_their_workspace_afterwards(
    olga: User,
) -> None:
    row = waiting(olga)
    client = browser_of(person("cora", curated=Role.CONTRIBUTOR, shop=Role.OWNER))
    client.get("/w/shop/environments/")
    for path in (REVIEW, f"{REVIEW}{row.pk}/"):
        assert "Workspace Curated environments, switch workspace" in text_of(client, path)
    assert "Workspace Shop, switch workspace" in text_of(client, "/w/curated/environments/")
    assert client.get("/")["Location"] == "/w/shop/environments/"


def test_people_see_the_proposals_of_their_workspace_and_no_other(olga: User) -> None:
    mine = waiting(olga)
    paul = person("paul", shop=Role.CONTRIBUTOR)
    version = save_text("six==1.16.0\n", name="secret", workspace="shop", user=paul)
    theirs = propose(version, paul, name="AzureML-secret", as_new=True, comment="Ours.")
    author = browser_of(olga)
    page = text_of(author, "/w/lab/proposals/?state=all")
    assert "AzureML-forecast" in page
    assert "AzureML-secret" not in page
    text_of(author, f"/w/lab/proposals/{mine.pk}/")
    text_of(author, f"/w/lab/proposals/{theirs.pk}/", 404)
    text_of(author, f"/w/shop/proposals/{theirs.pk}/", 404)
    text_of(author, f"{REVIEW}{mine.pk}/", 403)
    # Curators do not withdraw, nor do people of another workspace.
    cora = browser_of(person("cora", curated=Role.CONTRIBUTOR))
    assert cora.post(f"{REVIEW}{mine.pk}/withdraw").status_code == 404
    assert author.post(f"/w/lab/proposals/{theirs.pk}/withdraw").status_code == 404
    assert author.post(f"/w/lab/proposals/{mine.pk}/withdraw", follow=True).status_code == 200
    mine.refresh_from_db()
    assert mine.stage == Stage.WITHDRAWN


def test_a_curator_has_it_built_without_being_a_member_of_its_workspace(olga: User, cora: User) -> None:
    row = waiting(olga, built=False)
    client = browser_of(cora)
    assert "Not built yet." in text_of(client, f"{REVIEW}{row.pk}/")
    assert "Building." in client.post(f"{REVIEW}{row.pk}/build", follow=True).content.decode()
    build = Build.objects.get()
    assert build.workspace.name == "lab"
    assert "Building now." in text_of(client, f"{REVIEW}{row.pk}/")
    text_of(client, f"/w/lab/builds/{build.pk}/", 404)


# The list


@pytest.mark.parametrize(
    "state", ["", "all", "changes", "published", "refused", "withdrawn", "deprecated", "x"]
)
def test_an_empty_review_says_what_it_is_for(state: str, cora: User) -> None:
    page = text_of(browser_of(cora), f"{REVIEW}?state={state}")
    assert ("No proposals waiting" if state in ("", "x") else 'class="nothing"') in page


def test_the_list_is_oldest_first_and_takes_as_many_queries_for_fifty(olga: User, cora: User) -> None:
    client, counts = browser_of(cora), []
    for rows in (27, 13):
        for number in range(rows):
            waiting(olga, f"e{rows}-{number}", f"a=={rows}.{number}\n", built=number % 2 == 0)
        client.get(REVIEW)
        with CaptureQueriesContext(connection) as queries:
            page = text_of(client, REVIEW)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert page.index("AzureML-e27-0") < page.index("AzureML-e27-2")
    assert "AzureML-e13-10" not in page.partition("<main")[2]
    assert "AzureML-e13-10" in text_of(client, f"{REVIEW}?page=2")
    assert "AzureML-e27-1" in text_of(client, f"{REVIEW}?q=e27-1")
    assert "No matching proposals" in text_of(client, f"{REVIEW}?q=%25")
    text_of(client, f"{REVIEW}?q=%00&page=x")


def test_long_names_are_shown(olga: User, cora: User) -> None:
    row = waiting(olga, LONG)
    assert LONG in text_of(browser_of(cora), f"{REVIEW}{row.pk}/")
    assert LONG in text_of(browser_of(cora), REVIEW)


# Deprecating


def leaving(days: int = 30, **more: object) -> dict[str, object]:
    return {
        "on": (timezone.localdate() + datetime.timedelta(days=days)).isoformat(),
        "words": "A hole.",
    } | more


def test_what_is_deprecated_says_so_where_it_is_used(olga: User, cora: User) -> None:
    version = save_text("numpy==2.0.0\n", name="AzureML-forecast", workspace="curated")
    save_text("numpy==2.1.0\n", name="AzureML-after", workspace="curated")
    save_text("numpy==2.0.1\n", user=olga, based_on=version)
    curator = browser_of(cora)
    text_of(curator, f"{CURATED}deprecate/")
    curator.post(f"{CURATED}deprecate/", leaving(successor="AzureML-after"))

    reader = browser_of(person("stan", other=Role.READER))
    page = text_of(reader, CURATED)
    for word in ("AzureML-forecast is deprecated", "A hole.", "Use AzureML-after instead."):
        assert word in page
    assert "Undo deprecation" not in page
    assert text_of(reader, "/w/other/environments/?tab=curated").count("<span>Deprecated</span>") == 1
    assert "Start from it" in text_of(browser_of(olga), CURATED)
    page = text_of(browser_of(olga), VERSION)
    assert "This was started from AzureML-forecast:1, which is deprecated" in page
    assert "Start from AzureML-after instead." in page
    assert "A hole." in text_of(curator, f"{REVIEW}?state=deprecated")


def test_its_buttons_retire_it_from_its_day_on_and_keep_it_after_all(cora: User) -> None:
    save_text("numpy==2.0.0\n", name="AzureML-forecast", workspace="curated")
    curator = browser_of(cora)
    curator.post(f"{CURATED}deprecate/", leaving(days=0))
    row = Deprecation.objects.get()
    page = curator.post(f"/w/curated/deprecations/{row.pk}/retire", follow=True).content.decode()
    assert "AzureML-forecast is retired" in page
    olga = browser_of(person("olga", lab=Role.CONTRIBUTOR))
    assert "Start from it" not in text_of(olga, CURATED)
    again = curator.post(f"/w/curated/deprecations/{row.pk}/retire", follow=True).content.decode()
    assert "in the meantime" in again
    restored = curator.post(f"{CURATED}archive", {"restore": "yes"}, follow=True).content.decode()
    assert "A curator ends its deprecation, and it comes back." in restored
    page = curator.post(f"/w/curated/deprecations/{row.pk}/keep", follow=True).content.decode()
    assert "AzureML-forecast is no longer deprecated" in page
    assert 'id="deprecated"' not in page
    assert curator.post(f"/w/curated/deprecations/{row.pk}/keep").status_code == 404


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"on": ""}, "Write the day as 2027-01-31."),
        ({"on": "2020-01-01"}, "is in the past"),
        ({"words": ""}, "Say why"),
        ({"successor": "AzureML-forecast"}, "replace itself"),
        ({"successor": "nothing"}, "The catalogue has no nothing."),
        ({"version": "9"}, "has no version 9"),
    ],
)
def test_a_deprecation_that_cannot_be_is_refused_beside_its_field(
    sent: dict[str, str], sentence: str, cora: User
) -> None:
    save_text("numpy==2.0.0\n", name="AzureML-forecast", workspace="curated")
    response = browser_of(cora).post(f"{CURATED}deprecate/", leaving() | sent)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not Deprecation.objects.exists()


def test_an_environments_page_takes_no_more_queries_for_a_long_chain_of_versions(
    olga: User, cora: User
) -> None:
    version = save_text("numpy==2.0.0\n", name="AzureML-forecast", workspace="curated")
    deprecate(version.environment, cora, on=timezone.localdate(), reason="A hole.")
    before = save_text("numpy==2.0.1\n", user=olga, based_on=version)
    client = browser_of(olga)

    client.get(VERSION)
    with CaptureQueriesContext(connection) as queries:
        client.get(VERSION)
    first_count = len(queries)
    for number in range(20):
        before = save_text(f"numpy==2.1.{number}\n", user=olga, based_on=before)
    client.get(VERSION.replace("/1/", "/21/"))  # its findings are read once an hour
    with CaptureQueriesContext(connection) as queries:
        page = text_of(client, VERSION.replace("/1/", "/21/"))
    assert "This was started from AzureML-forecast:1," in page
    assert len(queries) == first_count


def test_a_curator_goes_from_one_that_waits_to_the_next_and_passes_over_their_own(
    olga: User, cora: User
) -> None:
    first, second, third = (waiting(olga, name, f"numpy==2.1.{n}\n") for n, name in enumerate("abc"))
    mine = waiting(olga, "mine", "six==1.16.0\n")
    Proposal.objects.filter(pk=mine.pk).update(proposed_by=cora)
    curator = browser_of(cora)

    def following(row: Proposal) -> str | None:
        proposal = curator.get(f"{REVIEW}{row.pk}/").context["following"]
        return proposal.name if proposal else None

    assert [following(row) for row in (first, second, third)] == ["AzureML-b", "AzureML-c", "AzureML-a"]
    page = curator.post(f"{REVIEW}{second.pk}/decide", decision(second, "refuse", "No."), follow=True)
    assert f'href="{REVIEW}{first.pk}/" title="AzureML-a"' in page.content.decode()
    for row in (first, third):
        curator.post(f"{REVIEW}{row.pk}/decide", decision(row, "refuse", "No."))
    assert following(third) is None
    assert browser_of(olga).get(f"/w/lab/proposals/{first.pk}/").context["following"] is None
