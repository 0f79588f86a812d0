"""Fixes of lines that name packages."""

from __future__ import annotations

import re

from environments.definition.findings.finding import Edit, Finding, Fix
from environments.definition.findings.marked import gettext_noop as _
from environments.definition.fixes.lines import Lines, Spot, fix, indent_of
from environments.definition.packages.corrections import corrected_conda, corrected_pip

USUAL_PYTHON = "3.12"
CHANGE, REMOVE, ADD = _("Change to {new}"), _("Remove this line"), _("Add {new}")
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*")
_ITEM = re.compile(r"\s*- ")
_PIP_KEY = re.compile(r"\s*- [\"']?pip[\"']?:\s*(?:#.*)?")
_EXACT_PYTHON = re.compile(r"python\s*={1,2}\s*\d+(?:\.\d+)*(?:\.?\*)?(?:=\w+)?(?![\w.=<>]|,\S)")
_BUILD = re.compile(r"^\s*- [\"']?[A-Za-z0-9_][\w.-]*={1,2}[^=\s'\"]+(=[^=\s'\"#]+)")
_SHOUTED = re.compile(r"\b(?!https?://)(?i:https?)://")
_LIMIT = r"\s*[<>=!~]{1,3}\s*[\w.*+-][\w.*+!-]*"
_CONSTRAINT = re.compile(rf"{_LIMIT}(?:\s*,{_LIMIT})*")
_VERSION = re.compile(r"={1,3}\s*([\w.*+!-]+)")


def single_equals(lines: Lines, finding: Finding) -> Fix | None:
    """Write == for pip."""
    return _changed(lines, finding, finding.value("what"), finding.value("fixed"), safe=True)


def extras_ignored(lines: Lines, finding: Finding) -> Fix | None:
    """Leave out the extras that conda passes over."""
    return _changed(lines, finding, finding.value("what"), finding.value("read"), safe=True)


def bad_requirement(lines: Lines, finding: Finding) -> Fix | None:
    """Write the requirement as pip reads it."""
    written = finding.value("what")
    new, safe = corrected_pip(written)
    return _changed(lines, finding, written, new, safe=safe)


def bad_conda_spec(lines: Lines, finding: Finding) -> Fix | None:
    """Write the specification as conda reads it."""
    written = finding.value("what")
    new, safe = corrected_conda(written)
    return _changed(lines, finding, written, new, safe=safe)


def not_buildable(lines: Lines, finding: Finding) -> Fix | None:
    """Take the version from an index that the address names, or leave out the project itself."""
    written, instead = finding.value("what"), finding.value("instead")
    if instead:
        return _changed(lines, finding, written, instead)
    if finding.value("project"):
        return removed_line(lines, finding)
    small = _SHOUTED.sub(lambda match: match[0].lower(), written)
    return _changed(lines, finding, written, small, safe=True) if small != written else None


def option_ignored(lines: Lines, finding: Finding) -> Fix | None:
    """Remove what has no effect, or give an option the line of its own that it needs."""
    what, line = finding.value("what"), lines.of(finding)
    index = (finding.line or 1) - 1
    if lines.has_comment(index) or line.endswith("\\"):
        return None
    if what.startswith(("'", '"')):
        rest = r"\s+;.*" if what[1:].startswith(";") else rf"\s*{re.escape(what[1:-1])}"
        spot = lines.matching(finding, re.compile(rest))
        if spot is None:
            return None
        old = line[spot.start : spot.end].strip()
        return fix(_("Remove {old}"), lines.replacing(spot, ""), safe=True, old=old)
    spot = lines.matching(finding, re.compile(rf"\s+{re.escape(what)}(?:[ =][^\s'\"]+)?"))
    if spot is None:
        return None
    option = line[spot.start : spot.end].strip()
    if what == "--global-option":
        return fix(_("Remove {old}"), lines.replacing(spot, ""), safe=True, old=option)
    item = _ITEM.match(line)
    start = item[0] if item else indent_of(line)
    own = lines.inserting(index + 1, f"{start}{option}")
    return fix(_("Move {old} to a line of its own"), lines.replacing(spot, ""), own, old=option)


def duplicate_package(lines: Lines, finding: Finding) -> Fix | None:
    """Remove the second line; safe if it is the same as the first."""
    first = finding.value("first")
    if not first.isdecimal() or not 0 < int(first) <= len(lines.all):
        return None
    same = lines.all[int(first) - 1].strip() == lines.of(finding).strip()
    return removed_line(lines, finding, safe=same)


def removed_line(lines: Lines, finding: Finding, *, safe: bool = False) -> Fix | None:
    """Remove the line of a finding, where it holds nothing else and no comment."""
    index, line = (finding.line or 0) - 1, lines.of(finding).strip()
    alone = line.startswith("- ") or (finding.column or 1) == len(indent_of(lines.of(finding))) + 1
    if index < 0 or not alone or line.endswith(("\\", "[", "{", ",")) or lines.has_comment(index):
        return None
    return fix(REMOVE, lines.removing(index), safe=safe)


