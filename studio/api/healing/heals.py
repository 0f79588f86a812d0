"""Heal environments of a workspace: start a run, follow it, stop it, and save what waits for a decision."""

from typing import Any

from django.http import Http404
from rest_framework import serializers as s
from rest_framework.response import Response

from builds.healing.lookup import MOST, advisories_named
from builds.healing.publishing import publish_ready
from builds.healing.runs import MOST_ITEMS, cancel_run, runs_in, start_run
from builds.healing.summary import as_json, item_json
from builds.models.healing import HealItem, HealRun, HealState
from environments.access import Right, get_workspace, workspaces_of
from environments.errors import ServiceError
from environments.models import Environment, Workspace
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes.bodies import NoNul
from studio.api.shapes.responses import paged

WORKSPACE = ("workspace",)
RUN = ("workspace", "run")
ITEM = ("workspace", "run", "item")


class HealIn(s.Serializer[Any]):
    """The advisories and environments to heal, and how."""

    advisories = s.ListField(
        child=NoNul(max_length=100), min_length=1, max_length=MOST, help_text="CVE, GHSA, PYSEC or other ids."
    )
    environments = s.ListField(
        child=NoNul(max_length=255),
        required=False,
        max_length=MOST_ITEMS,
        help_text="Names; left out: all that are affected.",
    )
    dry_run = s.BooleanField(default=True, help_text="Solve and show the changes; build and save nothing.")
    report_only = s.BooleanField(default=False, help_text="Build and test; save nothing.")
    untested = s.BooleanField(default=False, help_text="Save also what no engine could test.")
    propose_from = NoNul(
        max_length=63,
        required=False,
        default="",
        allow_blank=True,
        help_text="In the catalogue: the workspace that changes are built in and proposed from.",
    )


class Requirement(s.Serializer[Any]):
    """A changed line of a definition."""

    before = s.CharField(allow_blank=True, help_text="Empty for a new line.")
    after = s.CharField()


class HealedPackage(s.Serializer[Any]):
    """A package whose version changes."""

    name = s.CharField()
    before = s.CharField(allow_blank=True)
    after = s.CharField(allow_blank=True)


class RebaseHint(s.Serializer[Any]):
    """A base image that brings what is affected: `POST …/rebases/` with it, or the command."""

    base = s.CharField()
    command = s.CharField()


class HealedItem(s.Serializer[Any]):
    """An environment of a run, and what became of it."""

    id = s.IntegerField()
    workspace = s.CharField()
    environment = s.CharField()
    version = s.CharField()
    state = s.ChoiceField(choices=HealState.values)
    requirements = Requirement(many=True)
    changes = HealedPackage(many=True)
    reason = s.CharField(allow_blank=True)
    rebase = RebaseHint(
        allow_null=True, help_text="What fixes it, if its base image brings what is affected."
    )
    published = s.CharField(allow_null=True, help_text="The version that it is saved as.")
    proposal = s.IntegerField(allow_null=True)


class Run(s.Serializer[Any]):
    """A run over environments of a workspace."""

    run = s.IntegerField()
    advisories = s.ListField(child=s.CharField())
    dry_run = s.BooleanField()
    ended = s.BooleanField()
    states = s.DictField(child=s.IntegerField(), help_text="The number of environments by state.")


class RunWithItems(Run):
    """A run with its environments."""

    items = HealedItem(many=True)


@documented("GET", paged(Run), path=WORKSPACE, paged=True)
def heals(request: ApiRequest, workspace: str) -> Response:
    """List the runs over environments of a workspace, newest first."""
    space = get_workspace(request.user, workspace, Right.SEE)
    page, pages = page_of(request, runs_in(space), ("-pk",))
    return pages.get_paginated_response([_run_json(row, space, whole=False) for row in page])


@documented("POST", {201: RunWithItems}, takes=HealIn, path=WORKSPACE, may=(409,))
def start_heal(request: ApiRequest, workspace: str) -> Response:
    """Heal the latest versions that advisories affect: the smallest change of each, built and tested first."""
    space = get_workspace(request.user, workspace, Right.DEFINE)
    sent = HealIn(data=request.data)
    sent.is_valid(raise_exception=True)
    payload: dict[str, Any] = sent.validated_data
    row = start_run(
        advisories_named(payload["advisories"]),
        Workspace.objects.filter(pk=space.pk),
        request.user,
        environments=_environments(space, payload.get("environments")),
        dry_run=payload["dry_run"],
        report_only=payload["report_only"],
        untested=payload["untested"],
        workspace=_home(request, payload["propose_from"]) if space.curated else None,
    )
    return Response(_run_json(row, space, whole=True), status=201)


@documented("GET", RunWithItems, path=RUN)
def heal(request: ApiRequest, workspace: str, run: int) -> Response:
    """Give a run with what became of each environment."""
    space = get_workspace(request.user, workspace, Right.SEE)
    return Response(_run_json(_run(space, run), space, whole=True))


@documented("DELETE", {204: None}, path=RUN)
def stop_heal(request: ApiRequest, workspace: str, run: int) -> Response:
    """Stop a run in a workspace: nothing more of it is saved."""
    space = get_workspace(request.user, workspace, Right.DEFINE)
    cancel_run(_run(space, run), request.user, space)
    return Response(status=204)


@documented("POST", HealedItem, path=ITEM, may=(409,))
def save_healed(request: ApiRequest, workspace: str, run: int, item: int) -> Response:
    """Save what is built but was not saved: untested, or of a run that only reports."""
    space = get_workspace(request.user, workspace, Right.DEFINE)
    rows = HealItem.objects.select_related("run__workspace", "version__environment__workspace", "candidate")
    row = rows.filter(pk=item, run=_run(space, run), environment__workspace=space).first()
    if row is None:
        raise Http404("There is no such item.")
    publish_ready(row, request.user)
    return Response(item_json(rows.get(pk=item)))


def _run(space: Workspace, pk: int) -> HealRun:
    row = runs_in(space).filter(pk=pk).first()
    if row is None:
        raise Http404("There is no such run.")
    return row


def _run_json(row: HealRun, space: Workspace, *, whole: bool) -> dict[str, Any]:
    items = row.items.filter(environment__workspace=space)
    data = as_json(row, list(items.select_related("version__environment__workspace", "published")))
    if not whole:
        data.pop("items")
    return data


def _environments(space: Workspace, names: list[str] | None) -> list[int] | None:
    if names is None:
        return None
    rows = dict(Environment.objects.filter(workspace=space, name__in=names).values_list("name", "pk"))
    unknown = [name for name in names if name not in rows]
    if unknown:
        raise ServiceError("no-such-environment", f"{space} has no environment {unknown[0]}.")
    return list(rows.values())


def _home(request: ApiRequest, name: str) -> Workspace:
    home = workspaces_of(request.user, Right.PROPOSE).filter(name=name, curated=False).first()
    if home is None:
        raise ServiceError(
            "no-workspace",
            "Curated environments are proposed from a workspace of yours.",
            "Name it as propose_from.",
        )
    return home
