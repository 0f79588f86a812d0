"""The v2 YAML of an environment: image or build context, conda file, inference routes (rule 38)."""

from __future__ import annotations

from collections.abc import Mapping as Mapping_
from types import MappingProxyType

from environments.definition.findings.result import Draft
from environments.definition.formats import context, dockerfile_text, platforms, target
from environments.definition.formats.azure import own_keys, spark
from environments.definition.formats.azure.own_keys import CUTOFF_KEYS
from environments.definition.formats.conda import environment_file
from environments.definition.formats.conda.environment_file import quoted, scalar
from environments.definition.formats.shapes import mapping_of, strings_of, text_of, truth_of, unknown_keys
from environments.definition.formats.source import Source
from environments.definition.model import Definition, InferenceConfig, Route
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Tree

FORMAT = "v2-yaml"
SCHEMA = "https://azuremlschemas.azureedge.net/latest/environment.schema.json"
KEYS = frozenset(
    (
        "$schema",
        "name",
        "version",
        "description",
        "tags",
        "image",
        "build",
        "conda_file",
        "os_type",
        "inference_config",
        "properties",
        "datastore",
        "dockerfile",
        "platform",
        "platforms",
        "variables",
        "spark",
        "python",
        "target",
        "smoke_test",
        *CUTOFF_KEYS,
    )
)
_PYTHON = ("user_managed", "interpreter_path", "base_conda_environment", "package_indexes")
_ROUTES = ("liveness", "readiness", "scoring")
_VARIABLES = frozenset(("environment_variables", "environmentVariables", "env"))


def recognised(tree: Mapping) -> bool:
    """Whether this mapping is a v2 environment."""
    schema = tree.get("$schema")
    if isinstance(schema, Scalar):
        return "environment.schema.json" in schema.text.lower()
    return any(tree.get(key) is not None for key in ("image", "build", "conda_file"))


def read(draft: Draft, tree: Tree | None, source: Source) -> None:
    """Read the mapping of a v2 environment into the draft."""
    mapping = mapping_of(draft, tree, "the environment")
    draft.name = str(text_of(draft, mapping.get("name"), "name") or "")
    draft.version = str(text_of(draft, mapping.get("version"), "version") or "")
    draft.description = str(text_of(draft, mapping.get("description"), "description") or "")
    draft.tags = {k: str(v) for k, v in strings_of(draft, mapping.get("tags"), "tags").items()}
    read_without_base(draft, mapping, source)
    _base(draft, mapping, source)


def read_without_base(draft: Draft, mapping: Mapping, source: Source) -> None:
    """Read all that a v2 environment says beside its base and what it is called."""
    for name in sorted(_VARIABLES & mapping.entries.keys()):
        key = mapping.keys[name]
        draft.note(
            "variables-misplaced", key, what=name, where="the job or deployment that uses the environment"
        )
    unknown_keys(draft, mapping, KEYS | _VARIABLES)
    draft.properties = {
        k: str(v) for k, v in strings_of(draft, mapping.get("properties"), "properties").items()
    }
    system = text_of(draft, mapping.get("os_type"), "os_type")
    if system and system.lower() == "windows":
        draft.note("platform-windows", system, what="Windows")
        draft.platform = "windows/amd64"
    _conda_file(draft, mapping.get("conda_file"), source)
    draft.inference = _inference(draft, mapping.get("inference_config"))
    _extensions(draft, mapping)


def _base(draft: Draft, mapping: Mapping, source: Source) -> None:
    image = text_of(draft, mapping.get("image"), "image")
    build = mapping.get("build")
    dockerfile = text_of(draft, mapping.get("dockerfile"), "dockerfile")
    given = [name for name in ("image", "build", "dockerfile") if mapping.get(name) is not None]
    if len(given) > 1:
        draft.note("base-twice", mapping.keys[given[1]], what=" or ".join(f"`{name}`" for name in given))
    elif image:
        draft.image = image
    elif dockerfile:
        dockerfile_text.read(draft, dockerfile)
    elif build is None:
        draft.note("base-missing", mapping)
    else:
        part = mapping_of(draft, build, "build")
        unknown_keys(draft, part, ("path", "dockerfile_path", "args", "target"), "build.")
        keys = ("path", "dockerfile_path", "args", "target")
        if part.get("path") is None and any(key not in keys for key in part.keys):
            # Another folder would be taken in silence.
            draft.note("missing-key", part, what="build.path")
            return
        path = text_of(draft, part.get("path"), "build.path") or Placed(
            ".", build.line, build.column, draft.file
        )
        named = text_of(draft, part.get("dockerfile_path"), "build.dockerfile_path")
        context.read_named(draft, path, named or path.moved("Dockerfile"), source)


def _conda_file(draft: Draft, node: Tree | None, source: Source) -> None:
    if node is None:
        return
    if isinstance(node, Mapping):
        environment_file.read_layer(draft, node, source)
        return
    path = text_of(draft, node, "conda_file")
    if path:
        environment_file.read_named(draft, path, source)


