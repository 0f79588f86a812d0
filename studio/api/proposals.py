"""Proposals for the catalogue."""

from typing import Any

from django.http import Http404
from rest_framework.response import Response

from builds.queue.requests import request_build
from builds.review import evidence
from environments.access import (
    Right,
    get_catalogue,
    get_proposal,
    get_proposals_workspace,
    get_version,
    get_workspace,
)
from environments.catalogue import proposals as service
from environments.models import Version
from environments.models.catalogue import Proposal
from environments.public_url import public_host
from studio.api.http.answers import check_unchanged, etag, page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import catalogue, catalogue_rows
from studio.api.shapes.build_responses import BuildRequest
from studio.api.shapes.responses import paged
from studio.api.shapes.rows import build_request
from studio.catalogue.ahead import curated_version

WORKSPACE = ("workspace",)
VERSION = ("workspace", "name", "version")
PROPOSAL = ("workspace", "proposal")


@documented(
    "GET",
    paged(catalogue.Proposal),
    path=WORKSPACE,
    query={"stage": "waiting, changes, published, refused or withdrawn."},
    paged=True,
)
def proposals(request: ApiRequest, workspace: str) -> Response:
    """List the proposals for the catalogue, newest first: in the catalogue all of them, elsewhere a workspace's own."""
    matching = service.visible_proposals(get_proposals_workspace(request.user, workspace))
    stage = request.query_params.get("stage", "")
    matching = matching.filter(stage=stage) if stage else matching
    related = matching.select_related(
        "version__environment__workspace", "published__environment__workspace", "proposed_by"
    )
    page, pages = page_of(request, related, ("-pk",))
    return pages.get_paginated_response([catalogue_rows.proposal(row) for row in page])


