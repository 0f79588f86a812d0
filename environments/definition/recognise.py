"""Which format a text is in: told by its content, and by its name only where the content leaves a choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from environments.definition.formats import azure_v1, azure_v2, conda_env, curated, dockerfile_text, mlflow
from environments.definition.formats.source import Source
from environments.definition.reading import Draft
from environments.definition.tree import Mapping, Scalar, Tree

_KEY_AT_START = re.compile(r"""(?m)^(?:[A-Za-z_$][\w$. -]*|"[^"\n]+"|'[^'\n]+')[ \t]*:(?:[ \t]|\r?$)""")
_YAML_NAME = re.compile(r"\.ya?ml$", re.IGNORECASE)
_TreeReader = Callable[[Draft, Tree | None, Source], None]


@dataclass(frozen=True, slots=True)
class TreeFormat:
    """A format that is YAML or JSON: its name, how it is told, and its reader."""

    name: str
    recognised: Callable[[Mapping], bool]
    read: _TreeReader


TREE_FORMATS = (
    TreeFormat(mlflow.FORMAT, mlflow.recognised, mlflow.read),
    TreeFormat(azure_v1.FORMAT, azure_v1.recognised, azure_v1.read),
    TreeFormat(conda_env.FORMAT, conda_env.recognised, conda_env.read),
    TreeFormat(azure_v2.FORMAT, azure_v2.recognised, azure_v2.read),
)


def tree_format(tree: Mapping) -> TreeFormat | None:
    """The format of a YAML or JSON mapping; None where it is none that is known."""
    return next((one for one in TREE_FORMATS if one.recognised(tree)), None)


def is_tree(text: str, filename: str) -> bool:
    """Whether the text is YAML or JSON, and not lines of requirements."""
    start = text.lstrip("\ufeff \t\r\n")[:1]
    if start == "{":
        return not text.lstrip("\ufeff \t\r\n").startswith("{{")
    if _YAML_NAME.search(filename) or filename.lower().endswith(".json"):
        return True
    return _KEY_AT_START.search(text) is not None


def is_dockerfile(text: str, filename: str) -> bool:
    """Whether the text is a Dockerfile."""
    name = filename.rpartition("/")[2].lower()
    called = (
        name == "dockerfile"
        or name.startswith("dockerfile.")
        or name.endswith((".dockerfile", "containerfile"))
    )
    return called or dockerfile_text.recognised(text)


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
