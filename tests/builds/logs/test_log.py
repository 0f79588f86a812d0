"""The log: cleaned once, written in chunks of whole lines, numbered from 1."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builds.logs import (
    LogWriter,
    Secrets,
    clean,
    find_lines,
    lines_between,
    pack_log,
    pack_logs_of_ended,
    packing,
    read_log,
    step_at,
    writing,
)
from builds.logs.follow import follow
from builds.models import Build, BuildState, LogBlock, LogChunk
from builds.models.steps import StepName
from builds.worker.reconciler import Reconciler
from environments.models import Role
from tests.builds.scenarios import browser_of, claim_build, person, queue_build, save_text

pytestmark = pytest.mark.usefixtures("either_database")


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
    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (_, reporter):
        with reporter.step(StepName.BASE):
            reporter.line("one")
            reporter.line("two\nthree")
            reporter.log.flush()
        with reporter.step(StepName.FETCH):
            reporter.line("four")
        reporter.log.flush()

    rows = LogChunk.objects.values_list("seq", "step", "first_line", "text")
    assert list(rows) == [(1, "base", 1, "one\ntwo\nthree\n"), (2, "fetch", 4, "four\n")]
    assert read_log(build.pk).text == "one\ntwo\nthree\nfour\n"
    assert read_log(build.pk, after=1).text == "four\n"
    assert read_log(build.pk, after=2).cursor == 2


@pytest.mark.django_db
def test_a_large_burst_becomes_chunks_of_bounded_size() -> None:
    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (_, reporter):
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
    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (claim, _):
        writer = LogWriter(claim, 0)
        for number in range(10):
            writer.add(f"line {number}")
        writer.flush()

    lines = read_log(build.pk).text.splitlines()
    assert lines[:3] == ["line 0", "line 1", "line 2"]
    assert len(lines) == 4
    assert "full" in lines[3]


@pytest.mark.django_db
def test_the_end_of_a_full_log_is_kept_with_what_explains_the_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "LOG_LINES", 3)
    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (claim, _):
        writer = LogWriter(claim, 0)
        for number in range(1000):
            writer.add(f"line {number}")
        writer.flush()
        writer.flush_tail()
        writer.add("Error: why")
        writer.add("Build … failed")
        writer.flush(everything=True)

    lines = read_log(build.pk).text.splitlines()
    assert lines[4] == f"… {997 - writing.LAST_LINES:,} lines are not kept …"
    assert lines[-3:] == ["line 999", "Error: why", "Build … failed"]
    assert len(lines) == 5 + writing.LAST_LINES + 2
    assert writer.lines == len(lines)


@pytest.mark.django_db
def test_a_log_of_many_characters_is_full_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LOG_CHARACTERS", 1000)
    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (claim, _):
        writer = LogWriter(claim, 0)
        for _ in range(100):
            writer.add("x" * 99)
        writer.flush()

    assert len(read_log(build.pk).text) < 1200


# Secrets that the build was given (rule 44)

SECRET = "p@ss w0rd/+é"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "written",
    [
        f"password is {SECRET}.",
        f"https://index.example/?token={quote(SECRET, safe='')}&a=1",
        f"https://ada:{quote(SECRET)}@index.example",
        f"Authorization: Basic {base64.b64encode(f'ada:{SECRET}'.encode()).decode()}",
        f"Authorization: Basic {base64.urlsafe_b64encode(f'someone:{SECRET}'.encode()).decode()}",
        f"{SECRET[:5]}\n{SECRET[5:]}",
        f"a\n{SECRET[:2]}\n{SECRET[2:7]}\n{SECRET[7:]}\nb",
        f"{'x' * 8190}{SECRET}",
    ],
)
@pytest.mark.parametrize("pause", [False, True], ids=["at once", "line by line"])
def test_a_secret_is_masked_before_it_is_written(written: str, pause: bool) -> None:
    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (claim, _):
        writer = LogWriter(claim, 0, secrets=[SECRET])
        for line in written.split("\n"):
            writer.add(line)
            if pause:
                writer.flush()
        writer.flush(everything=True)

    text = read_log(build.pk).text
    assert text.count("\n") == written.count("\n") + 1
    flat = text.replace("\n", "")
    encoded = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    for form in (SECRET, quote(SECRET), quote(SECRET, safe=""), encoded[8:-4], SECRET[2:7]):
        assert form not in flat
    assert writing.LogWriter(claim, 0, secrets=[SECRET]).masked(SECRET) == "***"


@given(st.text(st.characters(codec="utf-8", exclude_characters="*\n\r"), min_size=4), st.text(), st.data())
def test_no_form_of_a_secret_survives_a_line_break_at_any_position(
    secret: str, around: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(secret)))
    broken = f"{around}{secret[:at]}\n{secret[at:]}{around}"
    masked = Secrets([secret]).masked(broken)
    assert masked.count("\n") == broken.count("\n")
    assert secret not in masked.replace("\n", "")


@pytest.mark.django_db
def test_a_line_that_may_end_in_half_a_secret_waits_a_moment_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (claim, _):
        writer = LogWriter(claim, 0, secrets=["hunter22"])
        writer.add("first")
        writer.add("and hunt")
        writer.flush()
        assert read_log(build.pk).text == "first\n"
        monkeypatch.setattr(writing, "_WITHHOLD_SECONDS", -1.0)
        writer.flush()
        assert read_log(build.pk).text == "first\nand hunt\n"
        assert writer.empty


# After the end: packed, and read as before


@pytest.fixture
def long_log(monkeypatch: pytest.MonkeyPatch) -> tuple[Build, list[tuple[int, str, int, str]]]:
    """A build that has ended, with a log of many chunks in two steps, and what those chunks were."""
    monkeypatch.setattr(writing, "CHUNK_CHARACTERS", 200)
    monkeypatch.setattr(packing, "BLOCK_CHARACTERS", 1000)
    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (claim, reporter):
        for name in (StepName.BASE, StepName.FETCH):
            with reporter.step(name):
                for number in range(200):
                    reporter.line(f"{name} line {number}")
        claim.fail("command-failed", "It failed.", "", "author", 1)
    return build, chunks_of(build)


def chunks_of(build: Build, after: int = 0, limit: int = 10_000) -> list[tuple[int, str, int, str]]:
    page = read_log(build.pk, after, limit)
    return [(chunk.seq, chunk.step, chunk.first_line, chunk.text) for chunk in page.chunks]


@pytest.mark.django_db
def test_a_packed_log_reads_as_it_did_from_every_cursor_and_line(long_log: tuple[Build, list[Any]]) -> None:
    build, before = long_log

    assert pack_log(build.pk) > 3

    assert LogChunk.objects.count() == 0
    assert LogBlock.objects.count() < len(before) / 3
    for cursor in range(len(before) + 1):
        assert chunks_of(build, cursor) == before[cursor:]
        assert chunks_of(build, cursor, limit=3) == before[cursor : cursor + 3]
        assert step_at(build.pk, cursor) == (before[cursor - 1][1] if cursor else "")
    lines = "".join(text for _, _, _, text in before).splitlines()
    for first, last in ((1, 1), (1, 400), (37, 261), (400, 400), (399, 999), (401, 500)):
        chunks = lines_between(build.pk, first, last)
        assert "".join(chunk.text for chunk in chunks).splitlines() == lines[first - 1 : last]
        assert not chunks or chunks[0].first_line == first
    assert find_lines(build.pk, "LINE 77", 1) == ([(78, "base line 77")], 2)


@pytest.mark.django_db
def test_a_studio_that_died_while_packing_leaves_a_whole_log_that_is_packed_later(
    long_log: tuple[Build, list[Any]],
) -> None:
    """No line is lost when the studio is killed."""
    build, before = long_log
    packing._pack_next(build.pk)
    packing._pack_next(build.pk)
    assert LogChunk.objects.exists()

    for cursor in range(len(before) + 1):
        assert chunks_of(build, cursor, limit=5) == before[cursor : cursor + 5]
    assert find_lines(build.pk, "line 199", 9)[1] == 2
    Reconciler().reconcile()

    assert not LogChunk.objects.exists()
    assert chunks_of(build) == before


@pytest.mark.django_db
def test_a_reader_sees_no_gap_when_the_log_is_packed_between_its_two_queries(
    long_log: tuple[Build, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    build, before = long_log
    loose = LogChunk.objects.filter

    def packed_meanwhile(*conditions: Any, **more: Any) -> Any:
        rows = list(loose(*conditions, **more).order_by("seq"))
        monkeypatch.undo()
        pack_log(build.pk)
        return Rows(rows)

    class Rows:
        def __init__(self, rows: list[LogChunk]) -> None:
            self.rows = rows

        def order_by(self, _: str) -> list[LogChunk]:
            return self.rows

    monkeypatch.setattr(LogChunk.objects, "filter", packed_meanwhile)
    assert chunks_of(build) == before
    assert not LogChunk.objects.exists()


@pytest.mark.django_db
def test_the_log_of_a_build_under_way_is_not_packed() -> None:
    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (_, reporter):
        reporter.line("one")
        reporter.flush()
    assert pack_log(build.pk) == 0
    assert pack_logs_of_ended() == 0
    assert LogChunk.objects.count() == 1


@pytest.mark.django_db
def test_a_page_fetches_the_lines_that_it_lacks_and_those_that_hold_a_word(
    long_log: tuple[Build, list[Any]],
) -> None:
    build, _ = long_log
    pack_log(build.pk)
    reader = browser_of(person("rita", lab=Role.READER))
    url = f"/w/lab/builds/{build.pk}/log"

    response = reader.get(f"{url}/lines?from=200&to=202")
    html = response.content.decode()
    assert re.findall(r'id="(L\d+)"', html) == ["L200", "L201", "L202"]
    assert 'data-step="fetch"' in html  # it begins with line 201
    assert 'data-step="base"' not in html
    assert response["X-Log-Step"] == "fetch"
    assert reader.get(f"{url}/search?q=Line+77").json() == {"lines": [78, 278], "count": 2}
    assert reader.get(f"{url}/search?q=").json() == {"lines": [], "count": 0}
    assert reader.get(f"{url}/lines?from=nonsense&to=²").status_code == 200
    stranger = browser_of(person("stan", other=Role.OWNER))
    assert stranger.get(f"{url}/lines?from=1&to=2").status_code == 404
    assert stranger.get(f"{url}/search?q=a").status_code == 404


@pytest.mark.django_db
def test_a_log_that_is_followed_in_a_terminal_has_no_escapes_of_what_was_built() -> None:
    """A package may print anything: titles, links, text that erases other text."""
    build = queue_build(save_text("a==1\n"))
    with claim_build(build) as (_, reporter):
        reporter.line("\x1b[31mred\x1b[0m \x1b]0;title\x07and \x1b[2K\x9b2Jplain\ttext \u202eturned")
        reporter.log.flush()
    written: list[str] = []

    def ended() -> None:
        Build.objects.filter(pk=build.pk).update(state=BuildState.FAILED)

    follow(build.pk, written.append, ended)

    assert "".join(written) == "red and 2Jplain\ttext turned\n"
