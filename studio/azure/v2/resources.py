"""Environments and versions as SDK v2 reads them."""

from collections.abc import Sequence
from typing import Any

from environments.definition.formats.azure import v2
from environments.definition.formats.conda import environment_file
from environments.definition.model import Definition
from environments.models import Environment, Version
from environments.versions.service import next_number
from studio.azure.addresses import PROVIDER, Scope
from studio.azure.times import timestamp
from studio.azure.v2.bodies import DOCKERFILE
from studio.azure.v2.definitions import CONDA_FILE


def version_resource(row: Version, scope: Scope, base: str) -> dict[str, Any]:
    """Return a version. The SDK sends it back to archive it, so what it holds reads as the same content."""
    environment = row.environment
    return {
        "id": scope.version_id(environment.name, row.version),
        "name": row.version,
        "type": f"{PROVIDER}/workspaces/environments/versions",
        "properties": version_properties(row, f"{base}{page_of(row)}"),
        "systemData": _system_data(row),
    }


def version_properties(row: Version, page: str) -> dict[str, Any]:
    """Return the properties of a version; a Dockerfile's context is at its page."""
    definition = row.outline
    build = None
    if definition.image is None:
        path = definition.context.dockerfile_path if definition.context else DOCKERFILE
        build = {"contextUri": page, "dockerfilePath": path}
    return {
        "description": row.description or None,
        "tags": row.tags,
        "properties": definition.properties,
        "isArchived": row.archived_at is not None,
        "isAnonymous": row.environment.anonymous,
        "environmentType": "Curated" if row.environment.workspace.curated else "UserCreated",
        "image": definition.image,
        "condaFile": _conda_file(row, definition),
        "build": build,
        "inferenceConfig": _inference(definition),
        "osType": "Windows" if definition.platform.startswith("windows/") else "Linux",
        "autoRebuild": "Disabled",
        "stage": None,
        "provisioningState": "Succeeded",
    }


def page_of(row: Version) -> str:
    """Return the path of a version's page."""
    environment = row.environment
    return f"/w/{environment.workspace.name}/environments/{environment.name}/versions/{row.version}/"


def environment_resource(row: Environment, scope: Scope, names: Sequence[tuple[str, bool]]) -> dict[str, Any]:
    """Return an environment; `names` are its versions in the order of creation, and whether each is archived."""
    current = [name for name, archived in names if not archived] or [name for name, _ in names]
    return {
        "id": scope.environment_id(row.name),
        "name": row.name,
        "type": f"{PROVIDER}/workspaces/environments",
        "properties": {
            "description": None,
            "tags": {},
            "properties": {},
            "isArchived": row.archived_at is not None,
            "latestVersion": current[-1] if current else None,
            "nextVersion": next_number(name for name, _ in names),
            "provisioningState": "Succeeded",
        },
        "systemData": _system_data(row),
    }


def _conda_file(row: Version, definition: Definition) -> str | None:
    """Return the conda file as it was sent, else written from the definition."""
    python = definition.python
    if python.user_managed or not (python.channels or python.conda or python.pip):
        return None
    if row.source_format == v2.FORMAT:
        sent = next((file.text for file in row.source_files.all() if file.path == CONDA_FILE), None)
        if sent is not None:
            return sent
    return environment_file.write(definition)


def _inference(definition: Definition) -> dict[str, Any] | None:
    if definition.inference is None:
        return None
    routes = {"livenessRoute": "liveness", "scoringRoute": "scoring", "readinessRoute": "readiness"}
    given = {name: getattr(definition.inference, key) for name, key in routes.items()}
    return {name: {"port": route.port, "path": route.path} for name, route in given.items() if route}


def _system_data(row: Environment | Version) -> dict[str, Any]:
    by = row.created_by.get_username() if row.created_by else "studio"
    created = timestamp(row.created_at)
    return {
        "createdBy": by,
        "createdByType": "User",
        "createdAt": created,
        "lastModifiedBy": by,
        "lastModifiedByType": "User",
        "lastModifiedAt": created,
    }
