"""Bodies as azureml-core 1.61.0.post4 sends them."""

from __future__ import annotations

import copy
from typing import Any

BASE = "python:3.12-slim"
_BODY: dict[str, Any] = {
    "Name": "forecast",
    "python": {
        "userManagedDependencies": False,
        "interpreterPath": "python",
        "condaDependenciesFile": None,
        "baseCondaEnvironment": None,
        "condaDependencies": {
            "name": "demo",
            "channels": ["conda-forge"],
            "dependencies": ["python=3.12", "pip", {"pip": ["scikit-learn==1.5.2"]}],
        },
    },
    "EnvironmentVariables": {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"},
    "Docker": {
        "enabled": False,
        "baseImage": BASE,
        "baseDockerfile": None,
        "buildContext": None,
        "sharedVolumes": True,
        "shmSize": "2g",
        "arguments": [],
        "baseImageRegistry": {"address": None, "username": None, "password": None, "registryIdentity": None},
        "platform": {"os": "Linux", "architecture": "amd64"},
    },
    "Spark": {"repositories": [], "packages": [], "precachePackages": True},
    "InferencingStackVersion": None,
    "r": None,
}


def body(
    docker: dict[str, Any] | None = None, python: dict[str, Any] | None = None, **top: Any
) -> dict[str, Any]:
    """Return the body of `register`, with other values in its sections."""
    sent = copy.deepcopy(_BODY)
    sent["Docker"] |= docker or {}
    sent["python"] |= python or {}
    return sent | top


def sent_back(document: dict[str, Any]) -> dict[str, Any]:
    """Return what the client sends of a definition that it read."""
    return {
        "Name": document["name"],
        "python": document["python"],
        "EnvironmentVariables": document["environmentVariables"],
        "Docker": document["docker"],
        "Spark": document["spark"],
        "InferencingStackVersion": document.get("inferencingStackVersion"),
        "r": document.get("r"),
    }
