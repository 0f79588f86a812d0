"""The v1 JSON of an environment, as the first SDK saved and registered it (rule 37)."""

from __future__ import annotations

import json
from collections.abc import Mapping as Mapping_
from types import MappingProxyType

from environments.definition.findings import secrets
from environments.definition.findings.result import Draft
from environments.definition.formats import context, dockerfile_text, platforms, target
from environments.definition.formats.azure import own_keys, spark
from environments.definition.formats.conda import environment_file
from environments.definition.formats.shapes import (
    mapping_of,
    strings_of,
    text_of,
    texts_of,
    truth_of,
    unknown_keys,
)
from environments.definition.formats.source import Source
from environments.definition.model import Definition, RunOptions
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Tree

FORMAT = "v1-json"
SAVED, SAVED_CONDA, SAVED_DOCKERFILE = "azureml_environment.json", "conda_dependencies.yml", "BaseDockerfile"
_TOP = {
    name.lower(): name
    for name in (
        "name", "version", "environmentVariables", "docker", "python", "spark", "inferencingStackVersion",
        "databricks", "assetId", "autoRebuild", "r", "attribution", "description", "tags", "properties",
        "isPublic", "platforms", "target", "asOf", "newest", "smokeTest",
    )
}  # fmt: skip
_DOCKER = frozenset(
    (
        "arguments",
        "baseDockerfile",
        "baseImage",
        "baseImageRegistry",
        "buildContext",
        "enabled",
        "platform",
        "sharedVolumes",
        "shmSize",
        "gpuSupport",
    )
)
_PYTHON = frozenset(
    (
        "baseCondaEnvironment",
        "condaDependencies",
        "condaDependenciesFile",
        "interpreterPath",
        "packageIndexes",
        "userManagedDependencies",
    )
)
_BUILD = frozenset(("location", "path", "locationType", "dockerfilePath"))
_REGISTRY = frozenset(("address", "username", "password", "registryIdentity"))
# A run or inference configuration holds the environment under one of these.
_AROUND = ("environment", "Environment", "configuration", "Configuration")
_MARKS = frozenset(("docker", "python", "environmentvariables", "inferencingstackversion"))


def recognised(tree: Mapping) -> bool:
    """Whether this mapping is a v1 environment, or an inference configuration that holds one."""
    lower = {name.lower() for name in tree.entries}
    inner = tree.get(*_AROUND)
    if isinstance(inner, Mapping) and recognised(inner):
        return True
    return bool(lower & _MARKS) and not lower & {"dependencies", "image", "build_dependencies", "conda_file"}


def read(draft: Draft, tree: Tree | None, source: Source) -> None:
    """Read the mapping of a v1 environment into the draft."""
    whole = mapping_of(draft, tree, "the environment")
    inner = whole.get(*_AROUND)
    while isinstance(inner, Mapping) and recognised(inner):
        whole = mapping_of(draft, inner, "environment")
        inner = whole.get(*_AROUND)
    mapping = _lowered(draft, whole)
    draft.name = text_of(draft, mapping.get("name"), "name") or ""
    draft.version = text_of(draft, mapping.get("version"), "version") or ""
    draft.description = text_of(draft, mapping.get("description"), "description") or ""
    if isinstance(mapping.get("tags"), Mapping):
        draft.tags = {k: str(v) for k, v in strings_of(draft, mapping.get("tags"), "tags").items()}
    if isinstance(mapping.get("properties"), Mapping):
        pairs = strings_of(draft, mapping.get("properties"), "properties")
        draft.properties = {k: str(v) for k, v in pairs.items()}
    variables = mapping.get("environmentVariables")
    draft.variables.update(strings_of(draft, variables, "environmentVariables"))
    _python(draft, mapping_of(draft, mapping.get("python"), "python"), source)
    _docker(draft, mapping_of(draft, mapping.get("docker"), "docker"), source)
    platforms.read(draft, mapping.get("platforms"))
    target.read(draft, mapping.get("target"))
    draft.spark = spark.read(draft, mapping.get("spark"))
    own_keys.read_cutoff(draft, mapping.get("asOf"), mapping.get("newest"))
    own_keys.read_smoke_test(draft, mapping.get("smokeTest"), "smokeTest")
    stack = text_of(draft, mapping.get("inferencingStackVersion"), "inferencingStackVersion")
    if stack:
        draft.run = draft.run.model_copy(update={"inferencing_stack_version": str(stack)})


