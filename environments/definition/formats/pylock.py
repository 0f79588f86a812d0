"""pylock.toml, the lock format of PEP 751."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from environments.definition.formats.source import Source
from environments.definition.locked import PIP, LockedPackage
from environments.definition.reading import Draft
from environments.definition.text import Placed

FORMAT = "pylock"
_PYPI = "https://pypi.org/simple"
_HEADER = re.compile(r"(?m)^[ \t]*\[\[[ \t]*packages[ \t]*\]\]")
_DEEPEST_LINE = 100
Table = dict[str, Any]


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a pylock.toml."""
    name = filename.rpartition("/")[2].lower()
    if name.startswith("pylock") and name.endswith(".toml"):
        return True
    return "lock-version" in text and _HEADER.search(text) is not None


def parse(draft: Draft, text: str) -> Table:
    """The TOML document. Refuses what is none."""
    import tomllib

    for number, line in enumerate(text.split("\n"), 1):
        if line.count("[") + line.count("{") > _DEEPEST_LINE:
            raise draft.refuse("bad-toml", Placed("", number), what="the nesting is too deep")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+), column (\d+)", str(error))
        at = Placed("", int(place[1]), int(place[2])) if place else Placed("", 1)
        raise draft.refuse("bad-toml", at, what=str(error).partition(" (at")[0].lower()) from None
    except RecursionError:
        raise draft.refuse("bad-toml", Placed("", 1), what="the nesting is too deep") from None


def read(draft: Draft, text: str, source: Source) -> None:
    """Read every package of the lock into the draft, with its hashes."""
    draft.locked = True
    document = parse(draft, text)
    lines = [text.count("\n", 0, match.start()) + 1 for match in _HEADER.finditer(text)]
    packages = document.get("packages")
    if not isinstance(packages, list):
        raise draft.refuse("missing-key", Placed("", 1), what="packages")
    found: list[LockedPackage] = []
    indexes: list[Placed] = []
    for number, package in enumerate(packages):
        at = Placed("", lines[number] if number < len(lines) else None, 1, draft.file)
        if not isinstance(package, dict) or not isinstance(package.get("name"), str):
            raise draft.refuse("missing-key", at, what="packages.name")
        draft.pip.append(at.moved(_line(draft, package, at)))
        found.append(_locked(package))
        index = package.get("index")
        if isinstance(index, str) and index.rstrip("/") not in (_PYPI, *map(str, indexes)):
            indexes.append(at.moved(index.rstrip("/")))
    options = [index.moved(f"--extra-index-url {index}") for index in indexes]
    draft.pip[:0] = options
    draft.packages = tuple(found)


def _line(draft: Draft, package: Table, at: Placed) -> str:
    name, version, marker = package["name"], package.get("version"), package.get("marker")
    tail = f" ; {' '.join(str(marker).split())}" if marker else ""
    vcs, archive, directory = (_table(package, key) for key in ("vcs", "archive", "directory"))
    if vcs:
        place = vcs.get("url") or vcs.get("path") or ""
        commit = vcs.get("commit-id") or vcs.get("requested-revision") or ""
        below = f"#subdirectory={vcs['subdirectory']}" if vcs.get("subdirectory") else ""
        return f"{name} @ {vcs.get('type', 'git')}+{place}" + (f"@{commit}" if commit else "") + below + tail
    if archive:
        digest = _sha256(archive)
        place = archive.get("url") or archive.get("path") or ""
        return f"{name} @ {place}" + (f"#sha256={digest}" if digest else "") + tail
    if directory:
        editable = "-e " if directory.get("editable") else ""
        return f"{editable}{directory.get('path', '.')}"
    if not isinstance(version, str):
        raise draft.refuse("missing-key", at, what=f"the version of {str(name)[:80]}")
    hashes = [_sha256(file) for file in _files(package)]
    return f"{name}=={version}{tail}" + "".join(f" --hash=sha256:{one}" for one in hashes if one)


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
    names = [one.get("name") for one in needs if isinstance(one, dict)] if isinstance(needs, list) else []
    return LockedPackage(
        str(package["name"]),
        str(package.get("version") or ""),
        PIP,
        url=str(url),
        sha256=_sha256(files[0]),
        size=size if isinstance(size, int) else None,
        requires=tuple(one for one in names if isinstance(one, str)),
    )


def write(packages: tuple[LockedPackage, ...], requires_python: str = "") -> str:
    """A pylock.toml of the packages that come from pip. Those of conda have no place in it."""
    lines = ['lock-version = "1.0"', 'created-by = "environment-studio"']
    if requires_python:
        lines.insert(1, f"requires-python = {_quoted(requires_python)}")
    for one in packages:
        if one.ecosystem != PIP:
            continue
        lines += ["", "[[packages]]", f"name = {_quoted(one.name)}", f"version = {_quoted(one.version)}"]
        if one.requires:
            needs = ", ".join(f"{{ name = {_quoted(name)} }}" for name in one.requires)
            lines.append(f"dependencies = [{needs}]")
        if one.url:
            lines.append(_file_line(one))
    return "\n".join(lines) + "\n"


def _file_line(one: LockedPackage) -> str:
    name = one.url.partition("#")[0].rpartition("/")[2]
    parts = [f"name = {_quoted(name)}", f"url = {_quoted(one.url)}"]
    if one.size is not None:
        parts.append(f"size = {one.size}")
    hashes = f"{{ sha256 = {_quoted(one.sha256)} }}" if one.sha256 else "{}"
    table = f"{{ {', '.join(parts)}, hashes = {hashes} }}"
    return f"wheels = [{table}]" if name.endswith(".whl") else f"sdist = {table}"


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(c, c if c.isprintable() else f"\\u{ord(c):04x}") for c in text) + '"'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
