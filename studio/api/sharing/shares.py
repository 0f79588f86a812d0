"""Shared versions: sent, withdrawn, accepted, declined and listed."""

from typing import Any

from rest_framework import serializers as s
from rest_framework.response import Response

from builds.review import sharing
from environments.access import Right, get_share, get_version, get_workspace
from environments.models.shares import Share, ShareState
from environments.sharing.service import decline, received_by, sent_by, withdraw
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import responses, rows
from studio.api.shapes.bodies import NoNul

WORKSPACE = ("workspace",)
VERSION = ("workspace", "name", "version")
SHARE = ("workspace", "share")


class ShareIn(s.Serializer[Any]):
    """The workspace to share a version with."""

    workspace = NoNul(max_length=63, help_text="Its name. The answer doesn't depend on whether it exists.")
    name = NoNul(
        max_length=255,
        required=False,
        default="",
        allow_blank=True,
        help_text="The environment's name there; a suggestion.",
    )
    message = NoNul(max_length=2000, required=False, default="", allow_blank=True)


class AcceptIn(s.Serializer[Any]):
    """The name to save a received version under."""

    name = NoNul(
        max_length=255,
        required=False,
        default="",
        allow_blank=True,
        help_text="Left out: the suggested name.",
    )


class SentShare(s.Serializer[Any]):
    """A version that a workspace has shared."""

    id = s.IntegerField()
    version = s.CharField(help_text="workspace/name:version")
    to = s.CharField()
    name = s.CharField()
    message = s.CharField(allow_blank=True)
    digest = s.CharField(help_text="Of the image that goes with it.")
    state = s.ChoiceField(choices=ShareState.values)
    shared_by = s.CharField(allow_null=True)
    shared_at = s.DateTimeField()


class ReceivedShare(SentShare):
    """A version that was shared with a workspace."""

    accepted = s.CharField(allow_null=True, help_text="The saved version.")
    decided_by = s.CharField(allow_null=True)
    decided_at = s.DateTimeField(allow_null=True)


@documented("POST", {201: SentShare}, takes=ShareIn, path=VERSION, may=(409,))
def share(request: ApiRequest, workspace: str, name: str, version: str) -> Response:
    """Share a version, with its image, with another workspace, whose owners accept or decline it."""
    row = get_version(request.user, workspace, name, version, Right.SHARE)
    sent = ShareIn(data=request.data)
    sent.is_valid(raise_exception=True)
    payload: dict[str, Any] = sent.validated_data
    made = sharing.share(
        row, payload["workspace"], request.user, name=payload["name"], message=payload["message"]
    )
    return Response(_sent(made), status=201)


@documented("GET", responses.paged(SentShare), path=WORKSPACE, paged=True)
def sent_shares(request: ApiRequest, workspace: str) -> Response:
    """List what a workspace has shared, newest first."""
    space = get_workspace(request.user, workspace, Right.SHARE)
    page, pages = page_of(request, sent_by(space), ("-pk",))
    return pages.get_paginated_response([_sent(row) for row in page])


@documented("GET", responses.paged(ReceivedShare), path=WORKSPACE, paged=True)
def received_shares(request: ApiRequest, workspace: str) -> Response:
    """List what was shared with a workspace, newest first."""
    space = get_workspace(request.user, workspace, Right.DECIDE_SHARES)
    page, pages = page_of(request, received_by(space), ("-pk",))
    return pages.get_paginated_response([_received(row) for row in page])


@documented("POST", responses.WholeVersion, takes=AcceptIn, path=SHARE, may=(409,))
def accept_share(request: ApiRequest, workspace: str, share: int) -> Response:
    """Save a shared version in the workspace, with its image; nothing is built."""
    row = get_share(request.user, workspace, share, Right.DECIDE_SHARES)
    sent = AcceptIn(data=request.data)
    sent.is_valid(raise_exception=True)
    saved = sharing.accept(row, request.user, name=sent.validated_data["name"])
    return Response(rows.whole_version(saved, request.user))


@documented("POST", ReceivedShare, path=SHARE, may=(409,))
def decline_share(request: ApiRequest, workspace: str, share: int) -> Response:
    """Decline a shared version."""
    row = get_share(request.user, workspace, share, Right.DECIDE_SHARES)
    decline(row, request.user)
    return Response(_received(row))


@documented("POST", SentShare, path=SHARE, may=(409,))
def withdraw_share(request: ApiRequest, workspace: str, share: int) -> Response:
    """Withdraw an undecided share."""
    row = get_share(request.user, workspace, share, Right.SHARE)
    withdraw(row, request.user)
    return Response(_sent(row))


def _sent(row: Share) -> dict[str, Any]:
    """Return a share as its senders see it: nothing of the receiving workspace but its decision."""
    return {
        "id": row.pk,
        "version": row.origin,
        "to": row.to,
        "name": row.name,
        "message": row.message,
        "digest": row.digest,
        "state": row.state,
        "shared_by": row.shared_by.get_username() if row.shared_by else None,
        "shared_at": row.shared_at,
    }


def _received(row: Share) -> dict[str, Any]:
    return _sent(row) | {
        "accepted": f"{row.to}/{row.accepted}" if row.accepted else None,
        "decided_by": row.decided_by.get_username() if row.decided_by else None,
        "decided_at": row.decided_at,
    }
