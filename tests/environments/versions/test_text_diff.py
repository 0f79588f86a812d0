"""Differences of any two texts: the shown lines lead from the old text to the new text, in bounded time."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition.edits import Budget, changed_blocks
from environments.versions.text_diff import DiffRow, lines_of, side_by_side
from environments.versions.text_view import CONTEXT, MAX_CHANGED, TextView, compare_texts, unified
from tests.growth import cpu

# Few different lines, so that they repeat; breaks other than the line feed stay in their line.
LINES = st.lists(
    st.sampled_from(["", "a", "b", "numpy==1", "numpy==2", " a", "x\x0cy", "\u2028", "<b>", "…"])
)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


def new_side(rows: Iterable[DiffRow]) -> list[str]:
    return [row.new for row in rows if row.new_number is not None]


def shown_rows(view: TextView) -> list[DiffRow]:
    return [row for section in view.sections for row in section.rows]


def applied(old: str, hunks: str) -> list[str]:
    """Return the lines that the hunks of the unified format make of a text."""
    before, result, at = lines_of(old), [], 0
    for line in hunks.removesuffix("\n").split("\n") if hunks else []:
        header = re.fullmatch(r"@@ -(\d+),(\d+) \+\d+,\d+ @@", line)
        if header:
            start = int(header[1]) - (header[2] != "0")
            result += before[at:start]
            at = start
        elif line[0] in " -":
            assert before[at] == line[1:]
            at += 1
        if line[0] in " +":
            result.append(line[1:])
    return result + before[at:]


@given(TEXTS, TEXTS)
@settings(max_examples=300)
def test_the_shown_lines_applied_to_the_old_text_give_the_new_text(old: str, new: str) -> None:
    rows = side_by_side(old, new)
    assert [row.old for row in rows if row.old_number is not None] == lines_of(old)
    assert new_side(rows) == lines_of(new)
    view = compare_texts(old, new)
    assert new_side(shown_rows(view)) == lines_of(new)
    lines = [line for section in view.sections for line in section.lines]
    assert ["".join(part.text for part in line.parts) for line in lines if line.sign != "-"] == lines_of(new)
    assert ["".join(part.text for part in line.parts) for line in lines if line.sign != "+"] == lines_of(old)
    hunks, whole = unified(old, new)
    assert whole
    assert applied(old, hunks) == lines_of(new)
    assert (view.added, view.removed) == (
        len(re.findall(r"^\+", hunks, re.MULTILINE)),
        len(re.findall(r"^-", hunks, re.MULTILINE)),
    )


@given(LINES, LINES, st.integers(0, 30))
@settings(max_examples=200)
def test_also_when_the_search_has_no_time_left(old: list[str], new: list[str], steps: int) -> None:
    result, at = [], 0
    for i1, i2, j1, j2 in changed_blocks(old, new, Budget(steps)):
        result += old[at:i1] + new[j1:j2]
        at = i2
    assert result + old[at:] == new


def test_words_that_differ_are_marked_and_lines_with_little_in_common_are_not() -> None:
    (row,) = side_by_side("numpy==1.26.4  # pinned", "numpy==1.26.5  # pinned")
    assert [(part.text, part.marked) for part in row.new_parts] == [
        ("numpy==1.26.", False),
        ("5", True),
        ("  # pinned", False),
    ]
    (row,) = side_by_side("numpy==1.26.4", "# a comment instead")
    assert not any(part.marked for part in (*row.old_parts, *row.new_parts))


def test_lines_that_moved_are_no_replacement_of_everything() -> None:
    old = [f"package-{number}" for number in range(50)]
    view = compare_texts("\n".join(old), "\n".join([*old[:10], "new", *old[10:]]))
    assert (view.added, view.removed) == (1, 0)


def test_unchanged_lines_between_changes_are_folded_and_can_be_shown() -> None:
    old = [f"line {number}" for number in range(100)]
    new = [*old]
    new[10], new[80] = "changed", "changed too"
    folded = compare_texts("\n".join(old), "\n".join(new))
    assert [section.folded for section in folded.sections] == [
        10 - CONTEXT,
        0,
        69 - 2 * CONTEXT,
        0,
        19 - CONTEXT,
    ]
    assert len(folded.sections[0].rows) == 10 - CONTEXT
    whole = compare_texts("\n".join(old), "\n".join(new), whole=True)
    assert not whole.folds
    assert len(shown_rows(whole)) == 100


def test_the_same_texts_have_no_changes() -> None:
    assert compare_texts("a\nb\n", "a\nb").same
    assert compare_texts("", "").same
    assert unified("a\n", "a\n") == ("", True)


MEGABYTE = 1_000_000


def noise(alphabet: str, lines: int, length: int, seed: int) -> str:
    chance = random.Random(seed)  # noqa: S311
    return "\n".join("".join(chance.choices(alphabet, k=length)) for _ in range(lines))


@pytest.mark.parametrize(
    ("lines", "length", "alphabet"),
    [
        (MEGABYTE // 2, 1, "ab"),  # two different lines, a million characters
        (MEGABYTE // 11, 10, "abcdefghijklmnopqrstuvwxyz"),  # nothing in common
        (1000, 999, "ab "),  # long lines of few words
        (1, MEGABYTE, "ab ="),  # a single line
    ],
)
def test_texts_of_a_megabyte_are_compared_in_seconds_and_shown_in_part(
    lines: int, length: int, alphabet: str
) -> None:
    old, new = (noise(alphabet, lines, length, seed) for seed in (1, 2))
    begin = time.process_time()
    view = compare_texts(old, new)
    unified(old, new)
    side_by_side(old, new)
    assert time.process_time() - begin < 8
    rows = shown_rows(view)
    assert sum(not row.same for row in rows) <= MAX_CHANGED
    assert view.more == view.added + view.removed - sum(
        (row.old_number is not None) + (row.new_number is not None) for row in rows if not row.same
    )
    assert max(len(row.old) for row in rows) <= 5_001


def test_lines_of_the_same_few_words_take_not_much_longer_than_lines_of_different_words() -> None:
    def seconds(old: str, new: str) -> float:
        sides = [
            "\n".join(f"{line.replace('%', str(row))} {row}" for row in range(900)) for line in (old, new)
        ]
        return cpu(lambda _: side_by_side(sides[0], sides[1]), 0)

    of_many_words = " ".join(f"w%x{number}" for number in range(140))

    assert seconds("x z " * 200, "y x z " * 133) < 40 * seconds(of_many_words, of_many_words[5:])
