"""Writing pylock.toml (PEP 751): every file of each package, with its hash, and where the package is installed."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from environments.definition.packages.locked import LockedFile, LockedPackage
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.toml import quoted

_REPOSITORY = re.compile(
    r"(git|hg|svn|bzr)\+([^@#]+(?:@[^@#/]+/[^@#]*)?)(?:@([^#]+))?(?:#(?:.*&)?subdirectory=([^&]+))?.*"
)


def write(packages: tuple[LockedPackage, ...], requires_python: str = "") -> str:
    """Return a pylock.toml of packages from pip, each from a repository, or with files that have a URL and a sha256."""
    lines = ['lock-version = "1.0"', 'created-by = "environment-studio"']
    if requires_python:
        lines.insert(1, f"requires-python = {quoted(requires_python)}")
    for package in packages:
        lines += ["", "[[packages]]", f"name = {quoted(pip_name(package.name))}"]
        repository = _REPOSITORY.fullmatch(package.url)
        if package.version:
            lines.append(f"version = {quoted(package.version)}")
        if package.marker:
            lines.append(f"marker = {quoted(package.marker)}")
        if package.requires:
            needs = ", ".join(f"{{ name = {quoted(pip_name(name))} }}" for name in package.requires)
            lines.append(f"dependencies = [{needs}]")
        if package.channel:
            lines.append(f"index = {quoted(package.channel)}")
        lines += [_vcs(repository)] if repository else _files(package)
    return "\n".join(lines) + "\n"


def can_write(package: LockedPackage) -> bool:
    """Whether the format can hold the package: it needs a commit, or the URL and the sha256 of a file."""
    repository = _REPOSITORY.fullmatch(package.url)
    return bool(repository[3]) if repository else bool(files_of(package))


def files_of(package: LockedPackage) -> list[LockedFile]:
    """Return the files of a package that have a URL and a sha256: all that its lock allows, or its only file."""
    files = package.files or (LockedFile(_name(package.url), package.url, package.sha256, package.size),)
    return [file for file in files if file.url and file.sha256]


def _vcs(match: re.Match[str]) -> str:
    kind, url, commit, below = match.groups()
    parts = {"type": kind, "url": url, "commit-id": commit, "subdirectory": below}
    return f"vcs = {{ {', '.join(f'{key} = {quoted(value)}' for key, value in parts.items() if value)} }}"


def _files(package: LockedPackage) -> list[str]:
    files = files_of(package)
    if package.direct:
        return [f"archive = {_table(files[0], named=False)}"]
    wheels = [_table(file) for file in files if _name_of(file).endswith(".whl")]
    sources = [file for file in files if not _name_of(file).endswith(".whl")]
    lines = [f"sdist = {_table(sources[0])}"] if sources else []
    if len(wheels) == 1:
        lines.append(f"wheels = [{wheels[0]}]")
    elif wheels:
        lines += ["wheels = [", *(f"    {wheel}," for wheel in wheels), "]"]
    return lines


def _name_of(file: LockedFile) -> str:
    return file.name or _name(file.url)


def _name(url: str) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2]


def _table(file: LockedFile, *, named: bool = True) -> str:
    parts = [f"name = {quoted(_name_of(file))}"] if named else []
    parts.append(f"url = {quoted(file.url)}")
    if file.size is not None:
        parts.append(f"size = {file.size}")
    return f"{{ {', '.join(parts)}, hashes = {{ sha256 = {quoted(file.sha256)} }} }}"