def _extensions(draft: Draft, mapping: Mapping) -> None:
    """Read what v2 has no key for from the keys that `write` uses."""
    draft.variables.update(strings_of(draft, mapping.get("variables"), "variables"))
    draft.platform = text_of(draft, mapping.get("platform"), "platform") or draft.platform
    platforms.read(draft, mapping.get("platforms"))
    target.read(draft, mapping.get("target"))
    python = mapping_of(draft, mapping.get("python"), "python")
    unknown_keys(draft, python, _PYTHON, "python.")
    draft.user_managed = truth_of(draft, python.get("user_managed"), "python.user_managed") or False
    draft.interpreter_path = text_of(draft, python.get("interpreter_path"), "python.interpreter_path") or ""
    base = text_of(draft, python.get("base_conda_environment"), "python.base_conda_environment")
    draft.base_conda_environment = base or ""
    draft.package_indexes = own_keys.read_indexes(
        draft, python.get("package_indexes"), "python.package_indexes"
    )
    own_keys.read_cutoff(draft, mapping.get("as_of"), mapping.get("newest"))
    own_keys.read_smoke_test(draft, mapping.get("smoke_test"), "smoke_test")
    draft.spark = spark.read(draft, mapping.get("spark"))


def _inference(draft: Draft, node: Tree | None) -> InferenceConfig | None:
    if node is None:
        return None
    mapping = mapping_of(draft, node, "inference_config")
    unknown_keys(draft, mapping, [f"{name}_route" for name in _ROUTES], "inference_config.")
    routes: dict[str, Route] = {}
    for name in _ROUTES:
        part = mapping.get(f"{name}_route")
        if part is not None:
            route = mapping_of(draft, part, f"{name}_route")
            port = text_of(draft, route.get("port"), f"{name}_route.port") or Placed("0")
            if not port.isdecimal() or int(port[:9]) > 65535:
                draft.note(
                    "wrong-shape", port, what=f"{name}_route.port", expected="a port", found=repr(port[:20])
                )
                continue
            path = text_of(draft, route.get("path"), f"{name}_route.path") or ""
            routes[name] = Route(port=int(port), path=str(path))
    return InferenceConfig(**routes)


def write(
    definition: Definition,
    name: str = "",
    version: str = "",
    description: str = "",
    tags: Mapping_[str, str] = MappingProxyType({}),
) -> str:
    """A v2 environment in YAML; reading it gives the same hash."""
    lines = [f"$schema: {SCHEMA}"]
    if definition.platform == "windows/amd64":
        lines.append("os_type: windows")
    lines += [f"{key}: {scalar(value)}" for key, value in (("name", name), ("version", version)) if value]
    if description:
        lines.append(f"description: {quoted(description)}")
    if tags:
        lines += ["tags:", *(f"  {scalar(key)}: {quoted(value)}" for key, value in tags.items())]
    if definition.context is not None:
        lines += ["build:", "  path: context"]
        if definition.context.dockerfile_path != "Dockerfile":
            lines.append(f"  dockerfile_path: {scalar(definition.context.dockerfile_path)}")
    elif definition.dockerfile is not None:
        lines.append(f"dockerfile: {block(definition.dockerfile)}")
    else:
        lines.append(f"image: {scalar(definition.image or '')}")
    text = "\n".join(lines) + "\n"
    layer = environment_file.write_layer(definition, "  ")
    if layer:
        text += "conda_file:\n" + layer
    if definition.inference:
        text += _inference_text(definition.inference)
    if definition.properties:
        text += "properties:\n" + "".join(
            f"  {scalar(k)}: {quoted(v)}\n" for k, v in definition.properties.items()
        )
    return text + _extensions_text(definition)


def block(text: str) -> str:
    """Several lines as a YAML block, where YAML can hold them so; else as one quoted line."""
    safe = text.isprintable() or all(c == "\n" or c == "\t" or c.isprintable() for c in text)
    if not safe or not text.strip() or text[0] in " \n\t" or text != text.rstrip() + "\n":
        return quoted(text)
    return "|\n" + "".join(f"  {line}\n" if line else "\n" for line in text.split("\n")[:-1]).rstrip("\n")


def _extensions_text(definition: Definition) -> str:
    text = platforms.write_yaml(definition)
    text += target.write_yaml(definition.target)
    python = definition.python
    values = {
        "user_managed": "true" if python.user_managed else "",
        "interpreter_path": quoted(python.interpreter_path) if python.interpreter_path else "",
        "base_conda_environment": quoted(python.base_conda_environment)
        if python.base_conda_environment
        else "",
    }
    layer = "".join(f"  {name}: {value}\n" for name, value in values.items() if value)
    if python.package_indexes:
        pairs = python.package_indexes.items()
        layer += "  package_indexes:\n" + "".join(f"    {scalar(k)}: {quoted(v)}\n" for k, v in pairs)
    if layer:
        text += f"python:\n{layer}"
    text += own_keys.write_cutoff(definition.cutoff)
    if definition.smoke_test:
        text += f"smoke_test: {quoted(definition.smoke_test)}\n"
    if definition.variables:
        text += "variables:\n" + "".join(
            f"  {scalar(k)}: {quoted(v)}\n" for k, v in definition.variables.items()
        )
    return text + spark.write_yaml(definition.spark)


def _inference_text(inference: InferenceConfig) -> str:
    text = "inference_config:\n"
    for name in _ROUTES:
        route: Route | None = getattr(inference, name)
        if route is not None:
            text += f"  {name}_route:\n    path: {quoted(route.path)}\n    port: {route.port}\n"
    return text
