"""Proposals for the catalogue."""

from typing import Any

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from builds import curating
from environments import proposals as service
from environments.access import (
    Right,
    get_catalogue,
    get_proposal,
    get_proposals_place,
    get_version,
    get_workspace,
)
from environments.catalogue_models import Proposal
from studio.api import catalogue_rows as rows
from studio.api import catalogue_shapes as shapes
from studio.api.answers import check_unchanged, etag, page_of
from studio.api.describing import documented, route
from studio.api.rows import asked
from studio.api.shapes import Asked, paged

PLACE = ("workspace",)
VERSION = ("workspace", "name", "version")
PROPOSAL = ("workspace", "proposal")


@documented(
    "GET",
    "List the proposals for the catalogue, newest first: in the catalogue all of them, elsewhere a workspace's own",
    paged(shapes.Proposal),
    path=PLACE,
    query={"stage": "waiting, changes, published, refused or withdrawn."},
    paged=True,
)
def proposals(request: Request, workspace: str) -> Response:
    """List the proposals for the catalogue, newest first: in the catalogue all of them, elsewhere a workspace's own."""
    found = service.seen_from(get_proposals_place(request.user, workspace))
    stage = request.query_params.get("stage", "").replace("\0", "")
    found = found.filter(stage=stage) if stage else found
    related = found.select_related(
        "version__environment__workspace", "published__environment__workspace", "proposed_by"
    )
    page, pages = page_of(request, related, ("-pk",))
    return pages.get_paginated_response([rows.proposal(row) for row in page])


@documented(
    "POST",
    "Propose a version for the catalogue, or in the place of the version of it that is proposed",
    {201: shapes.WholeProposal, 200: shapes.WholeProposal},
    takes=shapes.ProposalIn,
    path=VERSION,
    may=(409,),
)
def propose(request: Request, workspace: str, name: str, version: str) -> Response:
    """Propose a version for the catalogue, or in the place of the version of it that is proposed."""
    if get_workspace(request.user, workspace).curated:
        raise Http404("What is in the catalogue is not proposed for it.")
    found = get_version(request.user, workspace, name, version, Right.PROPOSE)
    sent = shapes.ProposalIn(data=request.data)
    sent.is_valid(raise_exception=True)
    told: dict[str, Any] = sent.validated_data
    by: Any = request.user
    under_way = service.open_proposal_of(found.environment)
    if under_way is not None:
        service.answer(under_way, found, by, told["reason"])
        return _whole(under_way)
    made = service.propose(found, by, name=told["name"], as_new=told["new"], words=told["reason"])
    return _whole(made, status=201)


@documented("GET", "Give a proposal with the evidence on it", shapes.WholeProposal, path=PROPOSAL)
def proposal(request: Request, workspace: str, proposal: int) -> Response:
    """Give a proposal with the evidence on it."""
    return _whole(get_proposal(request.user, workspace, proposal))


@documented(
    "POST",
    "Approve a proposal: it is published with the image that it has",
    shapes.WholeProposal,
    takes=shapes.WordsIn,
    path=PROPOSAL,
    may=(409, 412),
    headers=("If-Match",),
)
def approve(request: Request, workspace: str, proposal: int) -> Response:
    """Approve a proposal: it is published with the image that it has."""
    found, words = _decided(request, workspace, proposal)
    curating.approve(found, request.user, words, curating.gather(found).seen)  # type: ignore[arg-type]
    return _whole(found)


@documented(
    "POST",
    "Ask for changes of a proposal; its people answer by proposing a newer version",
    shapes.WholeProposal,
    takes=shapes.WordsIn,
    path=PROPOSAL,
    may=(409, 412),
    headers=("If-Match",),
)
def ask_for_changes(request: Request, workspace: str, proposal: int) -> Response:
    """Ask for changes of a proposal; its people answer by proposing a newer version."""
    found, words = _decided(request, workspace, proposal)
    service.ask_for_changes(found, request.user, words)  # type: ignore[arg-type]
    return _whole(found)


