"""Recognise a text's format by its content, and by its name only if the content fits several."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from environments.definition.findings.result import Draft
from environments.definition.formats import dockerfile_text, mlflow, pylock, requirements
from environments.definition.formats.azure import curated, v1, v2
from environments.definition.formats.conda import (
    environment_file,
    explicit,
    lock,
    package_list,
)
from environments.definition.formats.projects.pdm import lock as pdm_lock
from environments.definition.formats.projects.pep621 import pyproject, script, setup_cfg
from environments.definition.formats.projects.pipenv import lock as pipfile_lock
from environments.definition.formats.projects.pipenv import pipfile
from environments.definition.formats.projects.pixi import lock as pixi_lock
from environments.definition.formats.projects.pixi import manifest as pixi
from environments.definition.formats.projects.poetry import lock as poetry_lock
from environments.definition.formats.projects.poetry import project as poetry_project
from environments.definition.formats.projects.uv import lock as uv_lock
from environments.definition.formats.shapes import likely_key
from environments.definition.formats.source import Source
from environments.definition.reading.other_tools import other_file
from environments.definition.syntax.tree import Mapping, Scalar, Tree

_MARKS = ["dependencies", "channels", "image", "build", "conda_file"]
# A key at the beginning of a line, which a YAML document has and a line of requirements has not.
_KEY_AT_START = re.compile(
    r"""(?m)^(?:[A-Za-z_$][\w$. -]{0,80}|"[^"\n]{1,80}"|'[^'\n]{1,80}')[ \t]*:(?:[ \t]|\r?$)"""
)
_YAML_NAME = re.compile(r"\.ya?ml$|\.json$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TreeFormat:
    """A YAML or JSON format: its name, its test and its reader."""

    name: str
    recognised: Callable[[Mapping], bool]
    read: Callable[[Draft, Tree | None, Source], None]


@dataclass(frozen=True, slots=True)
class TextFormat:
    """A line-based format: its name, its test on text and file name, and its reader."""

    name: str
    recognised: Callable[[str, str], bool]
    read: Callable[[Draft, str, Source], None]


TREE_FORMATS = (
    TreeFormat(pipfile_lock.FORMAT, pipfile_lock.recognised, pipfile_lock.read),
    TreeFormat(lock.FORMAT, lock.recognised, lock.read),
    TreeFormat(mlflow.FORMAT, mlflow.recognised, mlflow.read),
    TreeFormat(v1.FORMAT, v1.recognised, v1.read),
    TreeFormat(environment_file.FORMAT, environment_file.recognised, environment_file.read),
    TreeFormat(v2.FORMAT, v2.recognised, v2.read),
)


def tree_format(tree: Mapping) -> TreeFormat | None:
    """The format of a YAML or JSON mapping; None where it is none that is known."""
    return next((candidate for candidate in TREE_FORMATS if candidate.recognised(tree)), None)


def text_format(text: str, filename: str) -> TextFormat | None:
    """The format of a text that is neither YAML nor JSON; None where it is, or where it is no definition."""
    return next((candidate for candidate in _TEXT_FORMATS if candidate.recognised(text, filename)), None)


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
    TextFormat(pixi.FORMAT, pixi.recognised, pixi.read),
    TextFormat(pixi.IN_PYPROJECT, pixi.recognised_in_pyproject, pixi.read),
    TextFormat(pixi_lock.FORMAT, pixi_lock.recognised, pixi_lock.read),
    TextFormat(pylock.FORMAT, pylock.recognised, pylock.read),
    TextFormat(uv_lock.FORMAT, uv_lock.recognised, uv_lock.read),
    TextFormat(poetry_lock.FORMAT, poetry_lock.recognised, poetry_lock.read),
    TextFormat(pdm_lock.FORMAT, pdm_lock.recognised, pdm_lock.read),
    TextFormat(pipfile.FORMAT, pipfile.recognised, pipfile.read),
    TextFormat(script.FORMAT, script.recognised, script.read),
    TextFormat(poetry_project.FORMAT, poetry_project.recognised, poetry_project.read),
    TextFormat(pyproject.FORMAT, pyproject.recognised, pyproject.read),
    TextFormat(setup_cfg.FORMAT, setup_cfg.recognised, setup_cfg.read),
    TextFormat(explicit.FORMAT, lambda text, _: explicit.recognised(text), explicit.read),
    TextFormat(dockerfile_text.FORMAT, _is_dockerfile, dockerfile_text.read_source),
    TextFormat(package_list.FORMAT, package_list.recognised, package_list.read),
    TextFormat(package_list.SPECS, _is_conda_specs, package_list.read_specs),
    TextFormat(requirements.FORMAT, _is_lines, requirements.read),
)


def what_it_is(tree: Tree | None) -> str:
    """Name what a YAML or JSON document without a definition seems to be."""
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


def misspelt_key(tree: Tree | None) -> tuple[str, str]:
    """Return a key of a document that no format knows, and the key that was probably meant by it; empty for none."""
    if isinstance(tree, Mapping):
        for name in list(tree.entries)[:20]:
            if key := likely_key(name, _MARKS):
                return name[:60], key
    return "", ""
