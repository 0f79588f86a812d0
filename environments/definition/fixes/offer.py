"""Offer a fix for each finding that has one, and only where the fixed text reads without that finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from environments.definition.findings.finding import Finding, Fix
from environments.definition.findings.result import MOST_OF_A_KIND, Reading
from environments.definition.fixes import of_bases, of_files, of_packages
from environments.definition.fixes.apply import apply_fix, apply_safe_fixes
from environments.definition.fixes.lines import Lines

Fixer = Callable[[Lines, Finding], Fix | None]
Reread = Callable[[str], Reading]
"""Reads a changed text as the first was read: with its name, the files beside it, the choice."""
Pins = Mapping[tuple[str, str], str]
"""Versions to pin packages to, by ecosystem (`pip`, `conda`) and name."""

_FIXERS: dict[str, Fixer] = {
    "bad-cutoff": of_files.cutoff_key,
    "bad-conda-spec": of_packages.bad_conda_spec,
    "bad-image": of_bases.bad_image,
    "bad-json": of_files.bad_json,
    "bad-requirement": of_packages.bad_requirement,
    "bad-target": of_files.bad_target,
    "bad-yaml": of_files.bad_yaml,
    "base-deprecated": of_bases.base_deprecated,
    "build-string": of_packages.build_string,
    "comment-selector": of_files.comment_selector,
    "cutoff-twice": of_files.cutoff_twice,
    "dockerfile-bad-instruction": of_bases.bad_instruction,
    "duplicate-key": of_files.duplicate_key,
    "duplicate-package": of_packages.duplicate_package,
    "extras-ignored": of_packages.extras_ignored,
    "import-name": of_packages.renamed_package,
    "local-path": of_packages.not_buildable,
    "local-version": of_packages.index_of_local_version,
    "no-channel": of_files.no_channel,
    "not-a-definition": of_files.not_a_definition,
    "not-buildable": of_packages.not_buildable,
    "option-ignored": of_packages.option_ignored,
    "package-unknown": of_packages.renamed_package,
    "pip-misplaced": of_files.pip_misplaced,
    "pip-without-pip": of_packages.pip_without_pip,
    "platform-windows": of_files.platform_windows,
    "python-missing": of_packages.python_missing,
    "python-near-end": of_packages.python_old,
    "python-several": of_packages.removed_line,
    "python-unsupported": of_packages.python_old,
    "single-equals": of_packages.single_equals,
    "unknown-key": of_files.unknown_key,
    "version-unknown": of_packages.other_version,
}
_FROM_OUTSIDE = frozenset(("package-unknown", "version-unknown"))
"""What only an index knows: reading the text again reports none of them."""
MOST_FIXES = 40
_ROUNDS = 5
_MOST_READ = 200_000
_LEAST_COST = 5_000


def with_fixes(reading: Reading, text: str, reread: Reread, pins: Pins | None = None) -> Reading:
    """Return the reading with fixes for its findings in this text.

    Each is tried: the text that it makes is read, and has one such finding less and no new error. Long texts get
    fewer fixes, as each costs a reading.
    """
    left = min(MOST_FIXES, _MOST_READ // max(len(text), _LEAST_COST))
    findings, lines = [], Lines(text)
    for finding in reading.findings:
        fix = _fix_of(finding, lines, pins or {}) if left and _of_this_text(finding, reading) else None
        if fix is not None:
            left -= 1
            fix = fix if _mends(fix, finding, reading, text, reread) else None
        findings.append(replace(finding, fix=fix))
    return replace(reading, findings=tuple(findings))


def fix_all(reading: Reading, text: str, reread: Reread) -> tuple[str, Reading]:
    """Return the text with its safe fixes, those that a fix made possible too, and the reading of it with fixes."""
    for _ in range(_ROUNDS):
        fixed, mended = apply_safe_fixes(text, reading.findings)
        after = with_fixes(reread(fixed), fixed, reread) if mended else reading
        if not mended or (reading.accepted and not after.accepted):
            break
        text, reading = fixed, after
    return text, reading


def _of_this_text(finding: Finding, reading: Reading) -> bool:
    return finding.file in ("", reading.file) or not reading.file


def _fix_of(finding: Finding, lines: Lines, pins: Pins) -> Fix | None:
    if finding.code == "unpinned-package":
        version = pins.get((finding.value("ecosystem"), finding.value("what")), "")
        return of_packages.pinned(lines, finding, version) if version else None
    fixer = _FIXERS.get(finding.code)
    return fixer(lines, finding) if fixer else None


def _mends(fix: Fix, finding: Finding, reading: Reading, text: str, reread: Reread) -> bool:
    after = reread(apply_fix(text, fix))
    if not reading.accepted and after.accepted:
        return True
    before, now = _counts(reading), _counts(after)
    gone = finding.code in _FROM_OUTSIDE or now[finding.code] < before[finding.code]
    if before[finding.code] >= MOST_OF_A_KIND:  # more of them than are counted
        gone = not any(each.code == finding.code and each.line == finding.line for each in after.findings)
    errors = {each.code for each in after.errors} - {each.code for each in reading.errors}
    return gone and not errors and reading.format in (after.format, "unknown")


def _counts(reading: Reading) -> Counter[str]:
    return Counter(each.code for each in reading.findings)
