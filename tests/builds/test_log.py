"""The log: cleaned once, written in chunks of whole lines, numbered from 1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builds.logs import LogWriter, clean, read_log, writing
from builds.models import LogChunk
from tests.builds.played import asked, played, saved


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://ada:s3cret@index.example/simple", "https://***@index.example/simple"),
        ("git+https://ghp_abcdefghijklmnop@host/x.git", "git+https://***@host/x.git"),
        ("--index-url https://u:p%40ss@h and https://v:w@h", "--index-url https://***@h and https://***@h"),
        ("git+ssh://git@host/x.git", "git+ssh://git@host/x.git"),
        ("a\0b", "a\ufffdb"),
        ("10%\r50%\r100%", "100%"),
        ("100%\r", "100%"),
    ],
)
def test_a_line_is_kept_without_secrets_and_without_what_overwrote_itself(written: str, kept: str) -> None:
    """Rule 44."""
    assert clean(written) == kept


@given(st.text())
def test_a_kept_line_is_one_line_of_bounded_length(text: str) -> None:
    kept = clean(text.replace("\n", ""))
    assert "\0" not in kept
    assert "\n" not in kept
    assert len(kept) < writing.LINE_CHARACTERS + 100


@pytest.mark.django_db
def test_lines_are_numbered_from_one_across_chunks_and_steps() -> None:
    build = asked(saved("a==1\n"))
    with played(build) as (_, reporter):
        with reporter.step(1, "base"):
            reporter.line("one")
            reporter.line("two\nthree")
            reporter.log.flush()
        with reporter.step(2, "fetch"):
            reporter.line("four")
        reporter.log.flush()

    found = LogChunk.objects.values_list("seq", "step", "first_line", "text")
    assert list(found) == [(1, "base", 1, "one\ntwo\nthree\n"), (2, "fetch", 4, "four\n")]
    assert read_log(build.pk).text == "one\ntwo\nthree\nfour\n"
    assert read_log(build.pk, after=1).text == "four\n"
    assert read_log(build.pk, after=2).cursor == 2


@pytest.mark.django_db
def test_a_large_burst_becomes_chunks_of_bounded_size() -> None:
    build = asked(saved("a==1\n"))
    with played(build) as (_, reporter):
        for number in range(5000):
            reporter.line(f"{number:05} {'x' * 95}")
        reporter.log.flush()

    chunks = list(LogChunk.objects.all())
    assert len(chunks) > 5
    assert max(len(chunk.text) for chunk in chunks) <= writing.CHUNK_CHARACTERS
    assert "".join(chunk.text for chunk in chunks).count("\n") == 5000


@pytest.mark.django_db
def test_a_log_that_is_full_says_so_and_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LOG_LINES", 3)
    build = asked(saved("a==1\n"))
    with played(build) as (claim, _):
        writer = LogWriter(claim, 0)
        for number in range(10):
            writer.add(f"line {number}")
        writer.flush()

    lines = read_log(build.pk).text.splitlines()
    assert lines[:3] == ["line 0", "line 1", "line 2"]
    assert len(lines) == 4
    assert "full" in lines[3]
