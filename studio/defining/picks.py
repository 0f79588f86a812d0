"""A definition picked on the page: a base image, a Python and packages, without a file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from environments.definition import Finding
from environments.definition.model import Selection
from environments.versions.input import DefinitionInput, read_input
from studio.defining.starting_points import definition_text

OTHER = ""
"""The choice of a base that is typed."""


@dataclass(frozen=True)
class Picks:
    """A base image, a Python and `packages`: a text with a requirement on each line."""

    base: str
    python: str = ""
    packages: str = ""

    @property
    def text(self) -> str:
        """The definition, as v2 YAML."""
        return definition_text(self.base, self.python, self.packages)

    def read(self, selection: Selection) -> DefinitionInput:
        """Return the definition, with findings at the lines of the packages as they were typed."""
        given = read_input(self.text, selection=selection)
        findings = tuple(self._at_typed_line(finding) for finding in given.reading.findings)
        return replace(given, reading=replace(given.reading, findings=findings))

    def _at_typed_line(self, finding: Finding) -> Finding:
        """Return a finding with the line of its package; without a line if it is about something else."""
        typed = [number for number, line in enumerate(self.packages.splitlines(), 1) if line.strip()]
        # Requirements are the last lines of the YAML, each on a line of its own.
        first = len(self.text.splitlines()) - len(typed) + 1
        index = (finding.line or 0) - first
        line = typed[index] if 0 <= index < len(typed) else None
        return replace(finding, line=line, column=None)


def picks_in(values: Mapping[str, str]) -> Picks | None:
    """Return the picks in a form, whose packages are its text; None for a form without them."""
    if "base" not in values:
        return None
    base = values.get("base", "").strip() or values.get("base_other", "").strip()
    return Picks(base, values.get("python", ""), values.get("text", "").replace("\r\n", "\n"))
