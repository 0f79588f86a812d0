"""pylock.toml, the lock format of PEP 751: reading."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from urllib.parse import unquote, urlsplit

from environments.definition.findings.result import Draft, Offers, Refused
from environments.definition.formats import toml
from environments.definition.formats.platforms import meant_by, note_uncovered
from environments.definition.formats.selection import note_parts, selected
from environments.definition.formats.source import Source
from environments.definition.model import Selection
from environments.definition.packages.lock_lines import PYPI, direct_line, for_linux, index_lines, locked_line
from environments.definition.packages.locked import PIP, LockedFile, LockedPackage
from environments.definition.packages.pythons import Pythons, machine_of
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table, header_lines

FORMAT = "pylock"
_HEADER = re.compile(r"(?m)^[ \t]*\[\[[ \t]*packages[ \t]*\]\]")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,200}[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.!+_-]{0,200}")
_URL = re.compile(r"[^\s;\"']{1,4000}")
_MOST_NAMES, _LONGEST_NAME = 1_000, 100
_SHA256 = re.compile("[0-9a-fA-F]{64}")
_OF_FILE = re.compile(r"[^-/]+-([^-/]+?)(?:-[^/]*\.whl|\.tar\.gz|\.zip)")


@dataclass(frozen=True, slots=True)
class _Lock:
    """Reads the packages of a lock, for the Pythons and the groups of one image."""

    draft: Draft
    pythons: Pythons

    def package(self, package: object, at: Placed) -> LockedPackage | None:
        """Take one package into the draft; None for what is not installed, or cannot be read."""
        name = package.get("name") if isinstance(package, dict) else None
        if not isinstance(package, dict) or not isinstance(name, str):
            self.draft.note("missing-key", at, what="packages.name")
            return None
        if not _NAME.fullmatch(name):
            self.draft.note("bad-requirement", at, what=name[:80], why="it is not the name of a package")
            return None
        marker = self.marker(package, at)
        if marker is None:
            return None
        if toml.table(package, "directory"):
            self.draft.note("project-left-out", at, what=name[:80])
            return None
        locked = _locked(package, marker)
        line = self.line(package, locked, at)
        if line is None:
            return None
        self.draft.pip.append(at.moved(line))
        return locked

    def marker(self, package: Table, at: Placed) -> str | None:
        """Return for which Pythons the package is installed (empty for all); None for none."""
        text = package.get("marker", "")
        try:
            where = self.pythons.where(text if isinstance(text, str) else "?")
            return self.pythons.marker(where) if where else None
        except ValueError as reason:
            self.draft.note("bad-requirement", at, what=str(package["name"])[:80], why=str(reason))
            return None

    def line(self, package: Table, locked: LockedPackage, at: Placed) -> str | None:
        """Return the package's line of pip; None, with a finding, where it has none."""
        url = _direct(package)
        if url:
            if _URL.fullmatch(url):
                return direct_line(locked, url)
            self.draft.note(
                "bad-requirement", at, what=url[:80], why="its address holds spaces or quotation marks"
            )
        elif not locked.version:
            self.draft.note("missing-key", at, what=f"the version of {locked.name[:80]}")
        elif not _VERSION.fullmatch(locked.version):
            what = f"{locked.name}=={locked.version}"[:80]
            self.draft.note("bad-requirement", at, what=what, why="it has no valid version")
        elif locked.files and not for_linux(locked.files):
            self.draft.note(
                "lock-uncovered", at, lock="the lock", what=f"{locked.name} on Linux: no file fits"
            )
        else:
            return locked_line(replace(locked, files=for_linux(locked.files)))
        return None


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a pylock.toml."""
    name = filename.rpartition("/")[2].lower()
    if name.startswith("pylock") and name.endswith(".toml"):
        return True
    return "lock-version" in text and _HEADER.search(text) is not None


def read(draft: Draft, text: str, source: Source) -> None:
    """Read the packages of the lock into the draft, with their hashes: of its default groups, and of what is requested."""
    draft.locked = True
    values = toml.document(draft, text).values
    lines = list(header_lines(text, "packages"))
    packages = values.get("packages")
    if not isinstance(packages, list):
        if draft.refused:
            raise Refused("missing-key")
        raise draft.refuse("missing-key", Placed("", 1), what="packages")
    lock = _Lock(draft, _pythons(draft, values, packages))
    indexes: list[Placed] = []
    locked: list[LockedPackage] = []
    for number, entry in enumerate(packages):
        at = Placed("", lines[number] if number < len(lines) else None, 1, draft.file)
        package = lock.package(entry, at)
        if package is not None:
            locked.append(package)
            indexes.append(at.moved(package.channel))
    draft.packages = tuple(locked)
    draft.pip[:0] = _options(indexes)
    if not locked and not draft.refused:
        draft.note("empty-lock", Placed("", lines[0] if lines else 1))


def _pythons(draft: Draft, values: Table, packages: list[object]) -> Pythons:
    """The Pythons that the lock is for; markers are answered for what is selected of its extras and groups."""
    at = Placed("", 1, 1, draft.file)
    offers = Offers(
        extras=_names(values, "extras"),
        groups=_names(values, "dependency-groups"),
        default=Selection(groups=_names(values, "default-groups")),
    )
    # A lock may name its default groups nowhere else.
    offers = replace(offers, groups=tuple(dict.fromkeys((*offers.groups, *offers.default.groups))))
    selection = selected(draft, offers, at)
    note_parts(draft, "what is always installed", at)
    draft.requires_python = toml.text(values, "requires-python")
    markers = [
        entry["marker"]
        for entry in packages
        if isinstance(entry, dict) and isinstance(entry.get("marker"), str)
    ]
    environments = [marker for marker in toml.items(values, "environments") if isinstance(marker, str)]
    pythons = Pythons(
        draft.requires_python,
        {*markers, *environments},
        machine_of(draft.platform),
        extras=map(pip_name, selection.extras),
        groups=map(pip_name, selection.groups),
    )
    _cover(draft, pythons, environments, at)
    return pythons


def _cover(draft: Draft, pythons: Pythons, environments: list[str], at: Placed) -> None:
    """Leave the Pythons that the lock's environments cover on Linux; a finding where there are none."""
    covered = 0
    for marker in environments:
        try:
            covered |= pythons.where(marker)
        except ValueError as reason:
            draft.note("bad-requirement", at, what=marker[:80], why=str(reason))
            return
    if covered:
        pythons.all = covered
    elif environments:
        note_uncovered(draft, "the lock", at, meant_by(environments))


