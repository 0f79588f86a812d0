"""Environments are healed by the smallest change; nothing is saved before it is built and has passed its import test."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from pathlib import Path

import pytest

from builds.advisories.importing import import_advisories
from builds.advisories.matches import match_packages
from builds.exposure.triage import Scope, decide
from builds.healing.runs import cancel_run, start_run
from builds.models import Advisory, AffectedPackage, BuildState, Package, Trial, TrialState
from builds.models.healing import HealItem, HealRun, HealState
from builds.queue.requests import image_of
from builds.worker import runner
from builds.worker.healing.planning import run_waiting_items
from environments.errors import ServiceError
from environments.models import Event, Role, Version, Workspace
from environments.models.catalogue import Proposal, Stage
from environments.models.notifications import Notice, NoticeKind
from tests.builds.healing.conftest import publish
from tests.builds.healing.examples import KEY, affected_environment
from tests.builds.imaging.serving import Index
from tests.builds.scenarios import person, queue_build, save_text, workspace_named

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def advisory(tmp_path: Path, index: Index) -> Advisory:
    """CVE-2026-1000: every mover before 1.1. It is imported before anything is built, as on any day but the first."""
    record = {
        "schema_version": "1.6.0",
        "id": "GHSA-aaaa-bbbb-cccc",
        "aliases": ["CVE-2026-1000"],
        "modified": "2026-11-01T00:00:00Z",
        "published": "2026-11-01T00:00:00Z",
        "summary": "mover moves too much",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "mover"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
            }
        ],
    }
    (tmp_path / "record.json").write_text(json.dumps(record))
    import_advisories(tmp_path / "record.json")
    return Advisory.objects.get(key="CVE-2026-1000")


def built(text: str, name: str = "forecast", workspace: str = "lab") -> Version:
    """Save a version and build its image, as a worker does."""
    version = save_text(f"# {name}\n{text}", name=name, workspace=workspace)
    build_all([queue_build(version).pk])
    match_packages(Package.objects.values_list("pk", flat=True))
    return version


def build_all(builds: Iterable[uuid.UUID]) -> None:
    for pk in builds:
        runner.run_build(pk, "a worker of a test")


def work(state: TrialState = TrialState.PASSED, **outcome: object) -> None:
    """Do what workers do until nothing is left; import tests end in this state."""
    for _ in range(10):
        run_waiting_items()
        waiting = HealItem.objects.filter(state=HealState.BUILDING, build__state=BuildState.QUEUED)
        build_all(waiting.values_list("build", flat=True))
        Trial.objects.filter(state=TrialState.WAITING).update(state=state, **outcome)


def heal(advisory: Advisory, *, dry_run: bool = False, **more: object) -> HealRun:
    return start_run([advisory], Workspace.objects.all(), None, dry_run=dry_run, **more)  # type: ignore[arg-type]


def locked(version: Version) -> dict[str, str]:
    image = image_of(version)
    assert image is not None
    assert image.lock is not None
    return {package["name"]: package["version"] for package in image.lock["packages"]}


@pytest.mark.slow
def test_one_package_goes_up_and_every_other_stays(index: Index, advisory: Advisory) -> None:
    before = built("shop==1.0  # the shop\n")
    for name, version in (("mover", "1.1"), ("mover", "1.2"), ("bystander", "2.0")):
        publish(index, name, version)

    run = heal(advisory)
    work()

    item = run.items.get()
    assert (item.state, item.reason) == (HealState.HEALED, "")
    assert item.requirements == [["", "mover>=1.1"]]
    assert item.changes == [{"name": "mover", "before": "1.0", "after": "1.2"}]
    after = before.environment.latest()
    assert after is not None
    assert after == item.published
    assert after.based_on == before
    assert after.source == "# forecast\nshop==1.0  # the shop\nmover>=1.1\n"
    assert locked(after) == {"shop": "1.0", "mover": "1.2", "bystander": "1.0"}
    run.refresh_from_db()
    assert run.ended_at is not None
    event = Event.objects.get(verb="version.healed")
    assert event.details["advisories"] == ["CVE-2026-1000"]


@pytest.mark.slow
def test_a_rehearsal_plans_and_changes_nothing(index: Index, advisory: Advisory) -> None:
    version = built("mover==1.0\n")
    publish(index, "mover", "1.1")
    rows = Version.objects.count()

    run = heal(advisory, dry_run=True)
    work()

    item = run.items.get()
    assert (item.state, item.candidate, item.published) == (HealState.PLANNED, None, None)
    assert item.requirements == [["mover==1.0", "mover==1.1"]]
    assert Version.objects.count() == rows
    assert version.environment.latest() == version


@pytest.mark.slow
def test_nothing_is_saved_whose_import_test_failed(index: Index, advisory: Advisory) -> None:
    version = built("mover==1.0\n")
    publish(index, "mover", "1.1")

    run = heal(advisory)
    work(TrialState.FAILED, problems=[{"package": "mover", "module": "mover", "error": "boom"}])

    item = run.items.get()
    assert (item.state, item.reason) == (HealState.FAILED, "Its import test failed: mover.")
    assert version.environment.latest() == version


@pytest.mark.slow
def test_what_could_not_be_tested_waits_for_a_decision_unless_the_run_says_otherwise(
    index: Index, advisory: Advisory
) -> None:
    version = built("mover==1.0\n")
    publish(index, "mover", "1.1")

    run = heal(advisory)
    work(TrialState.UNTRIED, reason="There is no engine.")
    assert run.items.get().state == HealState.READY
    assert version.environment.latest() == version

    again = heal(advisory, untested=True)
    work(TrialState.UNTRIED)
    assert again.items.get().state == HealState.HEALED


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("strict==1.0\n", "strict"),
        ("mover==1.0 --hash=sha256:{sha256}\n", "hash"),
    ],
)
def test_what_cannot_be_healed_is_refused_with_the_reason(
    index: Index, advisory: Advisory, text: str, reason: str
) -> None:
    wheel = next(index.folder.glob("mover-1.0*"))
    version = built(text.format(sha256=_sha256(wheel)))
    publish(index, "mover", "1.1")

    run = heal(advisory)
    work()

    item = run.items.get()
    assert item.state == HealState.REFUSED
    assert reason in item.reason
    assert version.environment.latest() == version


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_a_base_environment_comes_before_those_that_were_started_from_it(
    index: Index, advisory: Advisory
) -> None:
    # Saved in the other order, so that the order of keys would be wrong.
    derived = built("mover==1.0\nbystander==1.0\n", name="derived")
    base = built("mover==1.0\n", name="base")
    Version.objects.filter(pk=derived.pk).update(based_on=base)
    publish(index, "mover", "1.1")

    run = heal(advisory)

    first, second = run.items.order_by("pk")
    assert (first.version, second.version, second.after) == (base, derived, first)
    work()
    assert set(run.items.values_list("state", flat=True)) == {HealState.HEALED}
    ended = run.items.order_by("ended_at").values_list("version", flat=True)
    assert list(ended) == [base.pk, derived.pk]


@pytest.mark.slow
def test_a_newer_version_that_somebody_saved_meanwhile_is_never_replaced(
    index: Index, advisory: Advisory
) -> None:
    version = built("mover==1.0\n")
    publish(index, "mover", "1.1")
    run = heal(advisory)
    run_waiting_items()

    mine = save_text("mover==1.0\nbystander==1.0\n")
    work()

    item = run.items.get()
    assert (item.state, item.reason) == (HealState.REFUSED, "forecast:2 was saved in the meantime.")
    assert version.environment.latest() == mine


@pytest.mark.slow
def test_a_stopped_run_saves_nothing_more(index: Index, advisory: Advisory) -> None:
    version = built("mover==1.0\n")
    publish(index, "mover", "1.1")
    run = heal(advisory)
    run_waiting_items()

    cancel_run(run, None)
    work()

    assert run.items.get().state == HealState.REFUSED
    assert version.environment.latest() == version


@pytest.mark.slow
def test_a_curated_environment_gets_a_proposal(index: Index, advisory: Advisory) -> None:
    curator = person("carol", lab=Role.CONTRIBUTOR)
    curated = built("mover==1.0\n", name="AzureML-moving", workspace="curated")
    publish(index, "mover", "1.1")

    run = start_run(
        [advisory],
        Workspace.objects.filter(curated=True),
        curator,
        dry_run=False,
        workspace=workspace_named("lab"),
    )
    work()

    item = run.items.get()
    assert (item.state, item.reason) == (HealState.PROPOSED, "")
    assert item.proposal is not None
    assert (item.proposal.name, item.proposal.as_new) == ("AzureML-moving", False)
    assert curated.environment.latest() == curated

    bob = person("bob", other=Role.CONTRIBUTOR)
    started = built("mover==1.0\nbystander==1.0\n", name="started", workspace="other")
    Version.objects.filter(pk=started.pk).update(based_on=curated)
    healed = save_text("mover==1.1\n", name="AzureML-moving", workspace="curated")
    Proposal.objects.update(stage=Stage.PUBLISHED, published=healed)  # as another curator does
    work()
    work()

    item.refresh_from_db()
    assert (item.state, item.published) == (HealState.HEALED, healed)
    notice = Notice.objects.get(kind=NoticeKind.HEAL)
    assert (notice.user, notice.subject) == (bob, "started in other can be healed")
    assert notice.address == "/w/other/heal/?id=CVE-2026-1000"


def test_what_a_decision_settles_is_not_healed(index: Index, advisory: Advisory) -> None:
    version = save_text("numpy==2.1.3\n", name="settled")
    admin = person("root")
    admin.is_superuser = True
    affected_environment("lab", "settled")
    other = affected_environment("lab", "forecast")
    known = Advisory.objects.get(key=KEY)

    decide(
        known, Scope(environment=version.environment), "not_affected", "The function is never called.", admin
    )

    run = start_run([known], Workspace.objects.all(), None)
    assert [item.version for item in run.items.all()] == [other]


def test_without_an_affected_environment_there_is_no_run(index: Index, advisory: Advisory) -> None:
    with pytest.raises(ServiceError, match="affected"):
        heal(advisory)


@pytest.mark.slow
def test_nothing_is_saved_for_a_user_who_may_no_longer_save_there(index: Index, advisory: Advisory) -> None:
    version = built("mover==1.0\n")
    publish(index, "mover", "1.1")
    ann = person("ann", lab=Role.CONTRIBUTOR)
    run = start_run([advisory], Workspace.objects.filter(name="lab"), ann, dry_run=False)
    run_waiting_items()

    ann.memberships.update(role=Role.READER)
    work()

    item = run.items.get()
    assert item.state == HealState.REFUSED
    assert "may no longer save" in item.reason
    assert version.environment.latest() == version


@pytest.mark.slow
def test_a_fix_that_newer_versions_have_lost_again_is_refused(index: Index, advisory: Advisory) -> None:
    version = built("mover\n")
    AffectedPackage.objects.filter(name="mover").update(
        ranges=[[["introduced", "0"], ["fixed", "1.1"], ["introduced", "1.2"]]]
    )
    publish(index, "mover", "1.2")

    run = heal(advisory)
    work()

    item = run.items.get()
    assert item.state == HealState.REFUSED
    assert "mover 1.2 would still be affected" in item.reason
    assert version.environment.latest() == version
