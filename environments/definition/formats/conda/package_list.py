"""Lists of what is installed (`conda list`, `pip list`, `dpkg -l`, …) and of conda specifications."""

from __future__ import annotations

import re
from collections.abc import Iterator

from environments.definition.findings.result import Draft
from environments.definition.formats.conda.explicit import set_platform
from environments.definition.formats.shapes import mapping_of, text_of
from environments.definition.formats.source import Source
from environments.definition.packages.locked import CONDA, PIP, SYSTEM, LockedPackage
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Sequence

FORMAT = "package-list"
_ENOUGH_LINES = 5_000
SPECS = "conda-specs"

_CONDA_HEADER = re.compile(r"(?m)^[ \t]*(?:#[ \t]*)?Name[ \t]+Version(?:[ \t]+\w+)*[ \t]*\r?$")
_PIP_HEADER = re.compile(r"(?m)^Package[ \t]+Version(?:[ \t].*)?\r?\n-{3,}")
_DPKG = re.compile(r"(?m)^ii[ \t]+\S+[ \t]+\S+[ \t]+\S+")
_ROW = re.compile(r"[^\s=<>~!]+[ \t]+[^\s=<>~!]+(?:[ \t]|$)")
_DPKG_LINE = re.compile(r"[a-z]{2}\s+(\S+?)(?::\w+)?\s+(\S+)\s+\S+(?:\s.*)?")
_TAB_LINE = re.compile(r"([a-z0-9][a-z0-9+.-]*)(?::\w+)?\t(\S+)")
_EXPORT_LINE = re.compile(r"([A-Za-z0-9_][\w.-]*)=([^=\s]+)=([^=\s]+)")
_MADE_BY_CONDA = re.compile(
    r"(?mi)^#.{0,200}?(?:from|by|parsing) conda[\w-]{0,30}lock|^# packages in environment at"
)
_PLATFORM = re.compile(r"(?m)^#\s*platform:\s*([\w-]+)")
_LOCKED_LINE = re.compile(r"([A-Za-z0-9_][\w.-]*)==((?:\d+!)?[^\s;#=<>~!,@\[\]*]+)")


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a table or an export of installed packages."""
    if filename.lower().endswith((".yml", ".yaml", ".json")):
        return False
    if _PIP_HEADER.search(text) or _DPKG.search(text):
        return True
    lines = list(_lines(text))
    if _CONDA_HEADER.search(text) and (not lines or any(_ROW.match(line) for line in lines)):
        return True
    if not lines:
        return False
    if all(_EXPORT_LINE.fullmatch(line) for line in lines) or all(
        _TAB_LINE.fullmatch(line) for line in lines
    ):
        return True
    pinned = all(_LOCKED_LINE.fullmatch(line) for line in lines)
    if not pinned:
        return False
    if any(line.startswith("_") for line in lines):  # a name that pip has not
        return True
    # == is pip's sign. A comment alone makes the list conda's only where a tool of conda's wrote it.
    of_pip = _is_named_requirements(filename) or any("+" in line for line in lines)
    return not of_pip and _MADE_BY_CONDA.search(text) is not None


def _is_named_requirements(filename: str) -> bool:
    return filename.rpartition("/")[2].lower().startswith(("requirements", "constraints"))


def recognised_specs(text: str, filename: str) -> bool:
    """Whether the text is a list of conda specifications (`conda create --file`), and not pip's."""
    lines = list(_lines(text))
    if not lines or any(_PIP_ONLY.search(line) for line in lines):
        return False
    marks = [line for line in lines if _CONDA_ONLY.search(line)]
    if not marks:
        return False
    surely = any("::" in line or line.startswith("_") or _EXPORT_LINE.fullmatch(line) for line in marks)
    return surely or not _is_named_requirements(filename)


_PIP_ONLY = re.compile(r"^-|;|\s@\s|===|^\S+\[[\w, -]*\]|\\$|^git\+|--hash")
_CONDA_ONLY = re.compile(r"^_|::|^[\w.-]+\s*=(?!=)\s*[\w*]|\[\s*\w+\s*=|^[\w.-]+\s+[\d*]")


def read(draft: Draft, text: str, source: Source) -> None:
    """Read every installed package of the list into the draft."""
    draft.locked = True
    platform = _PLATFORM.search(text)
    if platform:
        set_platform(draft, platform[1], Placed("", text.count("\n", 0, platform.start()) + 1, 1))
    if _CONDA_HEADER.search(text):
        packages = list(_conda_table(text))
    elif _PIP_HEADER.search(text):
        packages = list(_pip_table(text))
    else:
        packages = list(_plain(text))
    take(draft, packages)


