"""Markdown as HTML: what members type, as a subset that is safe to show to others, and the studio's own documents.

HTML in it stays text, and images become their description. Links of members lead to web and mail addresses only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

MAX_LENGTH = 20_000  # characters; a longer text is shown as it was typed, cut off there
NESTING = 20
_LINK = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_FIRST_LINE_OF = 2_000  # characters
_HEADINGS_BELOW = 2  # the page and the card have headings of their own


class _Renderer(RendererHTML):
    """The HTML of tokens without inline styles, which the pages' policy forbids.

    `env` has `link`, a function of addresses, for the studio's own documents: their links are vouched for, and their
    headings are the page's.
    """

    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the description of an image: no page loads what a member names."""
        return str(format_html("{}", self.renderInlineAsText(tokens[index].children, options, env)))

    def heading_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the start of a heading, with its anchor; those of members are below the page's."""
        token = tokens[index]
        if "link" in env:
            return str(format_html('<{} id="{}">', SafeString(token.tag), token.attrGet("id") or ""))
        return f"<{_lower(token.tag)}>"

    def heading_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the end of a heading."""
        tag = tokens[index].tag
        return f"</{tag if 'link' in env else _lower(tag)}>\n"

    def link_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the start of a link; a member's vouches for nothing."""
        address = str(tokens[index].attrGet("href") or "")
        if "link" in env:
            return str(format_html('<a href="{}">', env["link"](address)))
        return str(format_html('<a href="{}" rel="nofollow noopener noreferrer">', address))

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """Return a block of code, which the keyboard can scroll."""
        return str(format_html('<pre tabindex="0"><code>{}</code></pre>\n', tokens[idx].content))

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """Return an indented block of code."""
        return self.fence(tokens, idx, options, env)

    def td_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the start of a cell; its alignment would be a style."""
        return "<td>"

    def th_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the start of a heading of a column."""
        return '<th scope="col">'

    def table_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the start of a table, which scrolls by itself where it is too wide."""
        return '<div class="table-wide" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the end of a table."""
        return "</table></div>\n"


def _lower(tag: str) -> str:
    return f"h{min(6, int(tag[1]) + _HEADINGS_BELOW)}"


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    options = {"html": False, "breaks": True, "maxNesting": NESTING}
    parser = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.validateLink = _is_allowed  # type: ignore[method-assign]
    return parser


@lru_cache(maxsize=1)
def _parser_of_documents() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")


def document_tokens(text: str) -> list[Token]:
    """Return the tokens of one of the studio's own documents, whose headings may be given ids."""
    return _parser_of_documents().parse(text)


def document_html(tokens: Sequence[Token], link: Callable[[str], str]) -> SafeString:
    """Return a document as HTML; `link` turns the addresses of its links into the studio's."""
    parser = _parser_of_documents()
    return SafeString(parser.renderer.render(tokens, parser.options, {"link": link}))


def _is_allowed(url: str) -> bool:
    return _LINK.match(url.strip()) is not None


def to_html(text: str) -> SafeString:
    """Return a text as safe HTML."""
    if len(text) > MAX_LENGTH:
        return format_html('<p class="typed">{}…</p>', text[:MAX_LENGTH])
    return SafeString(_parser().render(text))


def first_line(text: str) -> str:
    """Return the first line of a text, without its marks: for lists."""
    for token in _parser().parse(text[:_FIRST_LINE_OF]):
        if token.type == "inline" and (line := _plain(token.children or ())):
            return line
        if token.type in {"fence", "code_block"} and token.content.strip():
            return token.content.strip().splitlines()[0]
    return ""


def _plain(tokens: Sequence[Token]) -> str:
    parts: list[str] = []
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            if "".join(parts).strip():
                break
        elif token.type == "image":
            parts.append(_plain(token.children or ()))
        else:
            parts.append(token.content)
    return "".join(parts).strip()
