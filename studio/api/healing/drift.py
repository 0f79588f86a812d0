"""The drift of an environment: watched, checked, and saved as a version."""

from typing import Any

from rest_framework import serializers as s
from rest_framework.response import Response

from builds.healing.drift import check_soon, drift_of, make_version, unwatch, watch
from builds.models.drift import Drift
from environments.access import Right, get_environment
from environments.errors import ConflictError
from studio.api.healing.heals import HealedPackage
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes.rows import reference

ENVIRONMENT = ("workspace", "name")


class DriftOut(s.Serializer[Any]):
    """The changes of an environment if it were built today."""

    watched = s.BooleanField()
    version = s.CharField(allow_null=True, help_text="The version that was checked: workspace/name:version.")
    checked_at = s.DateTimeField(allow_null=True)
    due_at = s.DateTimeField(allow_null=True)
    base_changed = s.BooleanField()
    changes = HealedPackage(many=True)
    problem = s.CharField(allow_blank=True, help_text="The reason the last check had no result.")


class DriftVersion(s.Serializer[Any]):
    """The version that was saved."""

    version = s.CharField()


@documented("GET", DriftOut, path=ENVIRONMENT)
def drift(request: ApiRequest, workspace: str, name: str) -> Response:
    """Give what would change in an environment if it were built today, by the last check."""
    return Response(_row(drift_of(get_environment(request.user, workspace, name))))


@documented("PUT", DriftOut, path=ENVIRONMENT)
def watch_drift(request: ApiRequest, workspace: str, name: str) -> Response:
    """Watch an environment for drift: it is checked once a day, and as soon as no build is waiting."""
    environment = get_environment(request.user, workspace, name, Right.DEFINE)
    watch(environment, request.user)
    check_soon(environment)
    return Response(_row(drift_of(environment)))


@documented("DELETE", {204: None}, path=ENVIRONMENT)
def unwatch_drift(request: ApiRequest, workspace: str, name: str) -> Response:
    """Watch an environment no longer."""
    unwatch(get_environment(request.user, workspace, name, Right.DEFINE), request.user)
    return Response(status=204)


@documented("POST", {201: DriftVersion}, path=ENVIRONMENT, may=(409,))
def drift_version(request: ApiRequest, workspace: str, name: str) -> Response:
    """Save an environment as of the last check as its next version, and request its build."""
    environment = get_environment(request.user, workspace, name, Right.DEFINE)
    row = drift_of(environment)
    if row is None:
        raise ConflictError(
            "not-watched", f"{environment} isn't watched.", "Watch it, and wait for the check."
        )
    return Response({"version": make_version(row, request.user).version}, status=201)


def _row(row: Drift | None) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "version": None,
        "checked_at": None,
        "due_at": None,
        "base_changed": False,
        "changes": [],
    }
    if row is None:
        return {"watched": False, **empty, "problem": ""}
    return {
        "watched": True,
        "version": reference(row.version),
        "checked_at": row.checked_at,
        "due_at": row.due_at,
        "base_changed": row.base_changed,
        "changes": row.changes,
        "problem": row.problem,
    }
