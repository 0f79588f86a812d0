"""`docs/causes.md`, made from the catalogue: `python -m builds.causes.documentation`."""

from __future__ import annotations

from pathlib import Path

from builds.causes.catalogue import CATALOGUE, Entry

PAGE = Path(__file__).parents[2] / "docs" / "causes.md"
_HEAD = """\
# Why builds fail

Each failed build names its cause by a stable code, says whose fault it is and what to do, and links to the line of
the log that shows it. Where a Dockerfile's command fails, the cause is read from what pip, conda, apt, npm, a compiler
or the shell printed; the first real one counts, not what came of it.

This page is made from the catalogue in `builds/causes/catalogue.py` by `python -m builds.causes.documentation`; change
it there.
"""
_FAULTS = {
    "author": ("In the definition", "Edit it and build again."),
    "outside": (
        "Network or registry",
        "Neither the definition nor the studio is wrong; building again may help.",
    ),
    "studio": ("In the studio", "An admin can fix it."),
}


def causes_page() -> str:
    """Return the text of `docs/causes.md`: every cause under its code, by whose fault it is as a rule."""
    parts = [_HEAD]
    for fault, (heading, arguments) in _FAULTS.items():
        parts.append(f"## {heading}\n\n{arguments}\n")
        entries = (entry for entry in CATALOGUE.values() if entry.fault == fault)
        parts += [_section(entry) for entry in sorted(entries, key=lambda entry: entry.code)]
    return "\n".join(parts)


def _section(entry: Entry) -> str:
    return f"### {entry.code}\n\n**{entry.title}**: {entry.why}\n\nWhat to do: {entry.help}\n"


if __name__ == "__main__":
    PAGE.write_text(causes_page(), encoding="utf-8")
