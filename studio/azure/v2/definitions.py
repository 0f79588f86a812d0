"""From what SDK v2 sends to a definition, through the reader of v2 YAML files."""

from typing import Any

import yaml

from environments.contexts.folder import WithContext
from environments.definition.formats.azure import v2
from environments.definition.writing.write import FILE_NAMES
from environments.models import Workspace
from environments.versions.input import DefinitionInput, read_beside, read_input
from studio.azure.blobs.containers import CONTEXT, context_folder, is_upload

FILE = FILE_NAMES[v2.FORMAT]
CONDA_FILE = "conda.yaml"
_ROUTES = {
    "livenessRoute": "liveness_route",
    "readinessRoute": "readiness_route",
    "scoringRoute": "scoring_route",
}


def read_version(properties: dict[str, Any], workspace: Workspace) -> DefinitionInput:
    """Return the reading of a version as a v2 YAML file, with the conda file beside it.

    An uploaded build context is read from the workspace's uploads. Raises ServiceError if it is not there.
    """
    mapping: dict[str, Any] = {"$schema": v2.SCHEMA}
    beside = {}
    if properties.get("image"):
        mapping["image"] = properties["image"]
    if build := properties.get("build"):
        uri = build["contextUri"]
        mapping["build"] = {"path": CONTEXT if is_upload(uri) else uri}
        if build.get("dockerfilePath"):
            mapping["build"]["dockerfile_path"] = build["dockerfilePath"]
    if properties.get("condaFile"):
        mapping["conda_file"] = CONDA_FILE
        beside[CONDA_FILE] = properties["condaFile"]
    if (properties.get("osType") or "").lower() == "windows":
        mapping["os_type"] = "windows"
    if routes := _routes(properties.get("inferenceConfig") or {}):
        mapping["inference_config"] = routes
    if properties.get("properties"):
        mapping["properties"] = properties["properties"]
    text = yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True, width=10_000)
    if build and is_upload(build["contextUri"]):
        uploaded = context_folder(build["contextUri"], workspace)
        texts = {path: content.encode() for path, content in beside.items()}
        return read_beside(text, FILE, WithContext(texts, CONTEXT, uploaded))
    return read_input(text, FILE, beside=beside)


def _routes(config: dict[str, Any]) -> dict[str, Any]:
    return {_ROUTES[name]: dict(route) for name, route in config.items() if route}
