"""Proposals for the catalogue: every step from every stage, conflicts of interest, and notices."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from environments.catalogue import proposals
from environments.catalogue.proposals import answer, ask_for_changes, propose, publish, refuse, withdraw
from environments.catalogue.transitions import ReviewedState, StaleReview
from environments.errors import ServiceError
from environments.models import Event, Role, Version
from environments.models.catalogue import Proposal, ProposalStep, Stage
from environments.models.notifications import Notice
from environments.versions.service import archive_environment, archive_version
from tests.builds.scenarios import person, save_text

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    """A contributor who proposes."""
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def cora() -> User:
    """A curator who reviews."""
    return person("cora", curated=Role.CONTRIBUTOR)


def proposed(by: User, text: str = "numpy==2.1.3\n", name: str = "AzureML-forecast") -> Proposal:
    return propose(save_text(text, user=by), by, name=name, as_new=True, comment="Everybody forecasts.")


def seen(proposal: Proposal) -> ReviewedState:
    before = proposals.latest_curated(proposal.name)
    return ReviewedState(proposal.revision, before.pk if before else None)


Step = Callable[[Proposal, User, User], object]
STEPS: dict[str, Step] = {
    "answer": lambda row, olga, cora: answer(
        row, save_text(f"numpy==2.1.{10 + row.revision}\n", user=olga), olga, "Pinned."
    ),
    "changes": lambda row, olga, cora: ask_for_changes(row, cora, "Pin it."),
    "publish": lambda row, olga, cora: publish(row, cora, "", seen(row)),
    "refuse": lambda row, olga, cora: refuse(row, cora, "We have that already."),
    "withdraw": lambda row, olga, cora: withdraw(row, olga),
}
# By hand: where each step leads from each stage; None is refused.
TABLE: dict[Stage, dict[str, Stage | None]] = {
    Stage.WAITING: {
        "answer": Stage.WAITING,
        "changes": Stage.CHANGES,
        "publish": Stage.PUBLISHED,
        "refuse": Stage.REFUSED,
        "withdraw": Stage.WITHDRAWN,
    },
    Stage.CHANGES: {
        "answer": Stage.WAITING,
        "changes": None,
        "publish": None,
        "refuse": Stage.REFUSED,
        "withdraw": Stage.WITHDRAWN,
    },
    Stage.PUBLISHED: dict.fromkeys(STEPS),
    Stage.REFUSED: dict.fromkeys(STEPS),
    Stage.WITHDRAWN: dict.fromkeys(STEPS),
}
WAY = {
    Stage.WAITING: [],
    Stage.CHANGES: ["changes"],
    Stage.PUBLISHED: ["publish"],
    Stage.REFUSED: ["refuse"],
    Stage.WITHDRAWN: ["withdraw"],
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("stage", Stage.values)
def test_each_step_leads_from_each_stage_where_the_table_says(
    stage: str, step: str, olga: User, cora: User
) -> None:
    row = proposed(olga)
    for step in WAY[Stage(stage)]:
        STEPS[step](row, olga, cora)
    steps, events, versions = row.steps.count(), Event.objects.count(), Version.objects.count()
    due = TABLE[Stage(stage)][step]

    if due is None:
        with pytest.raises(ServiceError) as problem:
            STEPS[step](row, olga, cora)
        assert problem.value.code == "not-possible-now"
        assert Proposal.objects.get().stage == stage
        assert row.steps.count() == steps
        made = step == "answer"  # the version that was offered is saved by its people, and an event
        assert (Event.objects.count() - events, Version.objects.count() - versions) == (made, made)
    else:
        STEPS[step](row, olga, cora)
        assert Proposal.objects.get().stage == due
        assert row.steps.count() == steps + 1
        assert Event.objects.filter(verb=f"proposal.{row.steps.last().action}").exists()  # type: ignore[union-attr]


# Publishing


def test_what_is_published_is_the_very_definition_that_was_proposed(olga: User, cora: User) -> None:
    row = proposed(olga)
    save_text("numpy==2.2.0\n", user=olga)  # not what was proposed

    version = publish(row, cora, "Good.", seen(row))

    assert str(version) == "AzureML-forecast:1"
    assert version.environment.workspace.curated
    assert (version.hash, version.definition) == (row.version.hash, row.version.definition)
    assert version.kind == "curated"
    assert version.created_by == cora
    assert Proposal.objects.get().published == version


def test_the_next_version_follows_the_latest(olga: User, cora: User) -> None:
    before = save_text("numpy==2.0.0\n", name="AzureML-x", workspace="curated")
    row = propose(
        save_text("numpy==2.1.3\n", user=olga), olga, name="AzureML-x", as_new=False, comment="Newer."
    )

    version = publish(row, cora, "", seen(row))

    assert str(version) == "AzureML-x:2"
    assert Proposal.objects.get().before == before


def test_a_review_against_an_older_version_names_the_version_in_between(olga: User, cora: User) -> None:
    save_text("numpy==2.0.0\n", name="AzureML-x", workspace="curated")
    row = propose(
        save_text("numpy==2.1.3\n", user=olga), olga, name="AzureML-x", as_new=False, comment="Newer."
    )
    looked = seen(row)
    save_text("numpy==2.0.1\n", name="AzureML-x", workspace="curated")

    with pytest.raises(StaleReview, match=r"AzureML-x:2 was published in the meantime"):
        publish(row, cora, "", looked)

    assert Proposal.objects.get().stage == Stage.WAITING


def test_the_second_of_two_curators_learns_who_decided(olga: User, cora: User) -> None:
    dora = person("dora", curated=Role.CONTRIBUTOR)
    proposed(olga)
    mine, hers = Proposal.objects.get(), Proposal.objects.get()
    publish(mine, cora, "", seen(mine))

    with pytest.raises(StaleReview, match="cora approved and published AzureML-forecast in the meantime"):
        refuse(hers, dora, "No.", ReviewedState(1))

    assert Version.objects.filter(environment__workspace__curated=True).count() == 1
    assert [step.action for step in mine.steps.all()] == ["proposed", "published"]


def test_what_was_looked_at_is_what_is_decided_about(olga: User, cora: User) -> None:
    """A newer version that was proposed meanwhile is not approved by a review of the previous version."""
    row = proposed(olga)
    looked = seen(row)
    answer(row, save_text("numpy==2.2.0\n", user=olga), olga, "A newer one.")

    with pytest.raises(StaleReview, match="olga proposed forecast:2"):
        publish(row, cora, "", looked)

    assert Proposal.objects.get().stage == Stage.WAITING


def test_two_that_want_the_same_new_name_get_it_once(olga: User, cora: User) -> None:
    first = proposed(olga)
    other = save_text("idna==3.10\n", name="other", user=olga)
    second = propose(other, olga, name="AzureML-forecast", as_new=True, comment="Too.")
    looked = seen(second)
    publish(first, cora, "", seen(first))

    with pytest.raises(StaleReview):
        publish(second, cora, "", looked)
    again = Proposal.objects.get(pk=second.pk)
    with pytest.raises(ServiceError) as problem:  # and after another look
        publish(again, cora, "", seen(again))
    assert problem.value.code == "name-taken"


# Nobody decides about their own


@pytest.mark.parametrize("role", ["proposer", "author", "answerer"])
def test_nobody_decides_about_their_own(role: str, olga: User) -> None:
    """Neither does an admin."""
    boss = person("boss", lab=Role.OWNER, curated=Role.OWNER)
    boss.is_superuser = True
    boss.save()
    version = save_text("numpy==2.1.3\n", user=boss if role == "author" else olga)
    row = propose(
        version, boss if role == "proposer" else olga, name="AzureML-x", as_new=True, comment="It is good."
    )
    if role == "answerer":
        answer(row, save_text("numpy==2.2.0\n", user=olga), boss, "Newer.")

    decisions: list[Callable[[], object]] = [
        lambda: publish(row, boss, "", seen(row)),
        lambda: refuse(row, boss, "No."),
        lambda: ask_for_changes(row, boss, "Yes, but."),
    ]
    for decide in decisions:
        with pytest.raises(ServiceError) as problem:
            decide()
        assert problem.value.code == "own-proposal"
    assert Proposal.objects.get().stage == Stage.WAITING


# Refused proposals


def test_a_proposal_needs_a_reason_a_name_and_something_new(olga: User, cora: User) -> None:
    there = save_text("numpy==2.0.0\n", name="AzureML-x", workspace="curated")
    version = save_text("numpy==2.1.3\n", user=olga)
    same = save_text("numpy==2.0.0\n", name="same", user=olga)

    def code(version: Version, name: str, as_new: bool = True, comment: str = "Good.") -> str:
        with pytest.raises(ServiceError) as problem:
            propose(version, olga, name=name, as_new=as_new, comment=comment)
        return problem.value.code

    assert code(version, "AzureML-y", comment=" \n ") == "reason-missing"
    assert code(version, "AzureML-y", comment="x" * 5001) == "words-too-long"
    assert code(version, "not a name") == "name-invalid"
    assert code(version, "AzureML-x") == "name-taken"
    assert code(version, "AzureML-z", as_new=False) == "no-such-environment"
    assert code(same, "AzureML-x", as_new=False) == "same-content"
    assert code(there, "AzureML-y") == "curated-already"
    archive_environment(there.environment, cora)
    assert code(version, "AzureML-x", as_new=False) == "environment-archived"
    archive_version(version, olga)
    assert code(version, "AzureML-y") == "version-archived"
    assert not Proposal.objects.exists()
    assert not ProposalStep.objects.exists()


def test_an_environment_is_proposed_once_at_a_time(olga: User, cora: User) -> None:
    row = proposed(olga)
    newer = save_text("numpy==2.2.0\n", user=olga)
    with pytest.raises(ServiceError) as problem:
        propose(newer, olga, name="AzureML-other", as_new=True, comment="Good.")
    assert problem.value.code == "already-proposed"
    refuse(row, cora, "No.")
    assert propose(newer, olga, name="AzureML-other", as_new=True, comment="Good.").open


def test_only_a_newer_version_of_the_same_environment_answers(olga: User, cora: User) -> None:
    older = save_text("numpy==2.0.0\n", user=olga)
    row = proposed(olga)
    ask_for_changes(row, cora, "Pin it.")
    for version in (older, row.version, save_text("six==1.16.0\n", name="other", user=olga)):
        with pytest.raises(ServiceError) as problem:
            answer(row, version, olga, "Here.")
        assert problem.value.code == "not-newer"
    assert Proposal.objects.get().stage == Stage.CHANGES


# Notices


def test_curators_get_notices_of_proposals_and_authors_of_decisions(olga: User, cora: User) -> None:
    row = proposed(olga)
    ask_for_changes(row, cora, "Pin it.")
    notices = [
        (notice.user.username, notice.subject, notice.text, notice.address)
        for notice in Notice.objects.order_by("pk")
    ]
    assert notices == [
        (
            "cora",
            "forecast:1 is proposed for the catalogue, as AzureML-forecast",
            "Everybody forecasts.",
            f"/w/curated/proposals/{row.pk}/",
        ),
        ("olga", "cora requested changes to AzureML-forecast", "Pin it.", f"/w/lab/proposals/{row.pk}/"),
    ]
