"""The environment of an MLflow model: conda.yaml, or python_env.yaml with requirements.txt."""

from __future__ import annotations

from environments.definition.findings.result import Draft
from environments.definition.formats import requirements
from environments.definition.formats.shapes import mapping_of, text_of, texts_of, unknown_keys
from environments.definition.formats.source import Source
from environments.definition.syntax.tree import Mapping, Tree

FORMAT = "mlflow-python-env"
KEYS = frozenset(("python", "build_dependencies", "dependencies"))


def recognised(tree: Mapping) -> bool:
    """Whether this mapping is MLflow's python_env.yaml."""
    lists = {"build_dependencies", "dependencies"} & tree.entries.keys()
    return bool(lists) and "python" in tree.entries and set(tree.entries) <= KEYS


def read(draft: Draft, tree: Tree | None, source: Source) -> None:
    """Read python_env.yaml: its Python goes to conda, which alone can install one; all the rest is pip's."""
    mapping = mapping_of(draft, tree, "the Python environment")
    unknown_keys(draft, mapping, KEYS)
    python = text_of(draft, mapping.get("python"), "python")
    if python:
        draft.conda.append(python.moved(f"python={python}"))
        draft.any_channel = True
    for key in ("build_dependencies", "dependencies"):
        requirements.read_lines(draft, texts_of(draft, mapping.get(key), key), source)
