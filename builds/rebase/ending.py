"""Record and announce rebases: an event with each change, a notice to the requester and to owners at the end."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db.models import Count

from builds.models import Image, Rebase, RebaseState
from builds.models.rebases import Fate
from environments.audit.record import record
from environments.models import Role, Workspace
from environments.models.notifications import NoticeKind
from environments.notifications.notices import notify

NAMED = 50  # images in an event


def record_batch(rebase: Rebase, workspace: Workspace, images: Sequence[Image]) -> None:
    """Record rebased images as an event of their workspace, in the transaction that changes them."""
    record(
        "rebase.rebased",
        _counted(len(images)),
        workspace=workspace,
        actor=rebase.requested_by,
        before={"base": rebase.base},
        after={"base": rebase.target},
        rebase=rebase.pk,
        digest=images[0].base_digest,
        images=[f"{image.name}@{image.digest}" for image in images[:NAMED]],
    )


def announce(rebase: Rebase, state: RebaseState, problem: str = "") -> None:
    """Notify the requester of a rebase, and the owners of each workspace whose images it has moved."""
    rows = rebase.images.filter(fate=Fate.REBASED).values_list("workspace").annotate(Count("pk")).order_by()
    moved = dict(rows)
    total = sum(moved.values())
    refused = rebase.images.filter(fate__in=[Fate.REFUSED, Fate.MOVED]).count()
    text = f"Rebased: {total}. Not rebased: {refused}."
    text = f"{text}\n{problem}".strip()
    if rebase.requested_by is not None:
        subject = f"Rebase of {rebase.base}: {_ENDS[state]}"
        notify([rebase.requested_by], NoticeKind.REBASE, subject, text, address=_address(rebase), own=True)
    for workspace in Workspace.objects.filter(pk__in=moved):
        owners = User.objects.filter(memberships__workspace=workspace, memberships__role=Role.OWNER)
        if rebase.requested_by is not None:
            owners = owners.exclude(pk=rebase.requested_by.pk)
        subject = f"{_counted(moved[workspace.pk])} in {workspace.title} rebased on {rebase.target}"
        notify(owners, NoticeKind.REBASE, subject, address=f"/w/{workspace.name}/bases/")


_ENDS = {
    RebaseState.DONE: "done",
    RebaseState.CANCELLED: "cancelled",
    RebaseState.FAILED: "failed",
}


def _address(rebase: Rebase) -> str:
    # Written out, as a worker loads no pages: the path of studio.urls.
    if rebase.workspace is None:
        return "/bases/"
    return f"/w/{rebase.workspace.name}/rebases/{rebase.pk}/"


def _counted(images: int) -> str:
    return f"{images} image{'' if images == 1 else 's'}"
