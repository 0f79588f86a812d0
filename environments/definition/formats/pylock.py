"""pylock.toml, the lock format of PEP 751."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.source import Source
from environments.definition.packages.locked import PIP, LockedPackage
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table, header_lines

FORMAT = "pylock"
_PYPI = "https://pypi.org/simple"
_HEADER = re.compile(r"(?m)^[ \t]*\[\[[ \t]*packages[ \t]*\]\]")


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a pylock.toml."""
    name = filename.rpartition("/")[2].lower()
    if name.startswith("pylock") and name.endswith(".toml"):
        return True
    return "lock-version" in text and _HEADER.search(text) is not None


def read(draft: Draft, text: str, source: Source) -> None:
    """Read every package of the lock into the draft, with its hashes."""
    draft.locked = True
    values = toml.document(draft, text).values
    lines = list(header_lines(text, "packages"))
    packages = values.get("packages")
    if not isinstance(packages, list):
        raise draft.refuse("missing-key", Placed("", 1), what="packages")
    locked: list[LockedPackage] = []
    indexes: dict[str, Placed] = {}
    for number, package in enumerate(packages):
        at = Placed("", lines[number] if number < len(lines) else None, 1, draft.file)
        if not isinstance(package, dict) or not isinstance(package.get("name"), str):
            raise draft.refuse("missing-key", at, what="packages.name")
        if _table(package, "directory"):
            draft.note("project-left-out", at, what=str(package["name"])[:80])
            continue
        draft.pip.append(at.moved(_line(draft, package, at)))
        locked.append(_locked(package))
        index = package.get("index")
        if isinstance(index, str) and index.rstrip("/") != _PYPI:
            indexes.setdefault(index.rstrip("/"), at.moved(index.rstrip("/")))
    if not locked:
        raise draft.refuse("empty-lock", Placed("", lines[0] if lines else 1))
    options = [index.moved(f"--extra-index-url {index}") for index in indexes.values()]
    draft.pip[:0] = options
    draft.packages = tuple(locked)


def _line(draft: Draft, package: Table, at: Placed) -> str:
    name, version, marker = package["name"], package.get("version"), package.get("marker")
    tail = f" ; {' '.join(str(marker).split())}" if marker else ""
    vcs, archive = _table(package, "vcs"), _table(package, "archive")
    if vcs:
        source = vcs.get("url") or vcs.get("path") or ""
        commit = vcs.get("commit-id") or vcs.get("requested-revision") or ""
        below = f"#subdirectory={vcs['subdirectory']}" if vcs.get("subdirectory") else ""
        return f"{name} @ {vcs.get('type', 'git')}+{source}" + (f"@{commit}" if commit else "") + below + tail
    if archive:
        digest = _sha256(archive)
        source = archive.get("url") or archive.get("path") or ""
        return f"{name} @ {source}" + (f"#sha256={digest}" if digest else "") + tail
    if not isinstance(version, str):
        raise draft.refuse("missing-key", at, what=f"the version of {str(name)[:80]}")
    hashes = [_sha256(file) for file in _files(package)]
    return f"{name}=={version}{tail}" + "".join(f" --hash=sha256:{hash_}" for hash_ in hashes if hash_)


def _files(package: Table) -> Iterable[Table]:
    wheels = package.get("wheels")
    for wheel in wheels if isinstance(wheels, list) else []:
        if isinstance(wheel, dict):
            yield wheel
    sdist = _table(package, "sdist")
    if sdist:
        yield sdist


def _table(package: Table, key: str) -> Table:
    value = package.get(key)
    return value if isinstance(value, dict) else {}


def _sha256(file: Table) -> str:
    hashes = file.get("hashes")
    digest = hashes.get("sha256") if isinstance(hashes, dict) else None
    return digest if isinstance(digest, str) and re.fullmatch("[0-9a-fA-F]{64}", digest) else ""


def _locked(package: Table) -> LockedPackage:
    files = list(_files(package)) or [_table(package, "archive")]
    url = files[0].get("url") or _table(package, "vcs").get("url") or ""
    size = files[0].get("size")
    needs = package.get("dependencies")
    names = [need.get("name") for need in needs if isinstance(need, dict)] if isinstance(needs, list) else []
    return LockedPackage(
        str(package["name"]),
        str(package.get("version") or ""),
        PIP,
        url=str(url),
        sha256=_sha256(files[0]),
        size=size if isinstance(size, int) else None,
        requires=tuple(name for name in names if isinstance(name, str)),
    )


def write(packages: tuple[LockedPackage, ...], requires_python: str = "") -> str:
    """Return a pylock.toml of packages from pip, each with a URL and a sha256 (PEP 751 has no other kind)."""
    lines = ['lock-version = "1.0"', 'created-by = "environment-studio"']
    if requires_python:
        lines.insert(1, f"requires-python = {_quoted(requires_python)}")
    for package in packages:
        name, version = _quoted(pip_name(package.name)), _quoted(package.version)
        lines += ["", "[[packages]]", f"name = {name}", f"version = {version}"]
        if package.requires:
            needs = ", ".join(f"{{ name = {_quoted(pip_name(name))} }}" for name in package.requires)
            lines.append(f"dependencies = [{needs}]")
        lines.append(_file_line(package))
    return "\n".join(lines) + "\n"


def _file_line(locked_package: LockedPackage) -> str:
    name = unquote(urlsplit(locked_package.url).path).rpartition("/")[2]
    parts = [f"name = {_quoted(name)}", f"url = {_quoted(locked_package.url)}"]
    if locked_package.size is not None:
        parts.append(f"size = {locked_package.size}")
    table = f"{{ {', '.join(parts)}, hashes = {{ sha256 = {_quoted(locked_package.sha256)} }} }}"
    return f"wheels = [{table}]" if name.endswith(".whl") else f"sdist = {table}"


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(c, c if c.isprintable() else f"\\u{ord(c):04x}") for c in text) + '"'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