def _lowered(draft: Draft, mapping: Mapping) -> Mapping:
    """The same mapping with its keys as the documents spell them; the top level may use any case."""
    same = Mapping(line=mapping.line, column=mapping.column)
    for name, value in mapping.entries.items():
        key = mapping.keys[name]
        known = _TOP.get(name.lower())
        if known is None:
            unknown_keys(draft, Mapping(line=1, column=1, keys={name: key}), _TOP.values())
        same.put(Scalar(known or name, False, line=key.line, column=key.column), value)
    for key in same.repeated:
        draft.note("duplicate-key", key, what=f"“{key.text}”")
    return same


def _docker(draft: Draft, docker: Mapping, source: Source) -> None:
    unknown_keys(draft, docker, _DOCKER, "docker.")
    image = text_of(draft, docker.get("baseImage"), "docker.baseImage")
    dockerfile = text_of(draft, docker.get("baseDockerfile"), "docker.baseDockerfile")
    build = docker.get("buildContext")
    bases = {"baseImage": image, "baseDockerfile": dockerfile, "buildContext": build}
    given = [name for name, value in bases.items() if value is not None and value != ""]
    if len(given) > 1:
        draft.note("base-twice", docker.keys[given[1]], what=" or ".join(f"`{name}`" for name in given))
    elif build is not None:
        _build_context(draft, mapping_of(draft, build, "docker.buildContext"), source)
    elif dockerfile:
        dockerfile_text.read(draft, _dockerfile(draft, dockerfile, source))
    elif image:
        draft.image = _with_registry(draft, image, docker)
    elif _saved(source, SAVED_DOCKERFILE):
        name = Placed(SAVED_DOCKERFILE, docker.line, docker.column)
        dockerfile_text.read(draft, _dockerfile(draft, name, source))
    else:
        draft.note("base-missing", docker)
    _platform(draft, docker.get("platform"))
    draft.run = RunOptions(
        arguments=tuple(map(str, texts_of(draft, docker.get("arguments"), "docker.arguments"))),
        docker_enabled=truth_of(draft, docker.get("enabled"), "docker.enabled"),
        shared_volumes=truth_of(draft, docker.get("sharedVolumes"), "docker.sharedVolumes"),
        shm_size=str(text_of(draft, docker.get("shmSize"), "docker.shmSize") or ""),
    )


def _saved(source: Source, name: str) -> bool:
    """Whether this part lies beside the JSON, where the first SDK's `save_to_directory` puts it."""
    return source.path == SAVED and source.folder.read(name, 0) is not None


def _dockerfile(draft: Draft, text: Placed, source: Source) -> Placed:
    """The Dockerfile's text; `baseDockerfile` may also name the file that holds it, in the directory form."""
    if "\n" in text or dockerfile_text.recognised(text) or " " in text.strip():
        return text
    path = source.resolve(draft, text)
    content = source.text(draft, path, text) if path else None
    return text if content is None or path is None else Placed(content, 1, 1, path)


def _with_registry(draft: Draft, image: Placed, docker: Mapping) -> Placed:
    registry = mapping_of(draft, docker.get("baseImageRegistry"), "docker.baseImageRegistry")
    unknown_keys(draft, registry, _REGISTRY, "docker.baseImageRegistry.")
    user = text_of(draft, registry.get("username"), "docker.baseImageRegistry.username")
    password = text_of(draft, registry.get("password"), "docker.baseImageRegistry.password")
    if bool(user) != bool(password):
        draft.note("registry-credentials", user or password)
    if password and not secrets.is_placeholder(password):
        draft.note("secret-in-definition", password, what="docker.baseImageRegistry.password")
    address = text_of(draft, registry.get("address"), "docker.baseImageRegistry.address")
    if not address:
        return image
    host = address.partition("://")[2] or str(address)
    draft.registry = host.rstrip("/")
    if image.startswith(f"{draft.registry}/"):
        return image
    return image.moved(f"{draft.registry}/{image}")


