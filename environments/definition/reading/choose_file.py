"""Which of a folder's files is the definition, and reading it with the others around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from environments.definition.findings.result import Draft
from environments.definition.formats import context
from environments.definition.formats.azure import curated
from environments.definition.formats.source import Source
from environments.definition.reading.other_tools import file_of_other_tool
from environments.definition.syntax.text import Placed

_ReadText = Callable[[Draft, bytes, Source], None]
# The first of these that is there is the definition; the others are parts of it, or another tool's.
_ORDER = (
    "azureml_environment.json",
    "asset.yaml",
    "spec.yaml",
    "MLmodel",
    "Dockerfile",
    "environment.yml",
    "environment.yaml",
    "conda.yaml",
    "conda.yml",
    "conda_dependencies.yml",
    "conda_dependencies.yaml",
    "python_env.yaml",
    "env.yml",
    "env.yaml",
    "conda-lock.yml",
    "pylock.toml",
    "requirements.txt",
)
_OF_MLFLOW = ("conda.yaml", "python_env.yaml", "requirements.txt")
_ENDS = (".yml", ".yaml", ".json", ".txt", ".lock", ".toml", ".dockerfile")


def read_folder(draft: Draft, source: Source, read_text: _ReadText) -> None:
    """Read the definition that this folder holds."""
    names = list(source.folder.names())
    chosen = _chosen(names) or file_of_other_tool(names)
    if chosen is None:
        listed = ", ".join(names[:5]) or "nothing"
        raise draft.refuse(
            "not-a-definition", None, what=f"a folder without a definition; it holds {listed[:200]}"
        )
    if chosen in ("asset.yaml", "spec.yaml") and ("environment.yaml" in names or chosen == "asset.yaml"):
        draft.format = curated.FORMAT
        curated.read(draft, source, Placed("", 1))
    elif chosen == "Dockerfile":
        draft.format = context.FORMAT
        context.read(draft, source, "", Placed("Dockerfile", 1))
    else:
        _read_file(draft, source, chosen, read_text)


def _chosen(names: list[str]) -> str | None:
    present = set(names)
    for name in _ORDER:
        if name == "MLmodel" and name in present:
            return next((part for part in _OF_MLFLOW if part in present), None)
        if name in present:
            return name
    here = [name for name in names if name.lower().endswith(_ENDS)]
    return here[0] if len(here) == 1 else None


def _read_file(draft: Draft, source: Source, name: str, read_text: _ReadText) -> None:
    content = source.folder.read(name, source.limits.definition)
    draft.file = name
    read_text(draft, content or b"", replace(source, path=name, base=name.rpartition("/")[0]))
