"""Labels of versions: set, moved, removed and listed."""

from typing import Any

from django.http import Http404
from rest_framework import serializers as s
from rest_framework.response import Response

from builds.images.repositories import label_name_of
from environments.access import Right, get_environment
from environments.models import Environment, VersionLabel
from environments.versions.labels import LabelMoved, remove_label, set_label
from environments.versions.labels import label_history as history_of
from studio.api.http.answers import Changed, check_unchanged, etag, page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import rows
from studio.api.shapes.bodies import NoNul
from studio.api.shapes.responses import paged

ENVIRONMENT = ("workspace", "name")
LABEL = ("workspace", "name", "label")


class LabelIn(s.Serializer[Any]):
    """The version to put a label on."""

    version = NoNul(max_length=64, help_text="A version, `latest` or another label.")


class Label(s.Serializer[Any]):
    """A label of a version."""

    name = s.CharField()
    version = s.CharField(help_text="workspace/name:version")
    pull_name = s.CharField(help_text="Of its image, after the host: workspace/repository:label")
    set_by = s.CharField(allow_null=True)
    set_at = s.DateTimeField()


class LabelChange(s.Serializer[Any]):
    """A change of a label: set where it was on no version before, removed where it is on none after."""

    at = s.DateTimeField()
    by = s.CharField(allow_null=True)
    before = s.CharField(allow_null=True, help_text="The version that had it.")
    after = s.CharField(allow_null=True, help_text="The version that has it since.")


@documented("GET", paged(Label), path=ENVIRONMENT, paged=True)
def labels(request: ApiRequest, workspace: str, name: str) -> Response:
    """List an environment's labels, by name; `latest` is computed and isn't among them."""
    environment = get_environment(request.user, workspace, name)
    page, pages = page_of(request, _rows(environment), ("name",))
    return pages.get_paginated_response([_row(label) for label in page])


@documented("GET", Label, path=LABEL)
def label(request: ApiRequest, workspace: str, name: str, label: str) -> Response:
    """Give a label, with the version it is on."""
    return _answer(_get(get_environment(request.user, workspace, name), label))


@documented("GET", paged(LabelChange), path=LABEL, paged=True)
def label_history(request: ApiRequest, workspace: str, name: str, label: str) -> Response:
    """List the changes of a label, newest first; those of a label that was removed too."""
    environment = get_environment(request.user, workspace, name)
    page, pages = page_of(request, history_of(environment, label), ("-at", "-pk"))
    return pages.get_paginated_response(
        [
            {
                "at": event.at,
                "by": event.actor.get_username() if event.actor else None,
                "before": (event.before or {}).get("version"),
                "after": (event.after or {}).get("version"),
            }
            for event in page
        ]
    )


@documented(
    "PUT",
    {200: Label, 201: Label},
    takes=LabelIn,
    path=LABEL,
    may=(409, 412),
    headers=("If-Match",),
)
def put_label(request: ApiRequest, workspace: str, name: str, label: str) -> Response:
    """Put a label on a version, or move it there; with `If-Match` only if nobody has moved it meanwhile."""
    environment = get_environment(request.user, workspace, name, Right.DEFINE)
    sent = LabelIn(data=request.data)
    sent.is_valid(raise_exception=True)
    version = environment.version_called(sent.validated_data["version"], without_content=True)
    if version is None:
        raise Http404(f"{environment} has no version or label {sent.validated_data['version']}.")
    seen = _seen(request, _rows(environment).filter(name=label).first())
    try:
        change = set_label(version, label, user=request.user, seen=seen)
    except LabelMoved as problem:
        raise Changed from problem
    return _answer(_get(environment, label), status=201 if change.before is None else 200)


@documented("DELETE", {204: None}, path=LABEL, may=(409, 412), headers=("If-Match",))
def delete_label(request: ApiRequest, workspace: str, name: str, label: str) -> Response:
    """Remove a label; the version stays."""
    environment = get_environment(request.user, workspace, name, Right.DEFINE)
    seen = _seen(request, _get(environment, label))
    try:
        remove_label(environment, label, user=request.user, seen=seen)
    except LabelMoved as problem:
        raise Changed from problem
    return Response(status=204)


def _rows(environment: Environment) -> Any:
    rows_of = environment.labels.select_related("version__environment__workspace", "set_by")
    return rows_of.defer("version__data", "version__source")


def _get(environment: Environment, name: str) -> VersionLabel:
    row: VersionLabel | None = _rows(environment).filter(name=name).first()
    if row is None:
        raise Http404(f"{environment} has no label {name}.")
    return row


def _seen(request: ApiRequest, current: VersionLabel | None) -> str | None:
    """Return the version that the caller knows the label to be on; None if the request does not depend on it."""
    check_unchanged(request, _etag(current))
    return (current.version.version if current else "") if request.headers.get("If-Match") else None


def _etag(row: VersionLabel | None) -> str:
    return etag(row.pk, row.version_id, row.set_at) if row else ""


def _answer(row: VersionLabel, status: int = 200) -> Response:
    return Response(_row(row), status=status, headers={"ETag": _etag(row)})


def _row(row: VersionLabel) -> dict[str, Any]:
    return {
        "name": row.name,
        "version": rows.reference(row.version),
        "pull_name": label_name_of(row),
        "set_by": row.set_by.get_username() if row.set_by else None,
        "set_at": row.set_at,
    }
