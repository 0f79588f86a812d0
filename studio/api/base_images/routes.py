"""Base images in use, and rebases."""

from typing import Any

from django.db.models import Count
from django.http import Http404
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from builds.models import Fate, Rebase, RebasedImage
from builds.queue import rebases as queue
from builds.queue.messages import send_base_checks, send_rebase
from builds.rebase.bases import (
    BaseInUse,
    bases_in_use,
    outdated_by_workspace,
    request_checks,
    whole_reference,
)
from environments.access import Right, get_workspace, workspaces_of
from environments.definition.syntax.reference import BadReference
from environments.models import Workspace
from studio.api.base_images.shapes import (
    BasesOut,
    OutdatedOut,
    RebasedImageOut,
    RebaseIn,
    RebaseOut,
    Requested,
)
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import responses

WORKSPACE = ("workspace",)
REBASE = ("workspace", "rebase")


@documented("GET", BasesOut)
def all_bases(request: ApiRequest) -> Response:
    """List the base images in use in every workspace that you see."""
    return _bases(workspaces_of(request.user))


@documented("GET", BasesOut, path=WORKSPACE)
def bases(request: ApiRequest, workspace: str) -> Response:
    """List the base images of a workspace's current images."""
    shown = get_workspace(request.user, workspace)
    return _bases(Workspace.objects.filter(pk=shown.pk))


@documented("POST", Requested, path=WORKSPACE)
def check_bases(request: ApiRequest, workspace: str) -> Response:
    """Have a worker look up a workspace's base images in their registries."""
    checked = get_workspace(request.user, workspace, Right.BUILD)
    requested = request_checks([checked], request.user)
    send_base_checks()
    return Response({"requested": requested})


@documented("GET", responses.paged(RebaseOut), path=WORKSPACE, paged=True)
def rebases(request: ApiRequest, workspace: str) -> Response:
    """List a workspace's rebases, newest first."""
    shown = get_workspace(request.user, workspace)
    page, pages = page_of(request, Rebase.objects.filter(workspace=shown), ("-pk",))
    counts = _counts([row.pk for row in page])
    return pages.get_paginated_response([_row(row, counts.get(row.pk, {})) for row in page])


@documented("POST", {201: RebaseOut}, takes=RebaseIn, path=WORKSPACE, may=(409,))
def request_rebase(request: ApiRequest, workspace: str) -> Response:
    """Preview a rebase of a workspace's images, or start it."""
    shown = get_workspace(request.user, workspace, Right.REBASE)
    sent = RebaseIn(data=request.data)
    sent.is_valid(raise_exception=True)
    wanted = sent.validated_data
    try:
        base = whole_reference(wanted["base"])
        target = whole_reference(wanted.get("to") or base)
    except BadReference as error:
        raise ValidationError({"base": [str(error)]}) from error
    row = queue.request_plan(
        shown,
        base,
        target,
        request.user,
        base_digest=wanted.get("digest", ""),
        rebuild=wanted["rebuild"],
        start=not wanted["dry_run"],
    )
    send_rebase()
    row.refresh_from_db()
    return Response(_row(row, {}), status=201)


@documented("GET", RebaseOut, path=REBASE)
def rebase(request: ApiRequest, workspace: str, rebase: int) -> Response:
    """Show a rebase."""
    row = _get(get_workspace(request.user, workspace), rebase)
    return Response(_row(row, _counts([row.pk]).get(row.pk, {})))


@documented("GET", responses.paged(RebasedImageOut), path=REBASE, paged=True)
def rebased_images(request: ApiRequest, workspace: str, rebase: int) -> Response:
    """List what becomes of each image in a rebase."""
    row = _get(get_workspace(request.user, workspace), rebase)
    page, pages = page_of(request, row.images.all(), ("pk",))
    return pages.get_paginated_response(RebasedImageOut(page, many=True).data)


@documented("POST", RebaseOut, path=REBASE, may=(409,))
def start_rebase(request: ApiRequest, workspace: str, rebase: int) -> Response:
    """Start a rebase that was previewed."""
    row = _get(get_workspace(request.user, workspace, Right.REBASE), rebase)
    queue.start(row, request.user)
    send_rebase()
    return _again(row)


@documented("POST", RebaseOut, path=REBASE, may=(409,))
def cancel_rebase(request: ApiRequest, workspace: str, rebase: int) -> Response:
    """Cancel a rebase; images that were rebased stay so."""
    row = _get(get_workspace(request.user, workspace, Right.REBASE), rebase)
    queue.cancel(row, request.user)
    return _again(row)


def _bases(workspaces: Any) -> Response:
    shown = {
        "bases": [_base(row) for row in bases_in_use(workspaces)],
        "outdated": [OutdatedOut(row).data for row in outdated_by_workspace(workspaces)],
    }
    return Response(shown)


def _base(row: BaseInUse) -> dict[str, Any]:
    check = row.check
    return {
        "workspace": row.workspace,
        "base": row.reference,
        "platforms": row.platforms.split(","),
        "digest": row.digest,
        "owner": row.owner,
        "created_at": row.created_at,
        "images": row.images,
        "moved": row.moved,
        "digest_now": check.digest if check else "",
        "newer": row.newer,
        "old": row.old,
        "checked_at": check.checked_at if check else None,
        "problem": check.problem if check else "",
    }


def _get(workspace: Workspace, number: int) -> Rebase:
    row = Rebase.objects.filter(workspace=workspace, pk=number).first()
    if row is None:
        raise Http404(f"{workspace} has no rebase {number}.")
    return row


def _again(row: Rebase) -> Response:
    row.refresh_from_db()
    return Response(_row(row, _counts([row.pk]).get(row.pk, {})))


def _counts(rebases: list[int]) -> dict[int, dict[str, int]]:

    rows = RebasedImage.objects.filter(rebase__in=rebases).order_by().values_list("rebase", "fate")
    counts: dict[int, dict[str, int]] = {}
    for key, fate, many in rows.annotate(Count("pk")):
        counts.setdefault(key, dict.fromkeys(Fate.values, 0))[fate] = many
    return counts


def _row(row: Rebase, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "id": row.pk,
        "state": row.state,
        "base": row.base,
        "target": row.target,
        "problem": row.problem,
        "requested_at": row.requested_at,
        "ended_at": row.ended_at,
        "images": counts,
    }
