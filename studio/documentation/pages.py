"""The documentation in `docs/` and the changelog, as HTML with an anchor for each heading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

# For users first, then for admins, then for developers.
ORDER = (
    "formats",
    "findings",
    "causes",
    "conda",
    "registry",
    "bases",
    "api",
    "azure",
    "notifications",
    "running",
    "security",
    "scaling",
    "performance",
    "images",
    "architecture",
    "writing",
    "changelog",
)
_OTHER_PAGE = re.compile(r"([a-z]+)\.md(#.*)?")


@dataclass(frozen=True)
class Section:
    """A heading of the second level, for the table of contents."""

    anchor: str
    title: str


@dataclass(frozen=True)
class Page:
    """A page of the documentation."""

    name: str
    title: str
    html: SafeString
    sections: tuple[Section, ...]


def page_names() -> list[str]:
    """Return the names of the pages that this installation has, in reading order."""
    return [name for name in ORDER if _path(name).is_file()]


def page_of(name: str) -> Page | None:
    """Return a page by its name; None if there is no such page."""
    path = _path(name)
    if name not in ORDER or not path.is_file():
        return None
    return _rendered(name, path, path.stat().st_mtime_ns)


def _path(name: str) -> Path:
    folder = Path(settings.BASE_DIR)
    return folder / "CHANGELOG.md" if name == "changelog" else folder / "docs" / f"{name}.md"


@lru_cache(maxsize=32)
def _rendered(name: str, path: Path, changed_ns: int) -> Page:
    parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    tokens = parser.parse(path.read_text())
    sections: list[Section] = []
    title = name
    used: dict[str, int] = {}
    for heading, inline in pairwise(tokens):
        if heading.type != "heading_open":
            continue
        text = "".join(
            child.content for child in inline.children or () if child.type in ("text", "code_inline")
        )
        anchor = _anchor(text, used)
        heading.attrSet("id", anchor)
        if heading.tag == "h1":
            title = text
        elif heading.tag == "h2":
            sections.append(Section(anchor, text))
    html = parser.renderer.render(tokens, parser.options, {})
    return Page(name, title, mark_safe(html), tuple(sections))  # noqa: S308 (our own files)


def _anchor(text: str, used: dict[str, int]) -> str:
    """Return the anchor of a heading as GitHub makes it, so that links work there and here."""
    slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
    number = used[slug] = used.get(slug, -1) + 1
    return f"{slug}-{number}" if number else slug


class _Renderer(RendererHTML):
    """The HTML of tokens without inline styles, which the pages' policy forbids."""

    def link_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the start of a link; one to another page of the documentation stays in the studio."""
        address = str(tokens[index].attrGet("href") or "")
        other = _OTHER_PAGE.fullmatch(address)
        if other:
            address = f"/docs/{other[1]}/{other[2] or ''}"
        return str(format_html('<a href="{}">', address))

    def table_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the start of a table, which scrolls by itself when it is wide."""
        return '<div class="doc-table" tabindex="0"><table>'

    def table_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the end of a table."""
        return "</table></div>"

    def td_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the start of a cell; its alignment would be a style."""
        return "<td>"

    def th_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the start of a heading of a column."""
        return '<th scope="col">'

    def fence(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return a block of code, which the keyboard can scroll."""
        return str(format_html('<pre tabindex="0"><code>{}</code></pre>\n', tokens[index].content))

    def code_block(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return an indented block of code."""
        return self.fence(tokens, index, options, env)
