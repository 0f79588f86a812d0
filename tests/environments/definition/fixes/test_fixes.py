"""Fixes leave a text without their finding, change nothing else, keep comments, and never break a file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import Reading, read
from environments.definition.cli import main
from environments.definition.findings.finding import Edit, Finding, Fix
from environments.definition.fixes import apply_fix, apply_safe_fixes, fix_all, with_fixes
from environments.definition.fixes.offer import MOST_FIXES
from tests.environments.definition.fixes.broken import BROKEN


def fixed_reading(text: str, name: str) -> Reading:
    return with_fixes(read(text, name), text, lambda changed: read(changed, name))


def with_code(reading: Reading, code: str) -> list[Finding]:
    return [finding for finding in reading.findings if finding.code == code]


@pytest.mark.parametrize(("code", "safe", "name", "text", "fixed"), BROKEN)
def test_a_fix_makes_this_text_and_no_other(code: str, safe: bool, name: str, text: str, fixed: str) -> None:
    before = with_code(fixed_reading(text, name), code)
    chosen = next(finding for finding in before if finding.fix)
    assert chosen.fix is not None
    assert chosen.fix.safe is safe
    assert apply_fix(text, chosen.fix) == fixed
    after = with_code(read(fixed, name), code)
    assert len(after) < len(before)


def test_there_are_many_kinds_of_broken_files() -> None:
    assert len(BROKEN) >= 50
    assert len({code for code, *_ in BROKEN}) >= 25


LINES = st.sampled_from(
    [text for _, _, _, text, _ in BROKEN]
    + ["\t- numpy", "# note", "é=1", "a" * 300, "- x: [", "'", "\u2028", "\r", "numpy=1 # ü", "${X}==1", "\0"]
)


@settings(max_examples=60)
@given(
    st.lists(LINES, max_size=4).map("\n".join),
    st.sampled_from(["", "requirements.txt", "x.yml", "Dockerfile"]),
)
def test_a_fix_never_crashes_is_offered_once_and_keeps_comments(text: str, name: str) -> None:
    reading = fixed_reading(text, name)
    for finding in reading.findings:
        if finding.fix is None:
            continue
        fixed = apply_fix(text, finding.fix)
        assert fixed != text
        after = fixed_reading(fixed, name)
        assert sum(1 for each in after.findings if each.code == finding.code) <= sum(
            1 for each in reading.findings if each.code == finding.code
        )
        if after.format == reading.format:
            assert fixed.count("#") == text.count("#")
    once, _ = fix_all(reading, text, lambda changed: read(changed, name))
    again, _ = fix_all(fixed_reading(once, name), once, lambda changed: read(changed, name))
    assert again == once or again != text


@settings(max_examples=100)
@given(
    st.text(alphabet="ab\nü\U0001f600", max_size=40),
    st.lists(st.tuples(*[st.integers(1, 9)] * 4, st.text(max_size=3)), max_size=3),
)
def test_edits_outside_of_a_text_do_no_harm(text: str, edits: list[tuple[int, int, int, int, str]]) -> None:
    for line, column, end_line, end_column, new in edits:
        if (line, column) <= (end_line, end_column):
            fix = Fix("x", (Edit(line, column, end_line, end_column, new),), safe=True)
            apply_fix(text, fix)
            apply_safe_fixes(text, [Finding("x", "note", "", "", fix=fix)] * 2)


def test_all_safe_fixes_are_applied_together_and_the_others_are_left() -> None:
    text = "# ours\nnumpy=1.26.4\nsklearn\nscipy 1.11  # why\n"
    reading = fixed_reading(text, "requirements.txt")
    fixed, after = fix_all(reading, text, lambda changed: read(changed, "requirements.txt"))
    assert fixed == "# ours\nnumpy==1.26.4\nscikit-learn\nscipy 1.11  # why\n"
    assert [finding.code for finding in after.errors] == ["bad-requirement"]


def test_windows_line_ends_stay() -> None:
    text = "channels:\r\n  - conda-forge\r\ndependencies:\r\n  - python=3.12\r\n  - pip:\r\n      - flask==3.0\r\n"
    (finding,) = with_code(fixed_reading(text, "environment.yml"), "pip-without-pip")
    assert finding.fix is not None
    assert "  - pip\r\n  - pip:\r\n" in apply_fix(text, finding.fix)


def test_a_secret_never_gets_into_a_fix() -> None:
    text = "--index-url https://ann:s3cretvalue@pypi.example/simple\nnumpy=1.0\n"
    reading = fixed_reading(text, "requirements.txt")
    assert "s3cretvalue" not in repr(reading.findings)


def test_a_file_with_thousands_of_mistakes_gets_a_bounded_number_of_fixes() -> None:
    reading = fixed_reading("".join(f"p{n}=1.0\n" for n in range(5000)), "requirements.txt")
    assert 0 < sum(1 for finding in reading.findings if finding.fix) <= MOST_FIXES


def test_a_version_to_pin_to_keeps_extras_markers_and_comments() -> None:
    text = 'uvicorn[standard]>=0.30  # web\npandas ; python_version > "3.9"\n'
    pins = {("pip", "uvicorn"): "0.34.0", ("pip", "pandas"): "2.2.3"}
    reading = with_fixes(read(text, "r.txt"), text, lambda changed: read(changed, "r.txt"), pins)
    fixes = [finding.fix for finding in with_code(reading, "unpinned-package")]
    assert [fix and fix.label for fix in fixes] == ["Pin to 0.34.0", "Pin to 2.2.3"]
    assert fixes[0] is not None
    assert apply_fix(text, fixes[0]).startswith("uvicorn[standard]==0.34.0  # web\n")


def test_inspect_prints_the_changes_and_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("# ours\nnumpy=1.26.4\n")
    out = io.StringIO()
    assert main(["inspect", str(path)], out) == 0
    assert "Fix: Change to numpy==1.26.4 (safe: --fix applies it)" in out.getvalue()
    assert path.read_text() == "# ours\nnumpy=1.26.4\n"
    out = io.StringIO()
    assert main(["inspect", "--fix", str(path)], out) == 0
    assert "-numpy=1.26.4\n+numpy==1.26.4\n" in out.getvalue()
    assert path.read_text() == "# ours\nnumpy==1.26.4\n"


def test_inspect_leaves_what_it_cannot_fix_alone(tmp_path: Path) -> None:
    for name, content in (("a.txt", b"\xff\xfe\x00"), ("b.txt", b"scipy 1.11\n"), ("c.zip", b"PK\x03\x04")):
        path = tmp_path / name
        path.write_bytes(content)
        main(["inspect", "--fix", str(path)], io.StringIO())
        assert path.read_bytes() == content
    assert main(["inspect", "--fix", str(tmp_path)], io.StringIO()) in (0, 2)