def python_missing(lines: Lines, finding: Finding) -> Fix | None:
    """Add Python, or its version."""
    new, line = f"python={USUAL_PYTHON}", lines.of(finding)
    spot = lines.spot(finding, "python")
    if spot is not None and re.match(r"[\"']?\s*(?:#|$|,|\])", line[spot.end :]):
        return fix(CHANGE, lines.replacing(spot, new), new=new)
    item = _ITEM.match(line)
    if item is None or (finding.column or 1) - 1 != item.end():
        return None
    return fix(ADD, lines.inserting((finding.line or 1) - 1, f"{item[0]}{new}"), new=new)


def python_old(lines: Lines, finding: Finding) -> Fix | None:
    """Move to a Python that is supported for long."""
    spot = lines.matching(finding, _EXACT_PYTHON)
    if spot is None or spot.start < (finding.column or 1) - 1:
        return None
    new = f"python={USUAL_PYTHON}"
    return fix(CHANGE, lines.replacing(spot, new), new=new)


def pip_without_pip(lines: Lines, finding: Finding) -> Fix | None:
    """Name pip among the conda packages, before the section of its own."""
    for index in range(min(finding.line or 0, len(lines.all)) - 1, -1, -1):
        if _PIP_KEY.fullmatch(lines.all[index]):
            new = f"{indent_of(lines.all[index])}- pip"
            return fix(ADD, lines.inserting(index, new), safe=True, new="pip")
    return None


def build_string(lines: Lines, finding: Finding) -> Fix | None:
    """Leave out the builds of packages, and keep their versions."""
    edits: list[Edit] = []
    for index, line in enumerate(lines.all):
        match = _BUILD.match(line)
        if match:
            edits.append(lines.replacing(Spot(index, *match.span(1)), ""))
    return fix(_("Remove the build strings"), *edits) if edits else None


def renamed_package(lines: Lines, finding: Finding) -> Fix | None:
    """Write the name of the package that is meant."""
    written, meant = finding.value("what"), finding.value("meant")
    line, start = lines.of(finding), max((finding.column or 1) - 1, 0)
    match = _NAME.match(line, start + (line[start : start + 1] in ("'", '"')))
    if not meant or match is None or match[0].lower() != written.lower():
        return None
    spot = Spot((finding.line or 1) - 1, *match.span())
    bare = re.match(r"[\"']?\s*(?:#|$|,|\])", line[spot.end :]) is not None
    safe = finding.code == "import-name" and bare
    return fix(CHANGE, lines.replacing(spot, meant), safe=safe, new=meant)


def other_version(lines: Lines, finding: Finding) -> Fix | None:
    """Replace a version that does not exist by the newest."""
    start = (finding.column or 1) - 1
    match = _VERSION.search(lines.of(finding), start)
    if match is None or match[1] != finding.value("version") or not finding.value("newest"):
        return None
    new = finding.value("newest")
    return fix(CHANGE, lines.replacing(Spot((finding.line or 1) - 1, *match.span(1)), new), new=new)


def index_of_local_version(lines: Lines, finding: Finding) -> Fix | None:
    """Add the index that holds versions with this +."""
    index, line = finding.value("index"), lines.of(finding)
    item = _ITEM.match(line)
    start = item[0] if item else indent_of(line)
    if not index or (finding.column or 1) - 1 != len(start):
        return None
    new = f"--extra-index-url {index}"
    return fix(ADD, lines.inserting((finding.line or 1) - 1, f"{start}{new}"), new=new)


def pinned(lines: Lines, finding: Finding, version: str) -> Fix | None:
    """Pin a package to a version."""
    sign = "==" if finding.value("ecosystem") == "pip" else "="
    line, start = lines.of(finding), max((finding.column or 1) - 1, 0)
    start += line[start : start + 1] in ("'", '"')
    match = re.compile(r"(?:[\w./-]+::)?[A-Za-z0-9_][\w.-]*(?:\[[\w\s,.-]*\])?").match(line, start)
    if match is None:
        return None
    constraint = _CONSTRAINT.match(line, match.end())
    end = constraint.end() if constraint else match.end()
    end -= len(line[:end]) - len(line[:end].rstrip()) if constraint else 0
    rest = line[end:].lstrip()
    if rest and not rest.startswith((";", "#", '"', "'", ",", "]")):
        return None
    spot = Spot((finding.line or 1) - 1, match.end(), end)
    return fix(_("Pin to {new}"), lines.replacing(spot, f"{sign}{version}"), new=version)


def _changed(lines: Lines, finding: Finding, written: str, new: str, *, safe: bool = False) -> Fix | None:
    spot = lines.spot(finding, written)
    if spot is None or not new or new == written:
        return None
    return fix(CHANGE, lines.replacing(spot, new), safe=safe, new=new)