def _names(values: Table, key: str) -> tuple[str, ...]:
    names = (name[:_LONGEST_NAME] for name in toml.items(values, key) if isinstance(name, str) and name)
    return tuple(dict.fromkeys(islice(names, _MOST_NAMES)))


def _options(indexes: Iterable[Placed]) -> Iterator[Placed]:
    """Yield the options for indexes other than PyPI, each at the first package that is from it."""
    seen: set[str] = set()
    for index in indexes:
        for line in index_lines([index]):
            if line not in seen:
                seen.add(line)
                yield index.moved(line)


def _direct(package: Table) -> str:
    """Return the address of a package that comes from a repository or an archive; empty for one of an index."""
    vcs, archive = toml.table(package, "vcs"), toml.table(package, "archive")
    if vcs:
        commit = toml.text(vcs, "commit-id") or toml.text(vcs, "requested-revision")
        below = toml.text(vcs, "subdirectory")
        location = toml.text(vcs, "url") or toml.text(vcs, "path")
        tail = (f"@{commit}" if commit else "") + (f"#subdirectory={below}" if below else "")
        return f"{toml.text(vcs, 'type') or 'git'}+{location}{tail}"
    digest = _sha256(archive)
    location = toml.text(archive, "url") or toml.text(archive, "path")
    return location + (f"#sha256={digest}" if digest and location else "")


def _locked(package: Table, marker: str) -> LockedPackage:
    files = tuple(map(_file, _files(package)))
    archive = toml.table(package, "archive")
    first = files[0] if files else _file(archive)
    needs = [
        toml.text(need, "name") for need in toml.items(package, "dependencies") if isinstance(need, dict)
    ]
    version, index = package.get("version", ""), toml.text(package, "index").rstrip("/")
    return LockedPackage(
        pip_name(package["name"]),
        version if isinstance(version, str) and version else _version_of(files),
        PIP,
        url=_direct(package) if toml.table(package, "vcs") else first.url,
        channel="" if index == PYPI else index,
        sha256=first.sha256,
        size=first.size,
        requires=tuple(filter(None, needs)),
        marker=marker,
        files=files,
        direct=bool(_direct(package)),
    )


def _version_of(files: tuple[LockedFile, ...]) -> str:
    """Return the version in the name of a package's file: a lock may leave the version out."""
    names = (_OF_FILE.fullmatch(file.name[:300]) for file in files)
    return next((match[1] for match in names if match), "")


def _files(package: Table) -> Iterator[Table]:
    yield from (wheel for wheel in toml.items(package, "wheels") if isinstance(wheel, dict))
    sdist = toml.table(package, "sdist")
    if sdist:
        yield sdist


def _file(file: Table) -> LockedFile:
    url, size = toml.text(file, "url"), file.get("size")
    # Pipenv writes a text where TOML has a time.
    uploaded = str(file.get("upload-time") or "")
    return LockedFile(
        toml.text(file, "name") or unquote(_path_of(url or toml.text(file, "path"))).rpartition("/")[2],
        url,
        _sha256(file),
        size if isinstance(size, int) and not isinstance(size, bool) else None,
        uploaded[:40],
    )


def _path_of(url: str) -> str:
    """Return the path of a URL; the text itself where it is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return url


def _sha256(file: Table) -> str:
    digest = toml.text(toml.table(file, "hashes"), "sha256")
    return digest if _SHA256.fullmatch(digest) else ""
