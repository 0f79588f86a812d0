"""Run rebases: each in one worker, which another can follow where it stopped."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing

from django.db import transaction
from django.db.models import QuerySet

from builds.imaging.reporting import Cancelled, ImageError
from builds.models import Rebase, RebasedImage, RebaseState
from builds.models.rebases import Fate
from builds.queue import rebases
from builds.queue.requests import StateConflict, request_build
from builds.rebase.batches import Begun, begin_batch, complete_batch, finish_names
from builds.rebase.context import Context
from builds.rebase.ending import announce
from builds.rebase.planning import batches, plan, workspaces_of
from builds.rebase.reporting import ClaimLost, RebaseReporter
from builds.worker.budget import LimitExceeded
from builds.worker.reporter import StudioStopping
from environments.models import Version

log = logging.getLogger(__name__)

OUR_FAULT = "The studio made an error; its log holds the details. Images that were rebased stay rebased."
AHEAD = 2  # batches that are prepared while another is completed: the registry always has something to do
Progress = Callable[[int], None]


def run_claimed(rebase: Rebase, progress: Progress | None = None) -> None:
    """Plan or run a rebase that this process has claimed, and record how it ended."""
    reporter = RebaseReporter(rebase)
    try:
        if rebase.state == RebaseState.PLANNING:
            plan(rebase, reporter)
            if not rebases.planned(rebase) or rebase.started_at is None:
                return
            rebase.state = RebaseState.RUNNING
        run(rebase, reporter, progress)
    except StudioStopping:
        rebases.requeue(rebase)
    except ClaimLost:
        log.warning("The %s belongs to another worker now; this one stops.", rebase)
    except LimitExceeded as error:
        _end(rebase, RebaseState.FAILED, str(error))
    except Cancelled:
        _end(rebase, RebaseState.CANCELLED)
    except ImageError as error:
        _end(rebase, RebaseState.FAILED, str(error))
    except Exception:
        log.exception("The %s failed with an error of the studio", rebase)
        _end(rebase, RebaseState.FAILED, OUR_FAULT)
    else:
        _end(rebase, RebaseState.DONE)


def run(rebase: Rebase, reporter: RebaseReporter, progress: Progress | None = None) -> None:
    """Rebase what is planned, workspace by workspace, and request builds of the others if that is wanted."""
    done = 0
    for workspace in workspaces_of(rebase.images.all()):
        items = rebase.images.filter(workspace=workspace)
        with closing(Context(workspace, rebase.target, reporter)) as context:
            # A worker that died may have left names behind.
            for batch in batches(items.filter(fate=Fate.REBASED, named=False)):
                finish_names(list(items.filter(pk__in=batch)), context)
            for moved in _run_batches(rebase, items, context):
                done += moved
                if progress is not None:
                    progress(done)
            # A registry that was away for a moment gets a second chance.
            for batch in batches(items.filter(fate=Fate.REBASED, named=False)):
                finish_names(list(items.filter(pk__in=batch)), context)
        if rebase.rebuild:
            for item in items.filter(fate=Fate.REBUILD):
                reporter.check()
                _rebuild(item, rebase)


def _run_batches(rebase: Rebase, items: QuerySet[RebasedImage], context: Context) -> Iterator[int]:
    """Rebase what is planned in a workspace, and yield how many images each batch has moved."""
    under_way: deque[Begun] = deque()
    for batch in batches(items.filter(fate=Fate.REBASE)):
        context.reporter.check()
        rows = items.filter(pk__in=batch, fate=Fate.REBASE).select_related("image__workspace")
        under_way.append(begin_batch(list(rows.prefetch_related("image__platform_rows")), context))
        if len(under_way) > AHEAD:
            yield complete_batch(rebase, under_way.popleft(), context)
    while under_way:
        context.reporter.check()
        yield complete_batch(rebase, under_way.popleft(), context)


@transaction.atomic
def _rebuild(item: RebasedImage, rebase: Rebase) -> None:
    """Request a build of an image that cannot be rebased."""
    versions = Version.objects.filter(hash=item.hash, environment__workspace=item.workspace)
    version = versions.select_related("environment__workspace").order_by("archived_at", "-pk").first()
    fields: dict[str, str] = {"fate": Fate.REBUILDING}
    try:
        if version is None:
            raise StateConflict("No version of the workspace has this content.")
        with transaction.atomic():
            request_build(version, rebase.requested_by, rebuild=True)
    except StateConflict as conflict:
        fields = {"fate": Fate.REFUSED, "reason_code": "not-built", "reason": str(conflict)[:600]}
    RebasedImage.objects.filter(pk=item.pk).update(**fields)


@transaction.atomic
def _end(rebase: Rebase, state: RebaseState, problem: str = "") -> None:
    was_started = rebase.state == RebaseState.RUNNING
    if rebases.finish(rebase, state, problem) and was_started:
        announce(rebase, state, problem)
