"""Rules of a workspace or of the catalogue, their rehearsal, and exceptions."""

from django.http import Http404
from rest_framework.response import Response

from builds.models import PolicyException, RuleName
from builds.policies import service
from builds.policies.rehearsal import rehearse
from environments.access import Right, get_policy_workspace, get_workspace
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.policies import shapes
from studio.api.shapes.responses import paged

WORKSPACE = ("workspace",)
RULE = ("workspace", "rule")


@documented("GET", {200: shapes.PolicyRule(many=True)}, path=WORKSPACE)
def policy(request: ApiRequest, workspace: str) -> Response:
    """List the rules of a policy."""
    space = get_workspace(request.user, workspace, Right.SEE_SETTINGS)
    return Response([shapes.rule_row(rule) for rule in service.rules_of(space)])


@documented("PUT", shapes.PolicyRule, takes=shapes.PolicyRuleIn, path=RULE)
def change_policy_rule(request: ApiRequest, workspace: str, rule: str) -> Response:
    """Set a rule of a policy; options that are left out get their defaults."""
    space = get_policy_workspace(request.user, workspace)
    _known(rule)
    sent = shapes.PolicyRuleIn(data=request.data)
    sent.is_valid(raise_exception=True)
    service.set_rule(space, rule, **sent.validated_data, by=request.user)
    return Response(next(shapes.rule_row(row) for row in service.rules_of(space) if row.name == rule))


@documented("POST", shapes.RehearsalOut, takes=shapes.RehearsalIn, path=RULE)
def rehearse_policy_rule(request: ApiRequest, workspace: str, rule: str) -> Response:
    """Report which builds of the past year a rule with these options would have stopped; nothing is saved."""
    space = get_policy_workspace(request.user, workspace)
    _known(rule)
    sent = shapes.RehearsalIn(data=request.data)
    sent.is_valid(raise_exception=True)
    candidate = service.candidate(space, rule, "block", None, sent.validated_data["options"])
    return Response(shapes.RehearsalOut(shapes.rehearsal_row(rehearse(space, candidate))).data)


@documented("GET", paged(shapes.ExceptionOut), path=WORKSPACE, paged=True)
def policy_exceptions(request: ApiRequest, workspace: str) -> Response:
    """List the exceptions from a policy, newest first."""
    space = get_workspace(request.user, workspace, Right.SEE_SETTINGS)
    page, pages = page_of(request, service.exceptions_of(space), ("-pk",))
    return pages.get_paginated_response([shapes.exception_row(row) for row in page])


@documented("POST", {201: shapes.ExceptionOut}, takes=shapes.ExceptionIn, path=WORKSPACE, may=(409,))
def add_policy_exception(request: ApiRequest, workspace: str) -> Response:
    """Add an exception from a policy."""
    space = get_policy_workspace(request.user, workspace)
    sent = shapes.ExceptionIn(data=request.data)
    sent.is_valid(raise_exception=True)
    row = service.add_exception(space, **sent.validated_data, by=request.user)
    return Response(shapes.exception_row(row), status=201)


@documented("DELETE", {204: None}, path=("workspace", "exception"))
def remove_policy_exception(request: ApiRequest, workspace: str, exception: int) -> Response:
    """Remove an exception from a policy."""
    space = get_policy_workspace(request.user, workspace)
    rows = PolicyException.objects.filter(workspace=space, pk=exception) if exception < 2**63 else ()
    for row in rows:
        service.remove_exception(row, request.user)
        return Response(status=204)
    raise Http404(f"There is no exception {exception} in {space}.")


def _known(rule: str) -> None:
    if rule not in RuleName.values:
        raise Http404(f"There is no rule {rule[:40]}.")
