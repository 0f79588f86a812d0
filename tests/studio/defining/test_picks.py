"""Picks as a definition: each requirement on its line, each finding at the line that was typed."""

from __future__ import annotations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from environments.definition.model import Selection
from studio.defining.picks import Picks, picks_in

LINES = st.lists(st.text("ab1=<>~\"'#:-,.[]{}()&*!|%@`?\\ é漢🐍", max_size=30), max_size=6)


@given(lines=LINES, python=st.sampled_from(["", "3.12"]))
def test_the_requirements_are_the_last_lines_of_the_definition(lines: list[str], python: str) -> None:
    picks = Picks("python:3.12-slim", python, "\n".join(lines))
    requirements = [line.strip() for line in lines if line.strip()]
    text = picks.text
    rows = text.splitlines()[-len(requirements) :] if requirements else []
    assert [yaml.safe_load(row) for row in rows] == [[requirement] for requirement in requirements]


@given(lines=LINES, python=st.sampled_from(["", "3.12"]), at=st.integers(0, 8))
def test_a_finding_is_at_the_line_of_its_package(lines: list[str], python: str, at: int) -> None:
    lines = [line for line in lines if "numpy" not in line.lower()]
    lines.insert(min(at, len(lines)), "numpy")
    picks = Picks("python:3.12-slim", python, "\n".join(lines))
    reading = picks.read(Selection()).reading
    typed = "\n".join(lines).splitlines()
    for finding in reading.findings:
        assert finding.line is None or typed[finding.line - 1].strip(), finding
        if "numpy" in finding.message:
            assert finding.line is None or typed[finding.line - 1] == "numpy", finding


def test_a_form_without_a_base_has_no_picks() -> None:
    assert picks_in({"text": "six"}) is None
    picks = picks_in({"base": "", "base_other": " x:1 ", "text": "a\r\nb"})
    assert picks == Picks("x:1", "", "a\nb")
