"""Approving what is proposed: with the image that was seen, once, on both databases (issue 6 point 6)."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from builds.models import Build, Image, ImagePackage
from builds.queue.requests import image_status, request_build
from builds.review.evidence import approve, build_proposed, gather, image_to_serve, summarize_proposals
from environments.catalogue.proposals import answer, propose, refuse, withdraw
from environments.catalogue.transitions import StaleReview
from environments.errors import ServiceError
from environments.models import Event, Role, Version
from environments.models.catalogue import Proposal, ProposalStep, Stage
from tests.builds.scenarios import fail_build, image_for, person, queue_build, save_text, succeed_build

pytestmark = pytest.mark.usefixtures("either_database")


def waiting(text: str = "numpy==2.1.3\n", name: str = "forecast", *, built: bool = True) -> Proposal:
    """Return a proposal that waits, of a version with an image."""
    olga = User.objects.filter(username="olga").first() or person("olga", lab=Role.CONTRIBUTOR)
    version = save_text(text, name=name, user=olga)
    if built:
        succeed_build(queue_build(version, olga))
    return propose(version, olga, name=f"AzureML-{name}", as_new=True, comment="Good.")


@pytest.mark.django_db
def test_what_is_approved_is_ready_for_everybody_at_once() -> None:
    """Same definition, same hash, same image: nothing is built (rules 4, 8, 10)."""
    row, cora = waiting(), person("cora", curated=Role.CONTRIBUTOR)
    builds = Build.objects.count()

    version = approve(row, cora, "", gather(row).seen)

    mine, everybodys = Image.objects.get(workspace__name="lab"), Image.objects.get(workspace__curated=True)
    assert (everybodys.hash, everybodys.digest, everybodys.lock) == (mine.hash, mine.digest, mine.lock)
    assert everybodys.name == f"curated/{mine.repository}"
    assert image_status(version).image == everybodys
    assert request_build(save_text("numpy==2.1.3\n", name="copy", workspace="shop")).image == everybodys
    assert Build.objects.count() == builds
    assert (
        ImagePackage.objects.filter(image=everybodys).count()
        == ImagePackage.objects.filter(image=mine).count()
    )


@pytest.mark.django_db
def test_a_version_without_an_image_or_with_a_rebuilt_image_cannot_be_approved() -> None:
    row, cora = waiting(built=False), person("cora", curated=Role.CONTRIBUTOR)
    with pytest.raises(ServiceError, match="forecast:1 has no image") as problem:
        approve(row, cora, "", gather(row).seen)
    assert problem.value.code == "not-built"

    image = image_for(row.version)
    seen = gather(Proposal.objects.get()).seen
    Image.objects.filter(pk=image.pk).update(digest=f"sha256:{'0' * 64}")
    with pytest.raises(StaleReview, match="was rebuilt"):
        approve(Proposal.objects.get(), cora, "", seen)

    assert Proposal.objects.get().stage == Stage.WAITING
    assert not Version.objects.filter(environment__workspace__curated=True).exists()
    assert ProposalStep.objects.count() == 1
    assert not Event.objects.filter(verb="proposal.published").exists()


@pytest.mark.django_db
def test_an_image_of_the_catalogue_is_the_reviewed_image() -> None:
    row, cora = waiting(), person("cora", curated=Role.CONTRIBUTOR)
    there = image_for(save_text("numpy==2.1.3\n", name="AzureML-same", workspace="curated"))
    Image.objects.filter(pk=there.pk).update(digest=f"sha256:{'1' * 64}")

    assert image_to_serve(row.version) == there
    approve(row, cora, "", gather(row).seen)
    assert Image.objects.filter(workspace__curated=True).count() == 1


@pytest.mark.django_db
def test_the_evidence_is_of_the_very_version_that_is_proposed() -> None:
    before = save_text("numpy==2.0.0\n", name="AzureML-forecast", workspace="curated")
    small = image_for(before)
    Image.objects.filter(pk=small.pk).update(size=80_000_000)
    olga = person("olga", lab=Role.CONTRIBUTOR)
    version = save_text("numpy==2.1.3\nsix\n", user=olga)
    row = propose(version, olga, name="AzureML-forecast", as_new=False, comment="Newer.")
    save_text("numpy==2.2.0\n", user=olga)  # later, and not proposed

    bare = gather(row)
    assert (bare.state, bare.image, bare.conflicts, bare.grown, bare.resolved) == (
        "none",
        None,
        None,
        None,
        None,
    )
    assert bare.difference is not None
    assert [(package.name, package.change) for package in bare.difference.packages] == [
        ("numpy", "upgraded"),
        ("six", "added"),
    ]
    assert "unpinned" in " ".join(finding.code for finding in bare.findings)

    build = build_proposed(row, person("cora", curated=Role.CONTRIBUTOR)).build
    assert build is not None
    assert gather(row).state == "queued"
    fail_build(build)
    assert gather(row).build == build
    succeed_build(queue_build(version, olga))
    full = gather(row)
    assert (full.state, full.conflicts, full.grown) == ("ready", [], 8_400_000)
    assert full.resolved is not None


@pytest.mark.django_db
def test_what_was_published_is_still_compared_with_what_was_there_then() -> None:
    row, cora = waiting(), person("cora", curated=Role.CONTRIBUTOR)
    approve(row, cora, "", gather(row).seen)
    save_text("numpy==2.2.0\n", name="AzureML-forecast", workspace="curated")
    assert gather(Proposal.objects.get()).before is None


@pytest.mark.django_db
def test_a_list_takes_as_many_queries_for_ten_as_for_three() -> None:
    rows = [waiting(f"numpy==2.{n}.0\n", name=f"e{n}", built=n % 2 == 0) for n in range(10)]
    counts = []
    for some in (rows[:3], rows):
        with CaptureQueriesContext(connection) as queries:
            summaries = summarize_proposals(
                Proposal.objects.filter(pk__in=[row.pk for row in some]).select_related(
                    "version__environment__workspace"
                )
            )
        counts.append(len(queries))
        assert {summary.state for summary in summaries} == {"ready", "none"}
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("against", ["approve", "refuse", "answer", "withdraw"])
def test_of_two_concurrent_decisions_one_wins_and_the_other_is_refused(against: str) -> None:
    row = waiting()
    newer = save_text("numpy==2.2.0\n", user=row.proposed_by)
    curators = [person(name, curated=Role.CONTRIBUTOR) for name in ("cora", "dora")]
    seen = gather(row).seen
    start = threading.Barrier(2)
    won: list[str] = []
    refusals: list[Exception] = []

    def do(what: str, who: User) -> None:
        mine = Proposal.objects.select_related("version__environment__workspace").get()
        olga = mine.proposed_by
        assert olga is not None
        start.wait(30)
        try:
            if what == "approve":
                approve(mine, who, "", seen)
            elif what == "refuse":
                refuse(mine, who, "No.", seen)
            elif what == "answer":
                answer(mine, newer, olga, "Newer.")
            else:
                withdraw(mine, olga)
            won.append(what)
        except Exception as error:  # looked at below
            refusals.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=do, args=(what, who))
        for what, who in zip(("approve", against), curators, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1, refusals
    assert [type(error) for error in refusals] == [StaleReview]
    assert "in the meantime" in str(refusals[0])
    published = Version.objects.filter(environment__workspace__curated=True).count()
    assert published == (won == ["approve"])
    assert Proposal.objects.get().revision == 2
    assert ProposalStep.objects.count() == 2
