"""Decisions about advisories, one at a time or as CycloneDX VEX."""

import json

from django.http import HttpResponse
from rest_framework.response import Response

from builds.exposure import vex
from builds.exposure.triage import decide, rows_seen_by, withdraw
from environments.access import Right, get_workspace
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.policies import shapes
from studio.api.shapes.responses import paged
from studio.policies.triage import advisory_named, decision_in, scope_in

WORKSPACE = ("workspace",)


@documented(
    "GET", paged(shapes.DecisionOut), path=WORKSPACE, query={"advisory": "Only those about it."}, paged=True
)
def decisions(request: ApiRequest, workspace: str) -> Response:
    """List the decisions about advisories in a workspace and for the studio, newest first."""
    space = get_workspace(request.user, workspace)
    rows = rows_seen_by(request.user, [space.pk])
    advisory = request.query_params.get("advisory", "")
    rows = rows.filter(advisory=advisory_named(advisory)) if advisory else rows
    page, pages = page_of(request, rows.order_by(), ("-pk",))
    return pages.get_paginated_response([shapes.decision_row(row) for row in page])


@documented("POST", {201: shapes.DecisionOut}, takes=shapes.DecisionIn, path=WORKSPACE)
def record_decision(request: ApiRequest, workspace: str) -> Response:
    """Record a decision about an advisory, instead of an earlier decision with the same scope."""
    space = get_workspace(request.user, workspace, Right.TRIAGE)
    sent = shapes.DecisionIn(data=request.data)
    sent.is_valid(raise_exception=True)
    data = sent.validated_data
    scope = scope_in(request, space, data["scope"], data["environment"], data["version"])
    row = decide(
        advisory_named(data["advisory"]),
        scope,
        data["state"],
        data["reason"],
        request.user,
        until=data["until"],
        justification=data["justification"],
    )
    return Response(shapes.decision_row(row), status=201)


@documented("DELETE", {204: None}, path=("workspace", "decision"))
def withdraw_decision(request: ApiRequest, workspace: str, decision: int) -> Response:
    """Withdraw a decision: the next wider holds again."""
    space = get_workspace(request.user, workspace, Right.TRIAGE)
    withdraw(decision_in(request, space, decision), request.user)
    return Response(status=204)


@documented(
    "GET",
    {(200, "application/vnd.cyclonedx+json"): dict},
    path=WORKSPACE,
    query={"spec": "The version of CycloneDX: 1.5 or 1.6 (1.6)."},
)
def export_vex(request: ApiRequest, workspace: str) -> HttpResponse:
    """Give the decisions that hold in a workspace as CycloneDX VEX."""
    space = get_workspace(request.user, workspace)
    version = "1.5" if request.query_params.get("spec") == "1.5" else "1.6"
    return HttpResponse(vex.export(space, version), content_type="application/vnd.cyclonedx+json")


@documented("POST", shapes.VexOut, takes=shapes.VexIn, path=WORKSPACE)
def import_vex(request: ApiRequest, workspace: str) -> Response:
    """Record the decisions of a CycloneDX VEX document."""
    space = get_workspace(request.user, workspace, Right.TRIAGE)
    sent = shapes.VexIn(data=request.data)
    sent.is_valid(raise_exception=True)
    data = sent.validated_data
    scope = scope_in(request, space, data["scope"], data["environment"], data["version"])
    outcome = vex.import_vex(json.dumps(data["document"]).encode(), scope, request.user)
    skipped = [{"advisory": name, "reason": why} for name, why in outcome.skipped]
    return Response({"recorded": outcome.recorded, "skipped": skipped})
