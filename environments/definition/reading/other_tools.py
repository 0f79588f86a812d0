"""Files that are often mistaken for a definition, and what to give in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A file that is no definition: what it is, and what to do instead (empty if nothing better is known)."""

    what: str
    help: str = ""


_SETUP = "Run `uv pip compile {} --output-file requirements.txt` in its folder, and give requirements.txt."

# The first of these that a folder holds decides which tool is named.
_NAMES = {
    "setup.py": OtherFile("a Python program", _SETUP.format("setup.py")),
    "package.json": OtherFile("npm's package.json, which holds no Python environment"),
    "apt.txt": OtherFile("a list of system packages for apt", "Install them in a Dockerfile."),
    "runtime.txt": OtherFile(
        "a runtime.txt, which names a language's version only", "Write python=3.12 in an environment.yml."
    ),
    "install.r": OtherFile("an R script", "Write the packages in an environment.yml, as r-name."),
    "renv.lock": OtherFile("an renv.lock of R", "Write the packages in an environment.yml, as r-name."),
    "mlmodel": OtherFile("an MLmodel file", "Give the model's folder, or its conda.yaml."),
    "meta.yaml": OtherFile("a recipe of conda-build", "Write its run requirements in an environment.yml."),
}
_ENOUGH = 64 << 10
"""A file shows at its beginning what it is; a lock is not searched to its end."""
_COMPOSE = re.compile(r"(?:docker-)?compose(?:\.[\w-]+)?\.ya?ml")
_PYPROJECT = re.compile(r"(?m)^\[(?:project|build-system|dependency-groups|tool\.[\w.-]+)\]\s*$")
_CONTENT = (
    (re.compile(r"(?m)^\[\[package\]\]\s*$"), OtherFile("a lock of another tool")),
    (
        re.compile(r"(?m)^[^|\n]{1,200}\|[^\n]{0,2000}\r?\n[ |:]{0,8}-{3,}"),
        OtherFile("a page in Markdown with a table"),
    ),
    (
        re.compile(r"\A(?>[ \t]*+(?:[#;][^\n]*+|\r?)\n)*+\[[\w.\"' -]{1,80}\][ \t]*\r?\n"),
        OtherFile("a TOML or INI file"),
    ),
    (re.compile(r"(?i)\A\s*<(?:!doctype|html|\?xml)"), OtherFile("a web page or an XML file")),
)
_SCRIPT = re.compile(
    r"\A#![^\n]{0,200}?\b(?:(?:ba|da|z|k|fi|tc|c)?sh|python[\d.]{0,8}|perl|ruby|node|Rscript)\b"
)
# In these a first line that begins with #! is a comment.
_MAY_BEGIN_AS_SCRIPT = re.compile(
    r"(?i)\.(?:txt|in|pip|ya?ml|toml|lock|cfg|dockerfile)$|(?:^|/)(?:docker|container)file[^/]*$"
)


def other_file(text: str, filename: str) -> OtherFile | None:
    """Return what a file is that is no definition; None if it may be one."""
    name, text = filename.rpartition("/")[2].lower(), text[:_ENOUGH]
    if name == "pyproject.toml" or (not name.startswith("pylock") and _PYPROJECT.search(text)):
        return _PYPROJECT_FILE
    if name in _NAMES:
        return _NAMES[name]
    if _COMPOSE.fullmatch(name):
        return OtherFile(
            "a file of Docker Compose", "Give the folder with the Dockerfile of one of its services."
        )
    if name.endswith(".toml"):
        return next((other for pattern, other in _CONTENT if pattern.search(text)), _TOML)
    if _SCRIPT.match(text) and not _MAY_BEGIN_AS_SCRIPT.search(name):
        return OtherFile("a script")
    return next((other for pattern, other in _CONTENT if pattern.search(text)), None)


_TOML = OtherFile("a TOML file that lists no packages")
_PYPROJECT_FILE = OtherFile(
    "a pyproject.toml that lists no dependencies", "Give the file that lists the packages."
)


def file_of_other_tool(names: Iterable[str]) -> str | None:
    """Return the file in a folder that says which tool its packages are written for; None if there is none."""
    by_name = {name.lower(): name for name in names}
    return next((by_name[name] for name in _NAMES if name in by_name), None)
