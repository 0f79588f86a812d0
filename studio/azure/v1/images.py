"""Details of a version's image, as the first SDK reads them."""

from typing import Any

from django.conf import settings

from builds.images.repositories import name_of, pull_names
from builds.models import Image
from builds.queue.requests import image_of
from environments.definition import Definition
from environments.definition.findings.secrets import masked, masked_script
from environments.definition.formats.conda import environment_file
from environments.errors import ConflictError
from environments.models import Version

CONDA_PATH = "/opt/env"
_PACKAGES = "# The studio puts these packages on top of the base without running this file:"


def details(version: Version, host: str) -> dict[str, Any]:
    """Return the details of a version's image, whether it is built or not; never a registry's password."""
    definition, image = version.definition, image_of(version)
    repository = image.repository if image else f"{settings.IMAGE_PREFIX}{version.hash}"
    name, address = _registry(image, repository, f"{host}/{version.environment.workspace.name}", host)
    conda_file = masked(environment_file.write(definition)) if _has_packages(definition) else None
    return {
        "imageExistsInRegistry": image is not None,
        "dockerImage": {"name": name, "registry": {"address": address, "username": None, "password": None}},
        "pythonEnvironment": _python(definition, image, version.hash),
        "ingredients": {
            "dockerfile": _dockerfile(definition, image, conda_file or ""),
            "condaEnvironment": conda_file,
        },
    }


def pull_name(version: Version, host: str) -> str:
    """Return the name to pull a version's image by: its digest, or the version's name while it isn't built.

    Raises ConflictError for an anonymous environment without an image, which has no name.
    """
    image = image_of(version)
    if image is not None:
        return pull_names(image, host, version).by_digest
    if version.environment.anonymous:
        raise ConflictError("not-built", f"{version} isn't built yet.", "Build it first: build(workspace).")
    return f"{host}/{name_of(version)}"


def _registry(image: Image | None, repository: str, at_studio: str, host: str) -> tuple[str, str | None]:
    """Return the name of an image and the address of its registry, which the client joins with a slash."""
    if image is None:
        return repository, at_studio
    if not image.pushed_to:
        return repository, f"{host}/{image.workspace.name}"
    if image.pushed_to.endswith(f"/{repository}"):
        return repository, image.pushed_to.removesuffix(f"/{repository}")
    return image.pushed_to, None


def _python(definition: Definition, image: Image | None, hash: str) -> dict[str, str | None]:
    own = _has_packages(definition)
    interpreter = (image.interpreter if image else "") or definition.python.interpreter_path
    if not interpreter and own:
        interpreter = f"{CONDA_PATH}/bin/python"
    return {
        "interpreterPath": interpreter or None,
        "condaEnvironmentName": f"azureml_{hash}" if own else None,
        "condaEnvironmentPath": CONDA_PATH if own else None,
    }


def _has_packages(definition: Definition) -> bool:
    python = definition.python
    return bool(python.conda or python.pip) and not python.user_managed


def _dockerfile(definition: Definition, image: Image | None, conda_file: str) -> str:
    """Return the Dockerfile of a definition; of a base image, what amounts to it."""
    text = masked_script(definition.dockerfile_text) if definition.dockerfile_text else ""
    if not text:
        base = definition.image or ""
        pinned = f"{base}@{image.base_digest}" if image and image.base_digest and "@" not in base else base
        text = f"FROM {pinned}\n"
    if not conda_file:
        return text
    lines = "".join(f"# {line}\n" for line in conda_file.splitlines())
    return f"{text.rstrip()}\n{_PACKAGES}\n{lines}"
