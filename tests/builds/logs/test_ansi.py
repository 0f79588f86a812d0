"""Log lines as HTML: nothing in a log can become markup, colours become classes."""

from __future__ import annotations

import pytest

from builds.logs.ansi import chunks_html, line_html
from builds.models import LogChunk


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "\x1b[31m<img src=x onerror=alert(1)>\x1b[0m",
        "\x1b]8;;javascript:x\x07<b>\x1b]8;;\x07",
    ],
)
def test_a_log_never_becomes_markup(text: str) -> None:
    shown = line_html(text)
    for forbidden in ("<script", "<img", "<b>", "javascript", "\x1b"):
        assert forbidden not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("", ""),
        ("\x1b[31mred\x1b[0m plain", '<span class="c1">red</span> plain'),
        (
            "\x1b[1;32mbold green\x1b[22m green",
            '<span class="b c2">bold green</span><span class="c2"> green</span>',
        ),
        ("\x1b[91mbright\x1b[39m plain", '<span class="c1">bright</span> plain'),
        ("\x1b[mplain", "plain"),
        ("\x1b[38;5;196mmany colours\x1b[0m", '<span class="c1">many colours</span>'),
        ("\x1b[38;2;1;2;3;4munderlined", '<span class="c0 u">underlined</span>'),
        ("\x1b[2Kcleared\x1b[1A", "cleared"),
        ("half an escape \x1b[3", "half an escape 3"),
        ("\x1b[999;;mx", "x"),
        ("bell\x07 and null\x00", "bell and null"),
        ("\x1b[38;2;90;200;250mblue green\x1b[m", '<span class="c6">blue green</span>'),
        ("\x1b[38;5;250mgrey\x1b[m \x1b[48;5;1mon red", '<span class="c7">grey</span> on red'),
        ("\x1b[38:5:28mcolons", '<span class="c2">colons</span>'),
        (f"\x1b[{'9' * 6000}mlong", "long"),
        ("\x1b[38;5mcut\x1b[38mcut", '<span class="c0">cut</span><span class="c0">cut</span>'),
        ("right \u202eto left", "right to left"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1bPq#0~\x1b\\after", "after"),
        (
            "\x1b]8;id=1;https://example.org/?a=1&b=2\x07here\x1b]8;;\x07 and there",
            '<a href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer nofollow">here</a> and there',
        ),
        ("\x1b]8;;ftp://example.org\x1b\\no web\x1b]8;;\x1b\\", "no web"),
    ],
)
def test_colours_become_classes_and_other_escapes_vanish(text: str, shown: str) -> None:
    assert line_html(text) == shown


def chunk(first: int, text: str, step: str = "") -> LogChunk:
    return LogChunk(first_line=first, text=text, step=step, seq=first)


def test_every_line_has_its_number_and_its_anchor() -> None:
    shown = chunks_html([chunk(9, "nine\n\nError: eleven\n")])
    assert 'id="L9"' in shown
    assert '<a href="#L10" aria-label="Line 10">10</a><span></span>' in shown
    assert '<div class="l bad" id="L11">' in shown
    assert "L12" not in shown


def test_a_step_is_named_once_where_it_begins() -> None:
    chunks = [chunk(1, "a\n", "base"), chunk(2, "b\n", "base"), chunk(3, "c\n", "fetch")]
    assert chunks_html(chunks).count('class="log-step"') == 2
    assert chunks_html(chunks, step_before="base").count('class="log-step"') == 1
