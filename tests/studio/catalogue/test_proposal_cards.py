"""Cards and confirmations of proposals: what the form requires, what is published, what an approval passes over."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from builds.models import Image
from builds.models.trial import Trial
from builds.review.evidence import CONFIRMATIONS, gather
from environments.catalogue.proposals import propose
from environments.definition import read
from environments.models import Role, Version
from environments.models.catalogue import Proposal, Stage
from environments.models.notifications import Notice
from environments.versions.service import save_reading
from tests.builds.scenarios import browser_of, person, queue_build, save_text, succeed_build, workspace_named
from tests.studio.catalogue.test_proposal_pages import REVIEW, VERSION, cora, decision, olga, text_of, waiting

__all__ = ["cora", "olga"]
pytestmark = pytest.mark.django_db


# Description, tags and topic of the card


def proposal_of(olga: User, **more: str) -> dict[str, str]:
    return {"target": "new", "name": "AzureML-forecast", "words": "Why.", "description": "For all."} | more


def test_a_proposal_has_description_tags_and_topic_of_its_card_and_they_are_published(
    olga: User, cora: User
) -> None:
    succeed_build(queue_build(save_text("numpy==2.1.3\n", user=olga, tags={"team": "a"}), olga))
    author = browser_of(olga)
    form = text_of(author, f"{VERSION}propose/")
    assert 'value="team=a"' in form
    author.post(
        f"{VERSION}propose/",
        proposal_of(olga, description="**Sound** things\r\nMore", tags="team=b, x", topic="sound"),
    )
    row = Proposal.objects.get()
    assert (row.description, row.tags) == ("**Sound** things\nMore", {"team": "b", "x": "", "topic": "sound"})
    page = text_of(browser_of(cora), f"{REVIEW}{row.pk}/")
    assert "catalogue.svg#sound" in page
    assert "team=b" in page
    browser_of(cora).post(f"{REVIEW}{row.pk}/decide", decision(row, "approve"))
    card = text_of(author, "/w/lab/environments/?tab=curated")
    assert "Sound things" in card
    assert "catalogue.svg#sound" in card
    assert Version.objects.get(environment__name="forecast").tags == {"team": "a"}  # the author's own stays


def test_a_newer_version_starts_with_the_description_that_was_proposed(olga: User) -> None:
    row = waiting(olga)
    Proposal.objects.filter(pk=row.pk).update(description="For all.", tags={"topic": "vision", "a": "1"})
    save_text("numpy==2.2.0\n", user=olga)
    form = text_of(browser_of(olga), f"{VERSION.replace('/1/', '/2/')}propose/")
    assert "For all.</textarea>" in form
    assert 'value="a=1"' in form
    assert 'value="vision" checked' in form


@pytest.mark.parametrize(
    ("sent", "field", "sentence"),
    [
        ({"description": " \n"}, "description", "Describe it: what it is for, and for whom."),
        ({"description": "x" * 5_001}, "description", "the limit is 5,000"),
        ({"tags": "=b"}, "tags", "has no name before"),
        ({"tags": "x" * 1_000_000}, "tags", "Tags have up to 2,000 characters."),
        ({"words": "w" * 1_000_000}, "words", "the limit is 5,000"),
        ({"name": "<script>alert(1)</script>"}, "name", "&lt;script&gt;"),
    ],
)
def test_what_a_card_cannot_have_is_refused_beside_its_field(
    sent: dict[str, str], field: str, sentence: str, olga: User
) -> None:
    save_text("numpy==2.1.3\n", user=olga)
    response = browser_of(olga).post(f"{VERSION}propose/", proposal_of(olga) | sent)
    page = response.content.decode()
    assert response.status_code == 422
    assert sentence in page
    assert f'id="{field}-hint" role="alert"' in page
    assert "<script>alert" not in page
    assert not Proposal.objects.exists()


def test_hostile_descriptions_and_topics_stay_text(olga: User, cora: User) -> None:
    evil = "<img src=x onerror=alert(1)>"
    save_text("numpy==2.1.3\n", user=olga)
    browser_of(olga).post(
        f"{VERSION}propose/", proposal_of(olga, description=evil, tags=evil, topic='"><b>', words=evil)
    )
    row = Proposal.objects.get()
    assert "topic" not in row.tags
    for path in (f"{REVIEW}{row.pk}/", REVIEW):
        assert "<img" not in text_of(browser_of(cora), path)


# Confirmations


@pytest.mark.parametrize(
    ("trial", "needed", "button"),
    [
        (None, ["host-base", "trial"], "Approve without the test"),
        ("running", ["host-base", "trial"], "Approve without the test"),
        ("failed", ["host-base", "trial-failed"], "Approve and publish"),
        ("untried", ["host-base"], "Approve and publish"),
        ("passed", ["host-base"], "Approve and publish"),
    ],
)
def test_an_approval_confirms_a_host_base_and_a_trial_that_did_not_pass(
    trial: str | None, needed: list[str], button: str, olga: User, cora: User
) -> None:
    row = waiting(olga)
    if trial:
        Trial.objects.create(digest=Image.objects.get().digest, state=trial)
    client = browser_of(cora)
    path = f"{REVIEW}{row.pk}/"
    page = text_of(client, path)
    assert [code for code in CONFIRMATIONS if f'value="{code}"' in page] == [
        c for c in CONFIRMATIONS if c in needed
    ]
    assert button in page
    assert ("btn-main" in page.partition('id="approval"')[2].partition("</form>")[0]) == (
        button == "Approve and publish"
    )
    seen = str(gather(row).seen)
    for missing in needed:
        sent = {
            "decision": "approve",
            "seen": seen,
            "words": "Kept",
            "confirm": [c for c in needed if c != missing],
        }
        response = client.post(f"{path}decide", sent)
        assert response.status_code == 422
        assert "Confirm it to approve." in response.content.decode()
        assert "Kept</textarea>" in response.content.decode()
    row.refresh_from_db()
    assert row.stage == Stage.WAITING
    client.post(f"{path}decide", {"decision": "approve", "seen": seen, "confirm": needed})
    row.refresh_from_db()
    assert row.stage == Stage.PUBLISHED


def test_an_image_of_a_registrys_base_needs_no_confirmation_of_it(olga: User, cora: User) -> None:
    reading = read("image: docker.io/library/python:3.12-slim\nname: x\n", "environment.yaml")
    version = save_reading(workspace_named("lab"), "forecast", reading, source="", user=olga).version
    succeed_build(queue_build(version, olga))
    row = propose(version, olga, name="AzureML-x", as_new=True, comment="Why.")
    assert 'value="host-base"' not in text_of(browser_of(cora), f"{REVIEW}{row.pk}/")
    assert "For trying out" not in text_of(browser_of(olga), f"{VERSION}propose/")


# The author is notified


@pytest.mark.parametrize(
    ("what", "subject"),
    [
        ("approve", "cora approved and published AzureML-forecast"),
        ("changes", "cora requested changes to AzureML-forecast"),
        ("refuse", "cora rejected AzureML-forecast"),
    ],
)
def test_every_decision_reaches_its_author(what: str, subject: str, olga: User, cora: User) -> None:
    row = waiting(olga)
    browser_of(cora).post(f"{REVIEW}{row.pk}/decide", decision(row, what, "See."))
    notice = Notice.objects.get(user=olga, kind="proposal")
    assert (notice.subject, notice.text, notice.address) == (subject, "See.", f"/w/lab/proposals/{row.pk}/")
    assert subject in text_of(browser_of(olga), "/account/notifications/")


def test_an_author_is_notified_when_a_colleague_withdraws_their_proposal_and_not_when_they_do(
    olga: User,
) -> None:
    row = waiting(olga)
    browser_of(person("carl", lab=Role.CONTRIBUTOR)).post(f"/w/lab/proposals/{row.pk}/withdraw")
    assert Notice.objects.get(user=olga, kind="proposal").subject == "carl withdrew AzureML-forecast"
    again = waiting(olga, "again", "six==1.16.0\n")
    browser_of(olga).post(f"/w/lab/proposals/{again.pk}/withdraw")
    assert Notice.objects.filter(user=olga, kind="proposal").count() == 1


# Warnings of solvers


def test_the_review_shows_what_the_solvers_warned_of(olga: User, cora: User) -> None:
    row = waiting(olga)
    image = Image.objects.get()
    assert image.lock is not None
    image.lock["warnings"] = ["seqeval 0.0.10 is used: 1.2.2 comes as source."]
    image.lock["skipped"] = [f"p{number} 2.0 is 3 days old; using 1.0" for number in range(30)]
    image.save()

    page = text_of(browser_of(cora), f"{REVIEW}{row.pk}/")

    assert "Warnings" in page
    assert "seqeval 0.0.10 is used: 1.2.2 comes as source." in page
    assert "p18 2.0 is 3 days old; using 1.0" in page
    assert "p19 2.0" not in page
    assert "and 11 more, in the log" in page
    assert "1 compatible" in page
