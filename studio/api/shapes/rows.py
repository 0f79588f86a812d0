"""Rows of the database as the API gives them."""

from collections.abc import Iterable, Sequence
from typing import Any

from builds.images.repositories import PullNames, name_of, pull_names, pull_names_of
from builds.models import Build, BuildRequest, BuildState, Image
from builds.pages.queries import NOT_BUILT, ImageState, image_states, queue_of, steps_shown
from builds.pages.steps import state_of
from builds.search.matches import Matches
from builds.statistics.estimates import estimate_of
from environments import models
from environments.access import origins_named, role_in
from environments.catalogue.deprecations import deprecated_ancestor, deprecations_of
from environments.definition import Reading
from environments.definition.cli import offers_json
from environments.models.catalogue import Deprecation
from environments.versions.labels import labels_of
from environments.workspaces import uploads


def reference(version: models.Version | None) -> str | None:
    """Return workspace/name:version."""
    if version is None:
        return None
    environment = version.environment
    return f"{environment.workspace.name}/{environment.name}:{version.version}"


def workspace(row: models.Workspace, user: Any) -> dict[str, Any]:
    """Return a workspace as this person sees it."""
    role = role_in(row, user)
    return {
        "name": row.name,
        "title": row.title,
        "curated": row.curated,
        "role": role.label if role else "reader",
    }


def upload_policy(row: models.Workspace) -> dict[str, Any]:
    """Return how old packages must be in a workspace."""
    policy = uploads.upload_policy(row)
    return {"limit": policy.as_of or policy.newest, "exceptions": policy.exceptions}


def version(
    row: models.Version,
    state: ImageState = NOT_BUILT,
    leaving: Deprecation | None = None,
    labels: Sequence[str] = (),
    origin: models.Version | None = None,
) -> dict[str, Any]:
    """Return a version without its definition."""
    return {
        "workspace": row.environment.workspace.name,
        "environment": row.environment.name,
        "version": row.version,
        "labels": list(labels),
        "anonymous": row.environment.anonymous,
        "pull_name": "" if row.environment.anonymous else name_of(row),
        "hash": row.hash,
        "kind": row.kind,
        "base": row.base,
        "packages": row.packages,
        "description": row.description,
        "tags": row.tags,
        "based_on": reference(origin),
        "archived": row.archived_at is not None,
        "created_at": row.created_at,
        "created_by": _name(row.created_by),
        "image": state.state,
        "deprecation": deprecation(leaving) if leaving else None,
    }


def deprecation(row: Deprecation) -> dict[str, Any]:
    """Return that something is on its way out."""
    return {
        "on": row.on,
        "reason": row.reason,
        "successor": row.successor.name if row.successor else None,
        "retired": row.retired_at is not None,
    }


def versions(rows: Iterable[models.Version], workspace: models.Workspace, user: Any) -> list[dict[str, Any]]:
    """Return versions, each with the state of its image, in a constant number of queries."""
    listed = list(rows)
    states = image_states(workspace, [row.hash for row in listed])
    leaving = deprecations_of(listed) if workspace.curated else {}
    labels = labels_of(listed)
    origins = origins_named(listed, user)
    return [
        version(
            row,
            states.get(row.hash, NOT_BUILT),
            leaving.get(row.pk),
            labels[row.pk],
            origins.get(row.pk),
        )
        for row in listed
    ]


def whole_version(row: models.Version, user: Any) -> dict[str, Any]:
    """Return a version with its definition."""
    (shown,) = versions([row], row.environment.workspace, user)
    origin = deprecated_ancestor(row)
    definition = row.definition.model_dump(mode="json")
    others = list(row.source_files.values_list("path", flat=True))
    from_there = deprecation(origin.deprecation) | {"version": reference(origin.version)} if origin else None
    return shown | {
        "deprecated_origin": from_there,
        "definition": definition,
        "selection": definition["selection"],
        "files": [row.source_path, *others] if others else [],
        "source_format": row.source_format,
    }


def environment(
    row: models.Environment, latest: dict[str, Any] | None, matches: Matches | None = None
) -> dict[str, Any]:
    """Return an environment with its latest version, and the versions and packages that match a search."""
    return {
        "workspace": row.workspace.name,
        "name": row.name,
        "archived": row.archived_at is not None,
        "ignored_findings": row.ignored_findings,
        "created_at": row.created_at,
        "created_by": _name(row.created_by),
        "latest": latest,
        "matches": {
            "versions": [hit.version for hit in matches.hits],
            "packages": [
                {"package": match.text, "requested_only": match.requested, "versions": match.versions}
                for match in matches.packages
            ],
        }
        if matches
        else None,
    }


