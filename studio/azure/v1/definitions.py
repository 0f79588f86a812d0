"""Definitions as the first SDK sends and reads them.

It sends top-level keys in a mix of cases, and knows fewer of them than definitions have. A definition that it read
and sends back is the same (rule 30), although it sends only what it knows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from environments.definition import Definition
from environments.definition.formats.azure import v1
from environments.definition.model import BuildContext
from environments.errors import ServiceError
from environments.models import Version
from environments.versions.input import DefinitionInput, read_input

# The client sends these keys of a definition, and drops every other that it read.
CLIENT_KEYS = ("name", "python", "environmentVariables", "docker", "spark", "inferencingStackVersion", "r")
_KEYS = {key.lower(): key for key in (*CLIENT_KEYS, "version", "description", "tags", "properties")}
_DOCKER_DEFAULTS = {"enabled": False, "sharedVolumes": True, "shmSize": "2g"}
_LIBRARIES = ("eggLibraries", "jarLibraries", "mavenLibraries", "pypiLibraries", "rcranLibraries")
_CONDA_NAME = "project_environment"
_ONLY_TO_READ_THE_REST = "host"
_NO_R = (
    "R packages aren't supported.",
    "Leave out the section `r`, and install R in the base image or with conda (r-base).",
)


@dataclass(frozen=True)
class ContextLocation:
    """The location of a build context as a request gives it, and the path of the Dockerfile in it."""

    url: str
    dockerfile_path: str


def context_location(body: Mapping[str, Any]) -> ContextLocation | None:
    """Return the location of a body's build context; None without a context, or with another base beside it."""
    docker = _camel_case(body).get("docker")
    if not isinstance(docker, dict) or docker.get("baseImage") or docker.get("baseDockerfile"):
        return None
    context = docker.get("buildContext")
    if not isinstance(context, dict) or not isinstance(context.get("location"), str):
        return None
    return ContextLocation(context["location"], str(context.get("dockerfilePath") or "Dockerfile"))


def read_definition(body: Mapping[str, Any], context: BuildContext | None = None) -> DefinitionInput:
    """Read a request's body; `context` is what its location leads to. Faults are in the reading, as for any file."""
    document = _camel_case(body)
    if document.pop("r", None):
        raise ServiceError("r-unsupported", *_NO_R)
    document["docker"] = document.get("docker") or {}
    document["python"] = _without_ignored_packages(document.get("python") or {})
    if context is None:
        return read_input(_text(document), v1.SAVED)
    document["docker"] = document["docker"] | {
        "buildContext": None,
        "baseImage": _ONLY_TO_READ_THE_REST,
        "baseImageRegistry": None,
    }
    given = read_input(_text(document), v1.SAVED)
    if given.reading.definition is None:
        return given
    definition = given.reading.definition.model_copy(update={"image": None, "context": context})
    return DefinitionInput(replace(given.reading, definition=definition), "", v1.SAVED)


def version_document(version: Version, context_url: str = "") -> dict[str, Any]:
    """Return a version as the client reads it; `context_url` is where its build context is, if it has any."""
    definition = version.outline
    plain = definition.model_copy(update={"context": None, "image": _ONLY_TO_READ_THE_REST})
    document: dict[str, Any] = json.loads(v1.write(plain if definition.context else definition))
    python, docker = document["python"], document["docker"]
    if python["condaDependencies"] is not None:
        python["condaDependencies"]["name"] = _conda_name(version)
    python["interpreterPath"] = python["interpreterPath"] or "python"
    python["userManagedDependencies"] |= _installs_nothing(version, definition)
    docker |= {key: value for key, value in _DOCKER_DEFAULTS.items() if docker[key] is None}
    docker["baseImageRegistry"]["registryIdentity"] = None
    docker["buildContext"] = None
    if definition.context is not None:
        docker["baseImage"] = None
        docker["buildContext"] = {
            "locationType": "storageAccount",
            "location": context_url,
            "dockerfilePath": definition.context.dockerfile_path,
        }
    document |= {"r": None, "databricks": {name: [] for name in _LIBRARIES}, "assetId": None}
    return document | {"name": version.environment.name, "version": version.version}


def is_same(version: Version, sent: Definition) -> bool:
    """Return whether a definition is a version's own, or what the client sends after it has read that."""
    definition = version.definition
    if definition == sent:
        return True
    document = version_document(version)
    sent_back = {key: document[key] for key in CLIENT_KEYS}
    return read_definition(sent_back, definition.context).reading.definition == sent


def _installs_nothing(version: Version, definition: Definition) -> bool:
    """Return whether the client would call it user-managed: other formats don't, of an image without packages."""
    packages = definition.python.conda or definition.python.pip
    return definition.image is not None and not packages and version.source_format != v1.FORMAT


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=4, ensure_ascii=False) + "\n"


def _camel_case(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known keys of a body as the format spells them."""
    return {_KEYS[key.lower()]: value for key, value in body.items() if key.lower() in _KEYS}


def _without_ignored_packages(python: Any) -> Any:
    """Return the section without packages if it is user-managed: the client sends its default packages there."""
    if isinstance(python, dict) and python.get("userManagedDependencies") is True:
        return python | {"condaDependencies": None, "condaDependenciesFile": None}
    return python


def _conda_name(version: Version) -> str:
    """Return the name in a version's conda file, as it was sent; it is no part of the definition (rule 3)."""
    if version.source_format != v1.FORMAT:
        return _CONDA_NAME
    try:
        name = json.loads(version.source)["python"]["condaDependencies"]["name"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return _CONDA_NAME
    return name if isinstance(name, str) and name else _CONDA_NAME
