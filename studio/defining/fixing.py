"""Fixes of a definition that is being written, and where its last build failed."""

from __future__ import annotations

from dataclasses import replace

from builds.models import Build, BuildState
from environments.definition import Reading
from environments.definition.findings.catalogue import finding
from environments.definition.fixes import Pins, apply_fix, fix_all, with_fixes
from environments.definition.syntax.text import Placed
from environments.models import Version
from environments.versions.input import DefinitionInput, read_input, replace_file

SAFE = "safe"
"""The name of all safe fixes together, in a form."""


def fixable(
    reading: Reading, given: DefinitionInput, start: Version | None, pins: Pins | None = None
) -> Reading:
    """Return a reading with fixes for the text that is being written."""
    if not given.text:
        return reading
    return with_fixes(reading, given.text, lambda text: reread(given, start, text).reading, pins)


def reread(given: DefinitionInput, start: Version | None, text: str) -> DefinitionInput:
    """Return the input with another text, read as the first was."""
    if given.path and start is not None:
        return replace_file(start.definition, given.path, text)
    return read_input(text, given.filename, beside=given.beside, selection=given.selection)


def fixed_input(
    given: DefinitionInput, reading: Reading, start: Version | None, chosen: str
) -> DefinitionInput:
    """Return the input with a fix that a form names, or with all safe ones; unchanged where the text has none such."""
    if chosen == SAFE:
        text, _ = fix_all(reading, given.text, lambda text: reread(given, start, text).reading)
        return reread(given, start, text)
    for each in reading.findings:
        if each.fix is not None and chosen == each.key:
            return reread(given, start, apply_fix(given.text, each.fix))
    return given


def last_failure(reading: Reading, given: DefinitionInput, fixed: Version | None) -> Reading:
    """Return a reading with a finding at the line where the last build of the edited version failed.

    It stays until that line changes.
    """
    if fixed is None or not given.text:
        return reading
    builds = Build.objects.filter(version=fixed).order_by("-queued_at")
    build = builds.only("state", "error", "error_help", "details").first()
    if build is None or build.state != BuildState.FAILED:
        return reading
    number, line = build.details.get("line"), build.details.get("text")
    lines = given.text.split("\n")
    if not isinstance(number, int) or not 0 < number <= len(lines) or lines[number - 1].rstrip("\r") != line:
        return reading
    column = len(line) - len(line.lstrip()) + 1
    help = build.error_help or ""
    failure = finding("last-build-failed", Placed("", number, column), what=build.error, help=help)
    return replace(reading, findings=(failure, *reading.findings))