@documented(
    "POST",
    {201: catalogue.WholeProposal, 200: catalogue.WholeProposal},
    takes=catalogue.ProposalIn,
    path=VERSION,
    may=(409,),
)
def propose(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """Propose a version for the catalogue, or instead of the version of its environment that is proposed."""
    if get_workspace(request.user, workspace).curated:
        raise Http404("Curated environments can't be proposed.")
    row = get_version(request.user, workspace, name, version, Right.PROPOSE)
    sent = catalogue.ProposalIn(data=request.data)
    sent.is_valid(raise_exception=True)
    payload: dict[str, Any] = sent.validated_data
    by = request.user
    under_way = service.open_proposal_of(row.environment)
    if under_way is not None:
        service.answer(under_way, row, by, payload["reason"], **_described(payload, under_way))
        return _whole(under_way)
    made = service.propose(
        row,
        by,
        name=payload["name"],
        as_new=payload["new"],
        comment=payload["reason"],
        **_described(payload, row),
    )
    return _whole(made, status=201)


@documented("GET", catalogue.WholeProposal, path=PROPOSAL)
def proposal(request: ApiRequest, workspace: str, proposal: int) -> Response:
    """Return a proposal with its evidence."""
    return _whole(get_proposal(request.user, workspace, proposal))


@documented(
    "POST",
    catalogue.WholeProposal,
    takes=catalogue.ApprovalIn,
    path=PROPOSAL,
    may=(409, 412),
    headers=("If-Match",),
)
def approve(request: ApiRequest, workspace: str, proposal: int) -> Response:
    """Approve a proposal: it is published with the image that it has."""
    row, comment = _decided(request, workspace, proposal)
    sent = catalogue.ApprovalIn(data=request.data)
    sent.is_valid(raise_exception=True)
    confirmed = sent.validated_data["confirm"]
    evidence.approve(row, request.user, comment, evidence.gather(row).seen, confirmed=confirmed)
    return _whole(row)


@documented(
    "POST",
    catalogue.WholeProposal,
    takes=catalogue.CommentIn,
    path=PROPOSAL,
    may=(409, 412),
    headers=("If-Match",),
)
def ask_for_changes(request: ApiRequest, workspace: str, proposal: int) -> Response:
    """Request changes to a proposal; its authors answer by proposing a newer version."""
    row, comment = _decided(request, workspace, proposal)
    service.ask_for_changes(row, request.user, comment)
    return _whole(row)


@documented(
    "POST",
    catalogue.WholeProposal,
    takes=catalogue.CommentIn,
    path=PROPOSAL,
    may=(409, 412),
    headers=("If-Match",),
)
def refuse(request: ApiRequest, workspace: str, proposal: int) -> Response:
    """Reject a proposal."""
    row, comment = _decided(request, workspace, proposal)
    service.refuse(row, request.user, comment)
    return _whole(row)


@documented(
    "POST",
    catalogue.WholeProposal,
    takes=catalogue.CommentIn,
    path=PROPOSAL,
    may=(409,),
)
def withdraw(request: ApiRequest, workspace: str, proposal: int) -> Response:
    """Withdraw a proposal, in the workspace that proposed it."""
    row = get_proposal(request.user, workspace, proposal)
    if row.version.environment.workspace.name != workspace:
        raise Http404("It is withdrawn in the workspace that proposed it.")
    service.withdraw(row, request.user, _comment(request))
    return _whole(row)


@documented(
    "POST",
    {202: BuildRequest, 200: BuildRequest},
    path=PROPOSAL,
    may=(409,),
)
def build_proposed(request: ApiRequest, workspace: str, proposal: int) -> Response:
    """Build the proposed version; its reviewers may too."""
    row = get_proposal(request.user, workspace, proposal)
    made = evidence.build_proposed(row, request.user)
    return Response(build_request(made, public_host(request)), status=202 if made.build else 200)


@documented(
    "POST",
    {202: catalogue.WholeProposal, 200: catalogue.WholeProposal},
    path=PROPOSAL,
    may=(409,),
)
def try_proposed(request: ApiRequest, workspace: str, proposal: int) -> Response:
    """Start the proposed image once (again), to test whether it imports the requested packages."""
    get_catalogue(request.user, workspace, Right.REVIEW)
    row = get_proposal(request.user, workspace, proposal)
    begun = evidence.try_proposed(row, request.user)
    return _whole(row, status=202 if begun else 200)


@documented(
    "POST",
    {202: BuildRequest, 200: BuildRequest},
    path=("workspace", "curated"),
    may=(409,),
)
def build_curated(request: ApiRequest, workspace: str, curated: str) -> Response:
    """Build the latest version of a curated environment, for a member who may build in this workspace."""
    get_workspace(request.user, workspace, Right.BUILD)
    made = request_build(curated_version(curated), request.user)
    return Response(build_request(made, public_host(request)), status=202 if made.build else 200)


def _described(payload: dict[str, Any], before: Proposal | Version) -> dict[str, Any]:
    """Return description and tags for the catalogue: those of the payload, else those before."""
    return {
        "description": payload.get("description", before.description),
        "tags": payload.get("tags", before.tags),
    }


def _decided(request: ApiRequest, workspace: str, number: int) -> tuple[Proposal, str]:
    """Return a proposal that is still as its reviewer saw it, and the comment on the decision."""
    get_catalogue(request.user, workspace, Right.REVIEW)
    row = get_proposal(request.user, workspace, number)
    check_unchanged(request, _etag(evidence.gather(row)))
    return row, _comment(request)


def _comment(request: ApiRequest) -> str:
    sent = catalogue.CommentIn(data=request.data)
    sent.is_valid(raise_exception=True)
    return str(sent.validated_data["comment"])


def _etag(gathered: evidence.Evidence) -> str:
    return etag(str(gathered.seen))


def _whole(row: Proposal, status: int = 200) -> Response:
    fresh = Proposal.objects.select_related(
        "version__environment__workspace",
        "version__created_by",
        "published__environment__workspace",
        "before__environment__workspace",
        "proposed_by",
    ).get(pk=row.pk)
    gathered = evidence.gather(fresh)
    shown = catalogue_rows.whole_proposal(fresh, gathered)
    return Response(shown, status=status, headers={"ETag": _etag(gathered)})
