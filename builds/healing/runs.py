"""Start and cancel runs, and claim their items: what pages, the API and the command call, and what workers poll."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from builds.healing.affected import affected_versions, origins_of
from builds.models import Advisory, Build
from builds.models.healing import OPEN_STATES, HealItem, HealRun, HealState
from environments.audit.record import record
from environments.errors import ServiceError
from environments.models import Workspace
from environments.models.catalogue import Stage

CLAIM_TIMEOUT = timedelta(minutes=10)  # a worker that plans longer than this is gone
MOST_ATTEMPTS = 3
MOST_BUILDING = 4  # builds of one run that are queued or running: others' builds come between them
MOST_ITEMS = 2_000
CANCELLED = "Stopped before it was healed."


@transaction.atomic
def start_run(
    advisories: Collection[Advisory],
    workspaces: QuerySet[Workspace],
    user: User | None,
    *,
    environments: Collection[int] | None = None,
    dry_run: bool = True,
    report_only: bool = False,
    untested: bool = False,
    workspace: Workspace | None = None,
) -> HealRun:
    """Return a run over the latest versions in these workspaces that the advisories affect; workers do the rest.

    `environments` narrows it to some, by their keys. Without `dry_run` what is fixed is saved as the next version:
    of curated environments it is proposed, from `workspace`. Raises ServiceError if nothing is affected.
    """
    pairs = affected_versions(advisories, workspaces)
    if environments is not None:
        pairs = [pair for pair in pairs if pair.version.environment_id in environments]
    if not pairs:
        raise ServiceError(
            "not-affected",
            "No latest version in these workspaces is affected.",
            "Older versions stay as they are: save a newer version of their environments instead.",
        )
    if len(pairs) > MOST_ITEMS:
        raise ServiceError(
            "too-many", f"{len(pairs)} environments are affected.", f"Heal at most {MOST_ITEMS} at once."
        )
    run = HealRun.objects.create(
        requested_by=user,
        dry_run=dry_run,
        report_only=report_only,
        untested=untested,
        workspace=workspace,
    )
    run.advisories.set(advisories)
    origins = origins_of([pair.version for pair in pairs])
    items: dict[int, HealItem] = {}
    for pair in pairs:
        environment = pair.version.environment_id
        before = items.get(origins.get(environment, 0))
        items[environment] = HealItem.objects.create(
            run=run, environment_id=environment, version=pair.version, after=before
        )
    for home, count in Counter(pair.version.environment.workspace for pair in pairs).items():
        record(
            "heal.requested",
            named(advisories),
            workspace=home,
            actor=user,
            run=run.pk,
            environments=count,
            dry_run=dry_run,
        )
    return run


@transaction.atomic
def cancel_run(run: HealRun, user: User | None, workspace: Workspace | None = None) -> int:
    """End a run, or its part in a workspace; return how many items that stopped. Builds that were requested go on."""
    items = run.items.filter(state__in=OPEN_STATES)
    if workspace is not None:
        items = items.filter(environment__workspace=workspace)
    stopped = items.update(state=HealState.REFUSED, reason=CANCELLED, claim=None, ended_at=Now())
    end_if_done(run)
    if stopped:
        record(
            "heal.cancelled",
            named(run.advisories.all()),
            workspace=workspace,
            actor=user,
            run=run.pk,
            environments=stopped,
        )
    return stopped


def named(advisories: Iterable[Advisory]) -> str:
    """Return the names of advisories as one text."""
    return ", ".join(sorted(advisory.key for advisory in advisories))


def runs_in(workspace: Workspace) -> QuerySet[HealRun]:
    """Return the runs over environments of a workspace, newest first."""
    items = HealItem.objects.filter(run=OuterRef("pk"), environment__workspace=workspace)
    return HealRun.objects.filter(Exists(items)).select_related("requested_by").order_by("-pk")


def end_if_done(run: HealRun) -> None:
    """Note the end of a run whose items have all ended."""
    if not run.items.filter(state__in=OPEN_STATES).exists():
        HealRun.objects.filter(pk=run.pk, ended_at=None).update(ended_at=Now())


# For workers


def claim_next_item() -> HealItem | None:
    """Claim the item to plan next; None if none waits, or as many builds are under way as there may be."""
    for item in _claimable()[:20]:
        claim = uuid.uuid4()
        taken = HealItem.objects.filter(pk=item.pk, state=item.state, claim=item.claim).update(
            state=HealState.PLANNING, claim=claim, claimed_at=Now(), attempt=F("attempt") + 1
        )
        if taken:
            return HealItem.objects.select_related("run", "version__environment__workspace").get(pk=item.pk)
    return None


def has_open_items() -> bool:
    """Return whether anything of a run is still to be done."""
    return HealItem.objects.filter(state__in=OPEN_STATES).exists() or decided_items().exists()


def decided_items() -> QuerySet[HealItem]:
    """Return the proposed items whose proposal has been decided."""
    decided = [Stage.PUBLISHED, Stage.REFUSED, Stage.WITHDRAWN]
    items = HealItem.objects.filter(state=HealState.PROPOSED, proposal__stage__in=decided)
    return items.select_related("run", "proposal__published")


def items_to_advance() -> Sequence[HealItem]:
    """Return the items whose builds or import tests may have ended."""
    waiting = HealItem.objects.filter(state__in=[HealState.BUILDING, HealState.TESTING])
    return list(
        waiting.select_related("run__workspace", "version__environment__workspace", "candidate", "build")
    )


def heals(build: Build) -> bool:
    """Return whether a build makes the candidate of an item: it is saved only once its import test has passed."""
    return HealItem.objects.filter(build=build, state=HealState.BUILDING).exists()


def claimed(item: HealItem) -> QuerySet[HealItem]:
    """Return the item, if its claim still holds."""
    return HealItem.objects.filter(pk=item.pk, state=HealState.PLANNING, claim=item.claim)


def move(item: HealItem, to: HealState, **fields: object) -> bool:
    """Write what became of an item, if nobody else has changed its state; return whether it was written."""
    if to not in OPEN_STATES:
        fields["ended_at"] = timezone.now()
    own = HealItem.objects.filter(pk=item.pk, state=item.state, claim=item.claim)
    written = bool(own.update(state=to, claim=None, **fields))
    if written and to not in OPEN_STATES:
        end_if_done(item.run)
    return written


def _claimable() -> QuerySet[HealItem]:
    """Return the items that wait for nothing but a worker: in their order, bases of others first."""
    lost = Q(state=HealState.PLANNING, claimed_at__lt=timezone.now() - CLAIM_TIMEOUT)
    before = HealItem.objects.filter(pk=OuterRef("after"), state__in=OPEN_STATES)
    full = [
        run
        for run in HealRun.objects.filter(ended_at=None).values_list("pk", flat=True)
        if HealItem.objects.filter(run=run, state__in=[HealState.BUILDING, HealState.TESTING]).count()
        >= MOST_BUILDING
    ]
    items = HealItem.objects.filter(Q(state=HealState.WAITING) | lost, ~Exists(before))
    return items.exclude(run__in=full).filter(attempt__lt=MOST_ATTEMPTS).order_by("pk")