@documented(
    "POST",
    "Refuse a proposal",
    shapes.WholeProposal,
    takes=shapes.WordsIn,
    path=PROPOSAL,
    may=(409, 412),
    headers=("If-Match",),
)
def refuse(request: Request, workspace: str, proposal: int) -> Response:
    """Refuse a proposal."""
    found, words = _decided(request, workspace, proposal)
    service.refuse(found, request.user, words)  # type: ignore[arg-type]
    return _whole(found)


@documented(
    "POST",
    "Withdraw a proposal, in the workspace that proposed it",
    shapes.WholeProposal,
    takes=shapes.WordsIn,
    path=PROPOSAL,
    may=(409,),
)
def withdraw(request: Request, workspace: str, proposal: int) -> Response:
    """Withdraw a proposal, in the workspace that proposed it."""
    found = get_proposal(request.user, workspace, proposal)
    if found.version.environment.workspace.name != workspace:
        raise Http404("It is withdrawn in the workspace that proposed it.")
    service.withdraw(found, request.user, _words(request))  # type: ignore[arg-type]
    return _whole(found)


@documented(
    "POST",
    "Have what is proposed built, also by its reviewers",
    {202: Asked, 200: Asked},
    path=PROPOSAL,
    may=(409,),
)
def build_proposed(request: Request, workspace: str, proposal: int) -> Response:
    """Have what is proposed built, also by its reviewers."""
    found = get_proposal(request.user, workspace, proposal)
    made = curating.build_proposed(found, request.user)  # type: ignore[arg-type]
    return Response(asked(made, request.get_host()), status=202 if made.build else 200)


@documented(
    "POST",
    "Have the image of what is proposed started once, also again, to see whether it imports what was asked for",
    {202: shapes.WholeProposal, 200: shapes.WholeProposal},
    path=PROPOSAL,
    may=(409,),
)
def try_proposed(request: Request, workspace: str, proposal: int) -> Response:
    """Have the image of what is proposed started once, also again, to see whether it imports what was asked for."""
    get_catalogue(request.user, workspace, Right.REVIEW)
    found = get_proposal(request.user, workspace, proposal)
    begun = curating.try_proposed(found, request.user)  # type: ignore[arg-type]
    return _whole(found, status=202 if begun else 200)


def _decided(request: Request, workspace: str, number: int) -> tuple[Proposal, str]:
    """Return the proposal that somebody decides about, if it is still as they saw it, and what they say."""
    get_catalogue(request.user, workspace, Right.REVIEW)
    found = get_proposal(request.user, workspace, number)
    check_unchanged(request, _etag(curating.gather(found)))
    return found, _words(request)


def _words(request: Request) -> str:
    sent = shapes.WordsIn(data=request.data)
    sent.is_valid(raise_exception=True)
    return str(sent.validated_data["words"])


def _etag(evidence: curating.Evidence) -> str:
    return etag(str(evidence.seen))


def _whole(found: Proposal, status: int = 200) -> Response:
    fresh = Proposal.objects.select_related(
        "version__environment__workspace",
        "version__created_by",
        "published__environment__workspace",
        "before__environment__workspace",
        "proposed_by",
    ).get(pk=found.pk)
    evidence = curating.gather(fresh)
    shown = rows.whole_proposal(fresh, evidence)
    return Response(shown, status=status, headers={"ETag": _etag(evidence)})


ROUTES = {
    "proposals": route(GET=proposals),
    "propose": route(POST=propose),
    "proposal": route(GET=proposal),
    "approve": route(POST=approve),
    "ask-for-changes": route(POST=ask_for_changes),
    "refuse": route(POST=refuse),
    "withdraw": route(POST=withdraw),
    "build-proposed": route(POST=build_proposed),
    "try-proposed": route(POST=try_proposed),
}
