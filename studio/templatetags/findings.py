"""Template tags for findings: their texts in the reader's language, and their order on a page."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django import template
from django.utils.translation import gettext

from environments.definition import Finding
from environments.definition.findings.catalogue import CATALOGUE
from environments.definition.findings.finding import Entry, Fix, filled
from studio.sentences import in_language

register = template.Library()


@dataclass(frozen=True)
class Grouped:
    """Findings as a page shows them: the worst first, notes and ignored ones folded."""

    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    ignored: list[Finding] = field(default_factory=list)
    typing: list[Finding] = field(default_factory=list)
    """On the line that is being written; they are shown once it is left."""

    @property
    def first(self) -> list[Finding]:
        """The findings that are shown at once."""
        return [*self.errors, *self.warnings]

    @property
    def count(self) -> int:
        """The number of findings without those that are ignored."""
        return len(self.errors) + len(self.warnings) + len(self.notes)

    @property
    def safe(self) -> int:
        """The number of safe fixes."""
        return sum(1 for finding in [*self.first, *self.notes] if finding.fix and finding.fix.safe)


@register.simple_tag
def grouped(findings: Iterable[Finding], ignored: Collection[str] = (), typing: int = 0) -> Grouped:
    """Return findings by severity; those with an ignored code are apart, except errors."""
    groups = Grouped()
    by_severity = {"error": groups.errors, "warning": groups.warnings, "note": groups.notes}
    for finding in findings:
        if finding.severity != "error" and finding.code in (ignored or ()):
            groups.ignored.append(finding)
        elif typing and finding.severity != "note" and _on(finding, typing):
            groups.typing.append(finding)
        else:
            by_severity[finding.severity].append(finding)
    return groups


def _on(finding: Finding, line: int) -> bool:
    """Whether a finding is of a half-written line; a grammar may break only on the line below it."""
    near = {line, line + 1} if finding.code in ("bad-yaml", "bad-json", "bad-toml") else {line}
    return finding.line in near and not finding.file


@register.filter
def finding_message(finding: Finding) -> str:
    """Return what a finding reports, in the reader's language; what tools and files say stays as it is."""
    entry = CATALOGUE.get(finding.code)
    return (
        entry.message_of(_values_of(finding), gettext)
        if entry and _usable(entry, finding)
        else in_language(finding.message)
    )


def _values_of(finding: Finding) -> dict[str, str]:
    """Return the values of a message; reasons and parts of a file are phrases, and a word alone is a name."""
    return {name: in_language(value) if " " in value else value for name, value in finding.values}


@register.filter
def finding_help(finding: Finding) -> str:
    """Return a finding's advice in the reader's language."""
    entry, values = CATALOGUE.get(finding.code), dict(finding.values)
    if entry is None or not _usable(entry, finding):
        return in_language(finding.help)
    try:
        usual = filled(entry.help, values) == finding.help
    except KeyError:
        usual = False
    return filled(gettext(entry.help), _values_of(finding)) if usual else in_language(finding.help)


@register.filter
def fix_label(fix: Fix) -> str:
    """Return a fix's label in the reader's language."""
    return gettext(fix.template).format_map(dict(fix.values)) if fix.template else fix.label


@register.filter
def edits_json(fix: Fix) -> str:
    """Return a fix's edits as JSON, for the editor."""
    return json.dumps([edit.as_json() for edit in fix.edits], ensure_ascii=False)


def _usable(entry: Entry, finding: Finding) -> bool:
    """Whether the values are there: a finding may come from a cache that was written without them."""
    try:
        return entry.message_of(dict(finding.values)) == finding.message
    except KeyError:
        return False
