"""The settings of a pixi project besides its packages: channels, indexes, target, date, variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from environments.definition.findings import cutoffs
from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.pixi.workspace import Environment, Workspace
from environments.definition.model import Target
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Path, Table

_FILLED_IN = re.compile(r"\$\{?[A-Za-z_]")
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9}){0,4}")
_LEVEL = re.compile(r"[A-Za-z0-9_]{1,40}")
_NOT_APPLIED = {
    "solve-strategy": "packages are always taken in the newest version that fits",
    "constraints": "only packages that are requested can be held to versions here",
    "dev": "packages of source folders are not built here",
}
_PYPI_NOT_APPLIED = {
    "index-strategy": "indexes are searched in their order",
    "no-build-isolation": "packages are built in isolation",
    "dependency-overrides": "a dependency cannot be replaced here",
    "skip-wheel-filename-check": "names of wheels are always checked",
}


def channels(draft: Draft, workspace: Workspace, environment: Environment) -> None:
    """Fill in the channels: those of each feature, or the workspace's, by priority and then in their order."""
    listed: list[tuple[int, Placed]] = []
    own = list(_channels(draft, workspace, workspace.table, workspace.table_path))
    for feature in environment.features:
        part = feature.parts[0]
        if "channels" in part.table:
            listed += _channels(draft, workspace, part.table, part.path)
        else:
            listed += own
            own = []  # what is listed again adds nothing
    ordered = sorted(listed, key=lambda entry: -entry[0])
    first: dict[str, Placed] = {}
    for _, channel in ordered:
        first.setdefault(str(channel), channel)
    draft.channels += first.values()


def _channels(draft: Draft, workspace: Workspace, table: Table, path: Path) -> Iterator[tuple[int, Placed]]:
    for number, value in enumerate(toml.items(table, "channels")):
        at = workspace.at(draft, *path, "channels", number)
        priority = value.get("priority") if isinstance(value, dict) else 0
        name = value.get("channel") if isinstance(value, dict) else value
        if isinstance(name, str) and name.strip():
            yield priority if isinstance(priority, int) else 0, at.moved(name.strip())
        else:
            draft.note(
                "wrong-shape",
                at,
                what="a channel",
                expected="a name, a URL or a table with `channel`",
                found="something else",
            )


def indexes(draft: Draft, workspace: Workspace, environment: Environment) -> list[Placed]:
    """The lines of pip's options that the project's `pypi-options` mean."""
    tables = [
        (toml.table(feature.table, "pypi-options"), (*feature.parts[0].path, "pypi-options"))
        for feature in environment.features
    ]
    tables.append((toml.table(workspace.table, "pypi-options"), (*workspace.table_path, "pypi-options")))
    main: list[Placed] = []
    others: list[Placed] = []
    for table, path in tables:
        _say_not_applied(draft, workspace, table, path, _PYPI_NOT_APPLIED)
        url = toml.text(table, "index-url")
        if url:
            main.append(workspace.at(draft, *path, "index-url").moved(f"--index-url {url}"))
        others += _options(draft, workspace, table, path)
    lines = [*main[:1], *others]
    return list({str(line): line for line in lines}.values())


