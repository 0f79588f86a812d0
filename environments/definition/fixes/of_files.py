"""Fixes of keys, of the grammar of YAML and JSON, and of where lists are."""

from __future__ import annotations

import difflib
import re

from environments.definition.findings.finding import Edit, Finding, Fix
from environments.definition.findings.marked import gettext_noop as _
from environments.definition.fixes.lines import Lines, Spot, fix, indent_of
from environments.definition.fixes.of_packages import CHANGE, removed_line

_CHANNELS = re.compile(r"\s*channels:(?:\s*(?:\[\s*\]|null|~))?\s*")
_DEPENDENCIES = re.compile(r"\s*dependencies:\s*(?:#.*)?")
_TABS = re.compile(r" *\t[ \t]*")
_WINDOWS = re.compile(r"(?i)\bwindows\b")
_AS_CERTAIN = 0.85
REMOVE_NEWEST = _("Remove `newest`")


def unknown_key(lines: Lines, finding: Finding) -> Fix | None:
    """Write the key that was probably meant."""
    written, meant = finding.value("what"), finding.value("meant")
    while meant:
        if (spot := lines.spot(finding, written)) and _is_key(lines, spot):
            return _renamed(lines, spot, written, meant)
        if "." not in written:
            break
        written = written.partition(".")[2]
    return None


def not_a_definition(lines: Lines, finding: Finding) -> Fix | None:
    """Write the key that makes the document one of a known format."""
    written, meant = finding.value("written"), finding.value("meant")
    key = re.compile(rf"[\"']?({re.escape(written)})[\"']?\s*:") if written and meant else None
    for index, line in enumerate(lines.all):
        if key and (match := key.match(line.lstrip(" {"), 0)):
            start = len(line) - len(line.lstrip(" {")) + match.start(1)
            return _renamed(lines, Spot(index, start, start + len(written)), written, meant)
    return None


def _renamed(lines: Lines, spot: Spot, written: str, meant: str) -> Fix:
    likeness = difflib.SequenceMatcher(
        None, re.sub(r"[-_\s]", "", written).lower(), meant.replace("_", "")
    ).ratio()
    return fix(CHANGE, lines.replacing(spot, meant), safe=likeness >= _AS_CERTAIN, new=meant)


def _is_key(lines: Lines, spot: Spot) -> bool:
    return re.match(r"[\"']?\s*[:=]", lines.all[spot.line][spot.end :]) is not None


def no_channel(lines: Lines, finding: Finding) -> Fix | None:
    """Name the channel that is used where none is named."""
    new = "conda-forge"
    for index in range(min(finding.line or 0, len(lines.all)) - 1, -1, -1):
        line = lines.all[index]
        if not _DEPENDENCIES.fullmatch(line):
            continue
        indent = indent_of(line)
        for other, text in enumerate(lines.all):
            if _CHANNELS.fullmatch(text) and indent_of(text) == indent:
                spot = Spot(other, 0, len(text))
                return fix(
                    _("Add {new}"), lines.replacing(spot, f"{indent}channels: [{new}]"), safe=True, new=new
                )
        return fix(
            _("Add {new}"),
            lines.inserting(index, f"{indent}channels:", f"{indent}  - {new}"),
            safe=True,
            new=new,
        )
    return None


def pip_misplaced(lines: Lines, finding: Finding) -> Fix | None:
    """Move the list below the dependencies, where conda reads it."""
    first = (finding.line or 0) - 1
    if first < 0 or not re.fullmatch(r"pip:\s*", lines.of(finding)):
        return None
    last = first
    while last + 1 < len(lines.all) and re.match(r"\s*- |\s*#", lines.all[last + 1]):
        last += 1
    start = next(
        (i for i, line in enumerate(lines.all) if _DEPENDENCIES.fullmatch(line) and not indent_of(line)), -1
    )
    if last == first or start < 0 or any(re.match(r"\s*- [\"']?pip[\"']?:", line) for line in lines.all):
        return None
    end = start + 1
    while end < len(lines.all) and re.match(r"\s*- |\s*#", lines.all[end]):
        end += 1
    items = [line for line in lines.all[start + 1 : end] if line.lstrip().startswith("-")]
    indent = indent_of(items[0]) if items else "  "
    moved = [f"{indent}    {line.lstrip()}" for line in lines.all[first + 1 : last + 1]]
    has_pip = any(re.match(r"\s*- [\"']?pip\b", line) for line in items)
    added = [*([] if has_pip else [f"{indent}- pip"]), f"{indent}- pip:", *moved]
    if end == first:
        whole = Edit(first + 1, 1, last + 1, len(lines.all[last]) + 1, lines.newline.join(added))
        return fix(_("Move below `- pip:`"), whole)
    return fix(_("Move below `- pip:`"), lines.inserting(end, *added), lines.removing(first, last))


