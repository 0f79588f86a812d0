"""`docs/findings.md`, made from the catalogue: `python -m environments.definition.findings.documentation`."""

from __future__ import annotations

import re
from pathlib import Path

from environments.definition.findings.catalogue import CATALOGUE
from environments.definition.findings.finding import Entry

PAGE = Path(__file__).parents[3] / "docs" / "findings.md"
_HEAD = """\
# Findings

What the checks report about a definition: on pages, in the API, and by `manage.py inspect`. An **error** blocks
saving, a **warning** expects trouble, a **note** is good to know. Only what the rules forbid is an error. Codes are
stable, so scripts can rely on them.

This page is made from the catalogue in `environments/definition/findings/entries/` by
`python -m environments.definition.findings.documentation`; change it there.
"""
_PLURALS = {"error": "Errors", "warning": "Warnings", "note": "Notes"}


def findings_page() -> str:
    """The text of `docs/findings.md`: every finding, the worst first, each under its code as a heading."""
    parts = [_HEAD]
    for severity, heading in _PLURALS.items():
        entries = sorted(
            (entry for entry in CATALOGUE.values() if entry.severity == severity),
            key=lambda entry: entry.code,
        )
        parts.append(f"## {heading}\n")
        parts += [_section(entry) for entry in entries]
    return "\n".join(parts)


def _section(entry: Entry) -> str:
    message = f"{entry.message} {entry.hint}".strip()
    return (
        f"### {entry.code}\n\n**{entry.title}** ({entry.severity}): {_readable(message)}\n\n"
        f"Why: {entry.why}\n\nWhat to do: {_readable(entry.help)}\n"
    )


def _readable(template: str) -> str:
    """The places that are filled in, in italics."""
    return re.sub(r"\{(\w+)(?:!r)?\}", r"*\1*", template)


if __name__ == "__main__":
    PAGE.write_text(findings_page(), encoding="utf-8")