def _options(draft: Draft, workspace: Workspace, table: Table, path: Path) -> Iterator[Placed]:
    for number, value in enumerate(toml.items(table, "extra-index-urls")):
        url = value.get("url") if isinstance(value, dict) else value
        if isinstance(url, str):
            yield workspace.at(draft, *path, "extra-index-urls", number).moved(f"--extra-index-url {url}")
    for number, value in enumerate(toml.items(table, "find-links")):
        at = workspace.at(draft, *path, "find-links", number)
        url, folder = toml.text(toml.table(value), "url"), toml.text(toml.table(value), "path")
        if url:
            yield at.moved(f"--find-links {url}")
        elif folder:
            draft.note(
                "project-setting",
                at,
                what=f"find-links to {folder[:80]}",
                why="files of the project are no part of the image",
            )
    for key, option in (("no-build", "--only-binary"), ("no-binary", "--no-binary")):
        value = table.get(key)
        names = [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
        if value is True or names:
            yield workspace.at(draft, *path, key).moved(
                f"{option} {':all:' if value is True else ','.join(names)}"
            )
    if (
        table.get("prerelease-mode") in ("allow", "if-necessary-or-explicit")
        and table["prerelease-mode"] == "allow"
    ):
        yield workspace.at(draft, *path, "prerelease-mode").moved("--pre")


def variables(draft: Draft, workspace: Workspace, environment: Environment) -> None:
    """Fill in the variables that pixi sets when the environment is activated."""
    taken: list[Placed] = []
    for feature in reversed(environment.features):
        for part in feature.parts:
            path = (*part.path, "activation")
            if toml.items(toml.table(part.table, "activation"), "scripts"):
                at = workspace.at(draft, *path, "scripts")
                draft.note(
                    "project-setting",
                    at,
                    what="activation.scripts",
                    why="an image runs no script when it starts",
                )
            for name, value in toml.table(part.table, "activation", "env").items():
                at = workspace.at(draft, *path, "env", name)
                text = _variable(value)
                if refers_to_others(text):
                    why = "it is made of other variables, which are not filled in"
                    draft.note("project-setting", at, what=f"the variable {name[:80]}", why=why)
                    continue
                draft.variables[name] = at.moved(text)
                taken.append(at.moved(name))
    if taken:
        more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
        draft.note("variables-at-start", taken[0], what=f"{', '.join(taken[:3])[:200]}{more}")


def refers_to_others(value: str) -> bool:
    """Whether a shell would fill in another variable in this value."""
    return _FILLED_IN.search(value) is not None


def _variable(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def target(draft: Draft, environment: Environment) -> None:
    """Fill in the machine that the environment is for: the highest that a feature or the platform requires."""
    values: dict[str, str] = {}
    for key in ("cuda", "glibc", "linux", "cpu"):
        tables = (toml.table(feature.table, "system-requirements") for feature in environment.features)
        given = (_virtual(table, key) for table in (environment.platform.virtual, *tables))
        values[key] = max(given, key=_order)
    draft.target = Target(**values)


_KEYS = {
    "cuda": ("cuda", "__cuda"),
    "glibc": ("glibc", "libc", "__glibc"),
    "linux": ("linux", "__linux"),
    "cpu": ("archspec", "__archspec"),
}


def _virtual(table: Any, key: str) -> str:
    pattern = _LEVEL if key == "cpu" else _NUMBER
    for name in _KEYS[key]:
        value = table.get(name)
        if isinstance(value, dict):
            value = value.get("version") if value.get("family", "glibc") == "glibc" else None
        text = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
        if pattern.fullmatch(text):
            return text
    return ""


def _order(version: str) -> tuple[list[int], str]:
    return [int(part) for part in re.findall(r"\d{1,9}", version)], version


def cutoff(draft: Draft, workspace: Workspace) -> None:
    """Fill in the time after which uploads are left out."""
    exceptions: dict[str, object] = {}
    written_at = {"": workspace.at(draft, *workspace.table_path, "exclude-newer")}
    for key in ("exclude-newer", "pypi-exclude-newer"):
        for name, value in toml.table(workspace.root, key).items():
            exceptions[name] = value
            written_at[name] = workspace.at(draft, *workspace.path, key, name)
    cutoffs.take(draft, workspace.table.get("exclude-newer"), exceptions, written_at)


def not_applied(draft: Draft, workspace: Workspace, environment: Environment) -> None:
    """Say which settings of the project have no effect on the image."""
    if workspace.table.get("channel-priority") == "disabled":
        at = workspace.at(draft, *workspace.table_path, "channel-priority")
        why = "a package is always taken from the first channel that has it"
        draft.note("project-setting", at, what="channel-priority", why=why)
    _say_not_applied(
        draft,
        workspace,
        workspace.table,
        workspace.table_path,
        {"solve-strategy": _NOT_APPLIED["solve-strategy"]},
    )
    for feature in environment.features:
        for part in feature.parts:
            _say_not_applied(draft, workspace, part.table, part.path, _NOT_APPLIED)


def _say_not_applied(
    draft: Draft, workspace: Workspace, table: Table, path: Path, reasons: dict[str, str]
) -> None:
    for key, why in reasons.items():
        if table.get(key) not in (None, False, "first-index", "highest", {}, []):
            draft.note("project-setting", workspace.at(draft, *path, key), what=key, why=why)