def image(row: Image, host: str, version: models.Version | None) -> dict[str, Any]:
    """Return an image; `version` is one that shares it."""
    return _image(row, pull_names(row, host, version))


def images(rows: Sequence[tuple[Image, models.Version | None]], host: str) -> list[dict[str, Any]]:
    """Return images, each with a version that shares it, in a constant number of queries."""
    return [_image(row, names) for (row, _), names in zip(rows, pull_names_of(rows, host), strict=True)]


def _image(row: Image, names: PullNames) -> dict[str, Any]:
    fields = ("hash", "digest", "size", "packages", "base", "base_digest", "python", "interpreter", "current")
    return {field: getattr(row, field) for field in fields} | {
        "bytecode": row.bytecode,
        "workspace": row.workspace.name,
        "platforms": row.platforms.split(","),
        "name": row.name,
        "built_at": row.built_at,
        "used_at": row.used_at,
        "pull": names.command,
        "pull_by_hash": f"docker pull {names.by_hash}",
        "pull_by_digest": f"docker pull {names.by_digest}",
    }


def build(row: Build) -> dict[str, Any]:
    """Return a build."""
    fields = ("hash", "state", "rebuild", "reused", "queued_at", "started_at", "ended_at", "log_lines")
    failed = row.state == BuildState.FAILED
    return {field: getattr(row, field) for field in fields} | {
        "id": row.pk,
        "workspace": row.version.environment.workspace.name,
        "environment": row.version.environment.name,
        "version": row.version.version,
        "digest": row.image.digest if row.image else None,
        "failure": _failure(row) if failed else None,
    }


def whole_build(row: Build) -> dict[str, Any]:
    """Return a build with its steps."""
    fields = ("name", "started_at", "ended_at", "cached", "first_line", "done", "total", "unit")
    shown = steps_shown(row)
    steps = [
        {field: getattr(step, field) for field in fields}
        | {"state": (state := state_of(row, step)), "failed": state == "failed"}
        for step in shown
    ]
    queue, estimate = queue_of(row), estimate_of(row, shown)
    expected = {
        "starts_at": queue.starts_at if queue else None,
        "ends_at": estimate.ends_at if estimate else None,
        "seconds_left": estimate.seconds_left if estimate else None,
        "usual_seconds": estimate.history.seconds if estimate else None,
        "based_on": estimate.history.of if estimate else "",
        "builds": estimate.history.builds if estimate else 0,
    }
    return build(row) | {
        "steps": steps,
        "queue_position": queue.position if queue else 0,
        "estimate": expected if estimate or (queue and queue.starts_at) else None,
        "stopped_by": _name(row.stopped_by),
    }


def build_request(row: BuildRequest, host: str) -> dict[str, Any]:
    """Return what came of asking for an image."""
    return {
        "reused": row.reused,
        "joined": row.joined,
        "build": build(row.build) if row.build else None,
        "image": image(row.image, host, row.version) if row.image else None,
    }


def token(row: models.AccessToken) -> dict[str, Any]:
    """Return an access token: its secret is nowhere."""
    fields = ("name", "hint", "created_at", "expires_at", "revoked_at", "used_at")
    return {field: getattr(row, field) for field in fields} | {
        "id": row.pk,
        "scope": models.Scope(row.scope).name.lower(),
        "workspace": row.workspace.name if row.workspace else None,
    }


def reading(read: Reading, fixed: str | None = None, *, pending: bool = False) -> dict[str, Any]:
    """Return what was read, with the text that its safe fixes make."""
    definition = read.definition
    return {
        "accepted": read.accepted,
        "format": read.format,
        "name": read.name,
        "version": read.version,
        "hash": definition.hash if definition else None,
        "definition": definition.model_dump(mode="json") if definition else None,
        "offers": offers_json(read.offers),
        "selection": definition.selection.model_dump(mode="json") if definition else None,
        "findings": [finding.as_json() for finding in read.findings],
        "fixed": fixed,
        "pending": pending,
    }


def _failure(row: Build) -> dict[str, Any]:
    return {
        "code": row.error_code,
        "message": row.error,
        "help": row.error_help,
        "fault": row.error_fault,
        "line": row.error_line,
        "raw": row.details.get("raw", ""),
        "conflict": row.details.get("conflict", []),
        "definition_line": row.details.get("line"),
    }


def _name(user: Any) -> str | None:
    return user.get_username() if user is not None else None