def duplicate_key(lines: Lines, finding: Finding) -> Fix | None:
    """Remove a key that is written a second time with the same value."""
    index, line = (finding.line or 0) - 1, lines.of(finding)
    match = re.fullmatch(r"\s*[\w-]+:\s*\S.*", line)
    if index < 0 or match is None or re.search(r":\s*[|>&*\[{]", line) or line not in lines.all[:index]:
        return None
    return removed_line(lines, finding, safe=True)


def bad_yaml(lines: Lines, finding: Finding) -> Fix | None:
    """Indent with blanks instead of tabs."""
    edits: list[Edit] = []
    for index, line in enumerate(lines.all):
        match = _TABS.match(line)
        if match:
            edits.append(lines.replacing(Spot(index, *match.span()), match[0].replace("\t", "  ")))
    return fix(_("Replace tabs with spaces"), *edits, safe=True) if edits else None


def bad_json(lines: Lines, finding: Finding) -> Fix | None:
    """Remove the comma after the last value."""
    index = min((finding.line or 1) - 1, len(lines.all) - 1)
    column = min(max((finding.column or 1) - 1, 0), len(lines.all[index]))
    before = lines.all[index][:column]
    while index > 0 and not before.strip():
        index -= 1
        before = lines.all[index]
    end = len(before.rstrip())
    candidates = [end - 1] if before.rstrip().endswith(",") else []
    if not candidates and lines.all[index][column : column + 1] == ",":
        candidates = [column]
    for start in candidates:
        return fix(_("Remove the comma"), lines.replacing(Spot(index, start, start + 1), ""), safe=True)
    return None


def cutoff_key(lines: Lines, finding: Finding) -> Fix | None:
    """Write a date under as_of, and an age under newest."""
    other = {"as_of": "newest", "newest": "as_of"}
    name = finding.value("what")
    if name not in other or not finding.value("why").startswith("it is "):
        return None
    spot = lines.matching(finding, re.compile(rf"\b{name}(?=[\"']?\s*:)"))
    return fix(CHANGE, lines.replacing(spot, other[name]), safe=True, new=other[name]) if spot else None


def cutoff_twice(lines: Lines, finding: Finding) -> Fix | None:
    """Keep the date, which makes the result the same at any later time."""
    written = [index for index, line in enumerate(lines.all) if re.match(r"\s*newest\s*:\s*\S", line)]
    if len(written) != 1 or lines.has_comment(written[0]):
        return None
    return fix(REMOVE_NEWEST, lines.removing(written[0]))


def platform_windows(lines: Lines, finding: Finding) -> Fix | None:
    """Name the system that images are built for."""
    spot = lines.matching(finding, _WINDOWS)
    return fix(CHANGE, lines.replacing(spot, "linux"), new="linux") if spot else None


def bad_target(lines: Lines, finding: Finding) -> Fix | None:
    """Write the value that was probably meant."""
    meant, spot = finding.value("meant"), lines.spot(finding, finding.value("what"))
    return fix(CHANGE, lines.replacing(spot, meant), new=meant) if meant and spot else None


def comment_selector(lines: Lines, finding: Finding) -> Fix | None:
    """Write the selector so that conda reads it."""
    what, selector = finding.value("what"), finding.value("selector")
    spot = lines.spot(finding, what)
    if spot is None or not re.fullmatch(r"\w+", selector):
        return None
    new = f"sel({selector}): {what}"
    return fix(CHANGE, lines.replacing(spot, new), new=new)