def _platform(draft: Draft, node: Tree | None) -> None:
    if node is None or isinstance(node, Scalar):
        return
    platform = mapping_of(draft, node, "docker.platform")
    system = text_of(draft, platform.get("os"), "docker.platform.os")
    machine = text_of(draft, platform.get("architecture"), "docker.platform.architecture")
    if system or machine:
        draft.platform = f"{(system or 'linux').lower()}/{(machine or 'amd64').lower()}"
    if system and system.lower() != "linux":
        draft.note("platform-windows", system, what=str(system))


def _build_context(draft: Draft, build: Mapping, source: Source) -> None:
    unknown_keys(draft, build, _BUILD, "docker.buildContext.")
    path = text_of(draft, build.get("location", "path"), "docker.buildContext.location")
    dockerfile = text_of(draft, build.get("dockerfilePath"), "docker.buildContext.dockerfilePath")
    if path is None:
        draft.note("missing-key", build, what="docker.buildContext.location")
        return
    context.read_named(draft, path, dockerfile or path.moved("Dockerfile"), source)


def _python(draft: Draft, python: Mapping, source: Source) -> None:
    unknown_keys(draft, python, _PYTHON, "python.")
    draft.user_managed = (
        truth_of(draft, python.get("userManagedDependencies"), "userManagedDependencies") or False
    )
    draft.interpreter_path = str(text_of(draft, python.get("interpreterPath"), "interpreterPath") or "")
    base = text_of(draft, python.get("baseCondaEnvironment"), "baseCondaEnvironment")
    draft.base_conda_environment = str(base or "")
    draft.package_indexes = own_keys.read_indexes(draft, python.get("packageIndexes"), "packageIndexes")
    inline = python.get("condaDependencies")
    path = text_of(draft, python.get("condaDependenciesFile"), "condaDependenciesFile")
    if inline is not None:
        environment_file.read_layer(draft, inline, source)
    elif path:
        environment_file.read_named(draft, path, source)
    elif _saved(source, SAVED_CONDA):
        environment_file.read_named(draft, Placed(SAVED_CONDA, python.line, python.column), source)


def write(
    definition: Definition,
    name: str = "",
    version: str = "",
    description: str = "",
    tags: Mapping_[str, str] = MappingProxyType({}),
) -> str:
    """A v1 environment in JSON; reading it gives the same hash."""
    python, spark_layer, run = definition.python, definition.spark, definition.run
    system, _, machine = definition.platform.partition("/")
    dependencies: list[object] = list(python.conda)
    if python.pip:
        dependencies.append({"pip": list(python.pip)})
    conda = {"name": "project_environment", "channels": list(python.channels), "dependencies": dependencies}
    layer: dict[str, object] = {
        "baseCondaEnvironment": python.base_conda_environment or None,
        "condaDependencies": conda if dependencies or python.channels else None,
        "condaDependenciesFile": None,
        "interpreterPath": python.interpreter_path or None,
        "userManagedDependencies": python.user_managed,
    }
    document: dict[str, object] = {
        "name": name or None,
        "version": version or None,
        "environmentVariables": definition.variables,
        "docker": {
            "arguments": list(run.arguments),
            "baseDockerfile": definition.dockerfile,
            "baseImage": definition.image,
            "baseImageRegistry": {"address": definition.registry or None, "username": None, "password": None},
            "enabled": run.docker_enabled,
            "platform": {"os": system.capitalize(), "architecture": machine},
            "sharedVolumes": run.shared_volumes,
            "shmSize": run.shm_size or None,
        },
        "python": layer,
        "spark": {
            "repositories": list(spark_layer.repositories),
            "packages": [package.model_dump() for package in spark_layer.packages],
            "precachePackages": spark_layer.precache,
        },
        "inferencingStackVersion": run.inferencing_stack_version or None,
    }
    if python.package_indexes:
        document["python"] = {**layer, "packageIndexes": python.package_indexes}
    document |= own_keys.cutoff_values(definition.cutoff, as_of="asOf")
    described = {"description": description, "tags": dict(tags), "properties": definition.properties}
    described["smokeTest"] = definition.smoke_test
    described["target"] = definition.target.stated
    described["platforms"] = list(definition.platforms) if definition.other_platforms else []
    document |= {key: value for key, value in described.items() if value}
    return json.dumps(document, indent=4, ensure_ascii=False) + "\n"
