"""Files beside a definition that say something about the environment, and are not read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from environments.definition.findings.result import Draft
from environments.definition.formats.source import Source
from environments.definition.reading.choose_project import (
    CONDA_FILES,
    CONDA_LOCK,
    FILES,
    PYPROJECT,
    counterparts,
    requests_packages,
)
from environments.definition.syntax.text import Placed

# Files that Binder and others obey, by lower-case name.
_OTHERS = {
    "apt.txt": "Install these system packages in a Dockerfile, by apt-get.",
    "postbuild": "Run its commands in a Dockerfile.",
    "start": "Make it the image's ENTRYPOINT in a Dockerfile.",
    "install.r": "Write the packages in environment.yml, as r-name; or run it in a Dockerfile.",
    "project.toml": "Install Julia and its packages in a Dockerfile.",
    "default.nix": "Install these packages in a Dockerfile.",
}
_CONDA = re.compile(r"(?i)(?:conda[\w-]*|env(?:ironment)?[\w.-]*)\.ya?ml|conda[\w-]*\.lock")
_DOCKERFILE = re.compile(r"(?i)(?:docker|container)file\.(?!dockerignore)[\w.-]+|[\w.-]+\.dockerfile")
_PYTHON = re.compile(rb"\s*python-?(\d+\.\d+)(?:\.\d+)?\s*", re.IGNORECASE)
_MOST = 20
_LONGEST_RUNTIME = 200


def report(draft: Draft, source: Source, below: str, chosen: str, names: Sequence[str]) -> None:
    """Say which of the files beside the definition are not read, and where their content belongs."""
    count = 0
    own = counterparts(chosen)
    if chosen in CONDA_FILES and CONDA_LOCK in names and not draft.selection.ignore_lock:
        help = f"Give {CONDA_LOCK} alone for its exact versions."
        draft.note("lock-unread", Placed("", 1), lock=CONDA_LOCK, why=f"{chosen} comes first", help=help)
    for name in names:
        path = f"{below}/{name}" if below else name
        help = _advice(source, path, chosen)
        if name == chosen or name in own or path in draft.files_read or not help:
            continue
        count += 1
        if count > _MOST:
            return
        outer, draft.file = draft.file, path
        draft.note("file-not-read", Placed("", 1), what=path, chosen=chosen, help=help)
        draft.file = outer


def report_folder(draft: Draft, below: str, name: str | None, chosen: str) -> None:
    """Say that the definition in a subfolder is not read, which Binder would take."""
    if name is not None and f"{below}/{name}" not in draft.files_read:
        help = f"Give the folder {below} alone if its environment is meant, as Binder takes it."
        draft.note("file-not-read", None, what=f"{below}/{name}", chosen=chosen, help=help)


def _advice(source: Source, path: str, chosen: str) -> str:
    """Return what to do about a file that is not read; empty for a file that matters to no environment."""
    name = path.rpartition("/")[2]
    if name.lower() == "runtime.txt":
        return _for_runtime(source, path, chosen)
    if name in FILES:
        if name == PYPROJECT and not requests_packages(source, path):
            return ""
        return f"Give {name} alone if it is what the image needs; or remove the one that is out of date."
    if name.lower() in _OTHERS:
        return _OTHERS[name.lower()]
    in_conda = chosen.lower().endswith((".yml", ".yaml"))
    if _is_requirements(name.lower()):
        if in_conda:
            return f"Name it in {chosen}: `- pip:` with `- -r {name}` below it; or move its lines there."
        return f"Name it in {chosen}, as -r {name}, if the image needs it." if chosen.endswith(".txt") else ""
    if _CONDA.fullmatch(name):
        return f"Move what the image needs into {chosen}, or give {name} alone."
    if _DOCKERFILE.fullmatch(name):
        return f"Name it Dockerfile if the image is built by it and not by {chosen}."
    return ""


def _is_requirements(name: str) -> bool:
    listed = "requirements" in name and name.endswith((".txt", ".in"))
    return listed or name == "constraints.txt"


def _for_runtime(source: Source, path: str, chosen: str) -> str:
    content = source.folder.read(path, _LONGEST_RUNTIME) or b""
    python = _PYTHON.fullmatch(content)
    if python is None:
        return "Choose the version in the definition itself, or by the base image."
    version = python[1].decode()
    if chosen.lower().endswith((".yml", ".yaml")):
        return f"Write python={version} among the dependencies of {chosen}."
    return f"Choose a base image with Python {version}, or write python={version} in an environment.yml."
