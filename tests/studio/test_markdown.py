"""Descriptions in Markdown: what members type is shown with its marks, and harms no reader."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest

from studio.markdown import MAX_LENGTH, first_line, to_html

ALLOWED = set(
    "p br hr strong em s code pre a ul ol li blockquote h3 h4 h5 h6 table thead tbody tr th td div".split()
)
ATTRIBUTES = {"href", "rel", "tabindex", "scope", "class", "start"}


class Reader(HTMLParser):
    """Collects the elements and attributes of HTML, as a browser would make them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


def test_marks_become_elements() -> None:
    page = to_html(
        "# Use\n\nFor **forecasts** and `pandas`:\n\n- one\n- two\n\n| a | b |\n|--:|---|\n| 1 | 2 |\n"
    )
    for part in (
        "<h3>Use</h3>",
        "<strong>forecasts</strong>",
        "<code>pandas</code>",
        "<li>one</li>",
        "<td>1</td>",
    ):
        assert part in page
    assert "style=" not in page  # the pages' policy forbids it


def test_lines_stay_lines() -> None:
    assert to_html("one\ntwo") == "<p>one<br />\ntwo</p>\n"


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](data:text/html,<script>1</script>)",
    "[a](java\tscript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](vbscript:x) [b](file:///etc/passwd) [c](//evil.example/x) [d](/logout/) [e](x)",
    '<javascript:alert(1)> <https://example.org/?a="onclick=alert(1)>',
    '[a](https://example.org/"onmouseover="alert(1) "title\\" onclick=\\"x")',
    "![x](https://evil.example/pixel.png) ![<b>](javascript:x)",
    '![a" onerror="x](http://e/)',
    '```"><script>alert(1)</script>\n</code></pre><script>1</script>\n```',
    "    </code></pre><script>1</script>",
    "| <b onclick=x> | a |\n|:-:|---|\n| <script> | `</td><script>` |",
    "[x]: javascript:alert(1)\n\n[x]",
    "<details open ontoggle=alert(1)>",
    "\x00<svg/onload=alert(1)>",
    "<style>*{display:none}</style>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_harmful_comes_through(text: str) -> None:
    read = Reader(to_html(text))
    assert read.tags <= ALLOWED, read.tags - ALLOWED
    for name, value in read.attributes:
        assert name in ATTRIBUTES, (name, value)
        if name == "href":
            assert re.match(r"(https?|mailto):", value or ""), value
        if name == "class":
            assert value == "table-wide"


def test_links_vouch_for_nothing() -> None:
    assert to_html("[docs](https://example.org/a?b=1&c=2)") == (
        '<p><a href="https://example.org/a?b=1&amp;c=2" rel="nofollow noopener noreferrer">docs</a></p>\n'
    )


def test_images_become_their_description() -> None:
    assert to_html("![a *chart*](https://evil.example/pixel.png)") == "<p>a chart</p>\n"


DEEP = [
    ">" * MAX_LENGTH,
    "[" * MAX_LENGTH,
    "*" * MAX_LENGTH,
    "![" * (MAX_LENGTH // 2),
    "*a_ " * (MAX_LENGTH // 4),
    "- " * (MAX_LENGTH // 2),
    "`" * (MAX_LENGTH - 1) + "a",
    "[a](" * (MAX_LENGTH // 4),
    "<a " * (MAX_LENGTH // 3),
    "|" * 5_000 + "\n" + "|-" * 5_000 + "\n" + "|a" * 4_000,
    "\n".join("  " * depth + "- x" for depth in range(190)),
]


@pytest.mark.parametrize("text", DEEP)
def test_a_text_made_to_be_slow_is_not(text: str) -> None:
    started = time.process_time()
    Reader(to_html(text[:MAX_LENGTH]))
    first_line(text)
    assert time.process_time() - started < 2


def test_a_text_of_a_megabyte_is_cut_off_and_shown_as_it_was_typed() -> None:
    started = time.process_time()
    page = to_html("**<b>** " * 131_072)
    assert len(page) < 5 * MAX_LENGTH
    assert page.startswith('<p class="typed">**&lt;b&gt;**')
    assert first_line("word " * 250_000).startswith("word word")
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("\n\n", ""),
        ("# Nightly *forecasts*\n\nMore", "Nightly forecasts"),
        ("One\nTwo", "One"),
        ("- [docs](https://example.org) and `code`", "docs and code"),
        ("![chart](http://x/)\nText", "chart"),
        ("<b>bold</b> & more", "<b>bold</b> & more"),
        ("```\npip install\n```", "pip install"),
        ("---\n\nAfter a rule", "After a rule"),
    ],
)
def test_lists_show_the_first_line_without_its_marks(text: str, line: str) -> None:
    assert first_line(text) == line
