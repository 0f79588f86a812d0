"""Which of a folder's files is the definition, reading it with the others around it, and what is not read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from environments.definition.findings.result import Draft
from environments.definition.formats import context
from environments.definition.formats.azure import curated
from environments.definition.formats.source import Source
from environments.definition.reading import disagreements, left_unread
from environments.definition.reading.choose_project import chosen_of_project
from environments.definition.reading.other_tools import file_of_other_tool
from environments.definition.syntax.text import Placed

_ReadText = Callable[[Draft, bytes, Source], None]
# The first of these that is there is the definition; the others are parts of it, or another tool's. A project's
# own files follow.
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
)
_OF_MLFLOW = ("conda.yaml", "python_env.yaml", "requirements.txt")
_ENDS = (".yml", ".yaml", ".json", ".txt", ".lock", ".toml", ".dockerfile")
BINDER = ("binder", ".binder")
"""Folders in which Binder looks for a repository's environment."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """A file that holds a folder's definition: its name, and the subfolder that it lies in."""

    name: str
    below: str = ""

    @property
    def path(self) -> str:
        return f"{self.below}/{self.name}" if self.below else self.name


def read_folder(draft: Draft, source: Source, read_text: _ReadText) -> None:
    """Read the definition that this folder holds."""
    names = list(source.folder.names())
    ignore_lock = draft.selection.ignore_lock
    choice = _choice(source, names, ignore_lock=ignore_lock)
    if choice is None:
        raise _without_definition(draft, names)
    chosen = choice.name
    if chosen in ("asset.yaml", "spec.yaml") and ("environment.yaml" in names or chosen == "asset.yaml"):
        draft.format = curated.FORMAT
        curated.read(draft, source, Placed("", 1))
    elif is_dockerfile(chosen):
        draft.format = context.FORMAT
        context.read(draft, source, "", Placed(choice.path, 1))
    else:
        try:
            _read_file(draft, source, choice.path, read_text)
        finally:  # a fault in the file hides nothing of what is beside it
            if "MLmodel" not in names:  # whose folder holds the same packages in several files
                _report_unread(draft, source, choice, names, read_text)


def _report_unread(
    draft: Draft, source: Source, choice: _Choice, names: list[str], read_text: _ReadText
) -> None:
    around = _names_below(source, choice.below) if choice.below else names
    left_unread.report(draft, source, choice.below, choice.name, around)
    disagreements.report(draft, source, choice.below, list(around), read_text)
    for below in () if choice.below else BINDER:
        other = _chosen(source, below, _names_below(source, below), ignore_lock=False)
        left_unread.report_folder(draft, below, other, choice.name)


def is_dockerfile(name: str) -> bool:
    """Return whether a file has a Dockerfile's name: `Dockerfile`, `Dockerfile.gpu`, `gpu.Dockerfile`."""
    name = name.lower()
    if name.endswith((".dockerignore", ".txt", ".md", ".swp", "~")):
        return False
    return (
        name.startswith(("dockerfile.", "containerfile."))
        or name.endswith((".dockerfile", ".containerfile"))
        or name in ("dockerfile", "containerfile")
    )


def _choice(source: Source, names: list[str], *, ignore_lock: bool) -> _Choice | None:
    chosen = _chosen(source, "", names, ignore_lock=ignore_lock)
    if chosen is not None:
        return _Choice(chosen)
    for below in BINDER:
        inner = _names_below(source, below)
        chosen = _chosen(source, below, inner, ignore_lock=ignore_lock)
        if chosen is not None:
            return _Choice(chosen, below)
    here = [name for name in names if name.lower().endswith(_ENDS)]
    other = here[0] if len(here) == 1 else file_of_other_tool(names)
    return _Choice(other) if other else None


def _chosen(source: Source, below: str, names: list[str], *, ignore_lock: bool) -> str | None:
    present = set(names)
    for name in _ORDER:
        if name == "MLmodel" and name in present:
            return next((part for part in _OF_MLFLOW if part in present), None)
        if name in present:
            return name
    of_project = chosen_of_project(source, below, names, ignore_lock=ignore_lock)
    if of_project is not None:
        return of_project
    dockerfiles = [name for name in names if is_dockerfile(name)]
    return dockerfiles[0] if len(dockerfiles) == 1 else None


def _names_below(source: Source, below: str) -> list[str]:
    """Return the files that lie in a subfolder itself; as many as could be a definition's."""
    names = []
    for entry in source.folder.files(below):
        if "/" not in entry.path and not entry.link and not entry.folder:
            names.append(entry.path)
        if len(names) > source.limits.context_files:
            break
    return names


def _without_definition(draft: Draft, names: list[str]) -> Exception:
    dockerfiles = [name for name in names if is_dockerfile(name)]
    listed = ", ".join((dockerfiles or names)[:5]) or "nothing"
    if not dockerfiles:
        what = f"a folder without a definition; it holds {listed[:200]}"
        return draft.refuse("not-a-definition", None, what=what)
    return draft.refuse(
        "not-a-definition",
        None,
        what=f"a folder of several Dockerfiles: {listed[:200]}",
        help="Name the one that counts Dockerfile; or add an environment.yml with"
        f" `build: {{path: ., dockerfile_path: {dockerfiles[0][:80]}}}`.",
    )


def _read_file(draft: Draft, source: Source, name: str, read_text: _ReadText) -> None:
    content = source.folder.read(name, source.limits.largest)
    draft.file = name
    read_text(draft, content or b"", replace(source, path=name, base=name.rpartition("/")[0]))
