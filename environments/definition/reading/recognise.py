"""Which format a text is in: told by its content, and by its name only where the content leaves a choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from environments.definition.formats import (
    azure_v1,
    azure_v2,
    conda_env,
    conda_explicit,
    conda_lock,
    curated,
    dockerfile_text,
    mlflow,
    package_list,
    pylock,
    requirements,
)
from environments.definition.formats.source import Source
from environments.definition.reading import Draft
from environments.definition.tree import Mapping, Scalar, Tree

# A key at the beginning of a line, which a YAML document has and a line of requirements has not.
_KEY_AT_START = re.compile(
    r"""(?m)^(?:[A-Za-z_$][\w$. -]{0,80}|"[^"\n]{1,80}"|'[^'\n]{1,80}')[ \t]*:(?:[ \t]|\r?$)"""
)
_YAML_NAME = re.compile(r"\.ya?ml$|\.json$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TreeFormat:
    """A format that is YAML or JSON: its name, how it is told, and its reader."""

    name: str
    recognised: Callable[[Mapping], bool]
    read: Callable[[Draft, Tree | None, Source], None]


@dataclass(frozen=True, slots=True)
class TextFormat:
    """A format in lines of its own: its name, how it is told from text and file name, and its reader."""

    name: str
    recognised: Callable[[str, str], bool]
    read: Callable[[Draft, str, Source], None]


TREE_FORMATS = (
    TreeFormat(conda_lock.FORMAT, conda_lock.recognised, conda_lock.read),
    TreeFormat(mlflow.FORMAT, mlflow.recognised, mlflow.read),
    TreeFormat(azure_v1.FORMAT, azure_v1.recognised, azure_v1.read),
    TreeFormat(conda_env.FORMAT, conda_env.recognised, conda_env.read),
    TreeFormat(azure_v2.FORMAT, azure_v2.recognised, azure_v2.read),
)


def tree_format(tree: Mapping) -> TreeFormat | None:
    """The format of a YAML or JSON mapping; None where it is none that is known."""
    return next((one for one in TREE_FORMATS if one.recognised(tree)), None)


def text_format(text: str, filename: str) -> TextFormat | None:
    """The format of a text that is neither YAML nor JSON; None where it is, or where it is no definition."""
    return next((one for one in _TEXT_FORMATS if one.recognised(text, filename)), None)


def other_file(text: str, filename: str) -> str:
    """What a file that people take for a definition is; empty where the name and content say nothing."""
    name = filename.rpartition("/")[2].lower()
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    if name.endswith(".toml"):
        return "a TOML file other than pylock.toml"
    return next((what for pattern, what in _OTHER_CONTENT if pattern.search(text)), "")


_OTHER_NAMES = {
    "pyproject.toml": "a pyproject.toml; export its lock (`uv export --format pylock.toml`)",
    "pipfile": "a Pipfile; export its lock (`pipenv requirements > requirements.txt`)",
    "pipfile.lock": "a Pipfile.lock; export it (`pipenv requirements > requirements.txt`)",
    "poetry.lock": "a poetry.lock; export it (`poetry export > requirements.txt`)",
    "uv.lock": "a uv.lock; export it (`uv export --format pylock.toml`)",
    "pixi.lock": "a pixi.lock; export it (`pixi workspace export conda-explicit-spec`)",
    "pixi.toml": "a pixi.toml; export it (`pixi workspace export conda-environment`)",
    "package.json": "npm's package.json, which holds no Python environment",
    "apt.txt": "a list of system packages for apt; install them in a Dockerfile",
    "runtime.txt": "a runtime.txt, which names a language's version only",
    "install.r": "an R script",
    "setup.py": "a Python program",
    "setup.cfg": "a setup.cfg; give its requirements as requirements.txt",
    "mlmodel": "an MLmodel file; give the model's folder, or its conda.yaml",
}
_OTHER_CONTENT = (
    (re.compile(r"(?m)^\[(?:project|build-system|tool\.[\w.-]+)\]\s*$"), _OTHER_NAMES["pyproject.toml"]),
    (re.compile(r"(?m)^\[(?:packages|dev-packages)\]\s*$"), _OTHER_NAMES["pipfile"]),
    (
        re.compile(r"(?m)^\[\[package\]\]\s*$"),
        "a lock of poetry or uv; export it as pylock.toml",
    ),
    (re.compile(r"(?m)^[^|\n]{1,200}\|[^\n]{0,2000}\r?\n[ |:]{0,8}-{3,}"), "a page in Markdown with a table"),
    (re.compile(r"\A(?:[ \t]*(?:[#;].*)?\r?\n)*\[[\w.\"' -]{1,80}\][ \t]*\r?\n"), "a TOML or INI file"),
    (re.compile(r"\A#!"), "a script"),
    (re.compile(r"(?i)\A\s*<(?:!doctype|html|\?xml)"), "a web page or an XML file"),
)


def _is_dockerfile(text: str, filename: str) -> bool:
    name = filename.rpartition("/")[2].lower()
    called = name in ("dockerfile", "containerfile") or name.startswith("dockerfile.")
    return called or name.endswith(".dockerfile") or dockerfile_text.recognised(text)


def _is_conda_specs(text: str, filename: str) -> bool:
    return _is_lines(text, filename) and package_list.recognised_specs(text, filename)


def _is_lines(text: str, filename: str) -> bool:
    """Whether the text is neither YAML nor JSON nor something of another tool."""
    if other_file(text, filename):
        return False
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith(("{", "[", "---", "- ")) and not start.startswith("{{"):
        return False
    if _YAML_NAME.search(filename):
        return False
    return _KEY_AT_START.search(text) is None


_TEXT_FORMATS = (
    TextFormat(pylock.FORMAT, pylock.recognised, pylock.read),
    TextFormat(conda_explicit.FORMAT, lambda text, _: conda_explicit.recognised(text), conda_explicit.read),
    TextFormat(dockerfile_text.FORMAT, _is_dockerfile, dockerfile_text.read_source),
    TextFormat(package_list.FORMAT, package_list.recognised, package_list.read),
    TextFormat(package_list.SPECS, _is_conda_specs, package_list.read_specs),
    TextFormat(requirements.FORMAT, _is_lines, requirements.read),
)


def what_it_is(tree: Tree | None) -> str:
    """What a YAML or JSON document that defines no environment seems to be."""
    if isinstance(tree, Mapping):
        schema = tree.get("$schema")
        if isinstance(schema, Scalar):
            name = schema.text.rpartition("/")[2].removesuffix(".schema.json")
            return f"a document of the kind {name[:40]!r}, not an environment"
        if curated.is_asset(tree) or curated.is_image_config(tree):
            return "one file of a curated environment, whose other files are not here"
        keys = ", ".join(list(tree.entries)[:4])
        return f"a mapping with the keys {keys[:120] or '(none)'}, which is no environment definition"
    return "a document without keys, which is no environment definition"
