"""The documentation in `docs/` and the changelog, as HTML with an anchor for each heading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from django.conf import settings
from django.utils.safestring import SafeString

from studio.markdown import document_html, document_tokens

# For users first, then for admins, then for developers.
ORDER = (
    "formats",
    "findings",
    "causes",
    "conda",
    "registry",
    "provenance",
    "bases",
    "api",
    "azure",
    "healing",
    "notifications",
    "advisories",
    "policies",
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
    tokens = document_tokens(path.read_text())
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
    return Page(name, title, document_html(tokens, _address), tuple(sections))


def _anchor(text: str, used: dict[str, int]) -> str:
    """Return the anchor of a heading as GitHub makes it, so that links work there and here."""
    slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
    number = used[slug] = used.get(slug, -1) + 1
    return f"{slug}-{number}" if number else slug


def _address(written: str) -> str:
    """Return the address of a link; one to another page of the documentation stays in the studio."""
    other = _OTHER_PAGE.fullmatch(written)
    return f"/docs/{other[1]}/{other[2] or ''}" if other else written