def take(draft: Draft, packages: list[tuple[LockedPackage, Placed]]) -> None:
    """Take installed packages as a definition that asks for exactly these."""
    draft.packages = tuple(package for package, _ in packages)
    if not packages:
        raise draft.refuse("empty", Placed("", 1), what="list of packages")
    for package, at in packages:
        if package.ecosystem == SYSTEM:
            if not draft.counts["not-a-definition"]:
                what = "a list of system packages; it can be compared only"
                draft.note("not-a-definition", at, what=what)
            continue
        if package.ecosystem == PIP:
            draft.pip.append(at.moved(f"{package.name}=={package.version}"))
        else:
            build = f"={package.build}" if package.build else ""
            sign = "=" if build else "=="
            draft.conda.append(at.moved(f"{package.name}{sign}{package.version}{build}"))
        if package.channel and package.ecosystem == CONDA and package.channel not in draft.channels:
            draft.channels.append(at.moved(package.channel))
    draft.has_pip_section = bool(draft.conda and draft.pip)


def read_specs(draft: Draft, text: str, source: Source) -> None:
    """Read every conda specification of the list into the draft."""
    for number, raw in enumerate(text.splitlines(), 1):
        line = " ".join(raw.partition("#")[0].split())
        if line:
            draft.conda.append(Placed(line, number, len(raw) - len(raw.lstrip()) + 1, draft.file))


def json_recognised(tree: Sequence) -> bool:
    """Whether this list is what `conda list --json` or `pip list --format json` prints."""
    first = tree.items[0] if tree.items else None
    return isinstance(first, Mapping) and {"name", "version"} <= first.entries.keys()


def read_json(draft: Draft, tree: Sequence) -> None:
    """Read the packages that `conda list --json` or `pip list --format json` printed."""
    draft.locked = True
    packages = []
    for item in tree.items:
        part = mapping_of(draft, item, "each package")
        name = text_of(draft, part.get("name"), "name")
        version = text_of(draft, part.get("version"), "version")
        if not name or not version:
            draft.note("missing-key", item, what="name and version of a package")
            continue
        build = text_of(draft, part.get("build_string"), "build_string")
        channel = text_of(draft, part.get("channel"), "channel") or ""
        url = part.get("url")
        conda = build is not None and channel != "pypi"
        package = LockedPackage(
            str(name), str(version), CONDA if conda else PIP, str(build) if conda and build else "",
            url.text if isinstance(url, Scalar) else "", str(channel) if conda else "",
        )  # fmt: skip
        packages.append((package, name))
    take(draft, packages)


def _lines(text: str) -> Iterator[str]:
    """Return the first lines that are no comments: as many as recognition needs."""
    count = 0
    for raw in text.splitlines():
        line = raw.split(" #")[0].strip()
        if line and not line.startswith("#"):
            yield line
            count += 1
            if count == _ENOUGH_LINES:
                return


def _conda_table(text: str) -> Iterator[tuple[LockedPackage, Placed]]:
    header = _CONDA_HEADER.search(text)
    first = text.count("\n", 0, header.end()) + 1 if header else 0
    for number, raw in enumerate(text.splitlines(), 1):
        columns = raw.split()
        if number <= first or len(columns) < 2 or raw.lstrip().startswith("#") or not columns[0][0].isascii():
            continue
        if set(raw) <= set("-─━ "):
            continue
        name, version, *more = columns
        build = more[0] if more else ""
        channel = more[1] if len(more) > 1 else ""
        pip = channel == "pypi" or build.startswith("pypi_") or build == "<pip>"
        ecosystem = PIP if pip else CONDA
        package = LockedPackage(
            name,
            version,
            ecosystem,
            "" if pip else build,
            channel="" if pip else channel.rpartition("/")[0] or channel,
        )
        yield package, Placed(raw.strip(), number, len(raw) - len(raw.lstrip()) + 1)


def _pip_table(text: str) -> Iterator[tuple[LockedPackage, Placed]]:
    begun = False
    for number, raw in enumerate(text.splitlines(), 1):
        columns = raw.split()
        if len(columns) >= 2 and set(columns[0]) == {"-"}:
            begun = True
        elif begun and len(columns) >= 2:
            yield LockedPackage(columns[0], columns[1], PIP), Placed(raw.strip(), number, 1)


def _plain(text: str) -> Iterator[tuple[LockedPackage, Placed]]:
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split(" #")[0].strip()
        if not line or line.startswith("#"):
            continue
        at = Placed(line, number, 1)
        dpkg = _DPKG_LINE.fullmatch(line) or _TAB_LINE.fullmatch(line)
        export = _EXPORT_LINE.fullmatch(line)
        locked = _LOCKED_LINE.fullmatch(line)
        if export:
            name, version, build = export.groups()
            pip = build.startswith("pypi_")
            yield LockedPackage(name, version, PIP if pip else CONDA, "" if pip else build), at
        elif locked:
            yield LockedPackage(locked[1], locked[2], CONDA), at
        elif dpkg:
            yield LockedPackage(dpkg[1], dpkg[2], SYSTEM), at
