"""The texts of the pages for their translators: `make messages` collects them, and compiles what is translated.

`locale/<language>/LC_MESSAGES/django.po` is what people write; the `.mo` beside it is what Django reads. Both
are kept in the repository, and come out the same whenever nothing has changed. GNU gettext is not needed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import django
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.template import Template
from django.template.base import Lexer, TokenType
from django.template.engine import Engine
from django.templatetags.i18n import BlockTranslateNode, TranslateNode
from django.utils.translation import to_locale

SOURCES = ("studio", "environments", "builds")
SPOKEN = {  # function: which of its arguments are texts; `c` marks the context
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
IN_A_TAG = re.compile(r"""\b_\((?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\)""")

Words = str | tuple[str, ...]


class Text(NamedTuple):
    """A text of the pages: its words (with the plural, where it counts something), their context, its file."""

    words: Words
    context: str | None
    file: str


class Texts(Catalog):
    """The texts of one language. Its head says nothing that changes by itself: no dates, no tool's version."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """Return what a reader of the compiled file must know."""
        return [
            ("Language", str(self.locale)),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", self.plural_forms),
        ]


def collect() -> list[Text]:
    """Return every text of the pages, from the templates and from the code."""
    return [*_in_templates(), *_in_code()]


def _in_templates() -> Iterator[Text]:
    engine = Engine.get_default()
    for folder in engine.dirs:
        for path in sorted(Path(folder).rglob("*.html")):
            yield from texts_of(path.read_text(), _from_here(path), engine)


def texts_of(source: str, file: str, engine: Engine) -> Iterator[Text]:
    """Return the texts that a template looks up when it is shown."""
    for token in Lexer(source).tokenize():
        if token.token_type in {TokenType.BLOCK, TokenType.VAR}:
            for found in IN_A_TAG.finditer(token.contents):
                yield Text(re.sub(r"\\(.)", r"\1", found["text"][1:-1]), None, file)
    nodes = Template(source, engine=engine).nodelist
    node: Any
    for node in nodes.get_nodes_by_type(TranslateNode):
        literal = node.filter_expression.var.literal
        if isinstance(literal, str):
            yield Text(literal.replace("%", "%%"), _context(node), file)
    for node in nodes.get_nodes_by_type(BlockTranslateNode):
        words: Words = node.render_token_list(node.singular)[0]
        if node.plural:
            words = (str(words), node.render_token_list(node.plural)[0])
        yield Text(words, _context(node), file)


def _context(node: Any) -> str | None:
    return str(node.message_context.resolve({})) if node.message_context else None


def _in_code() -> Iterator[Text]:
    for room in SOURCES:
        for path in sorted(Path(settings.BASE_DIR, room).rglob("*.py")):
            content = path.read_bytes()
            if b"django.utils.translation" not in content:
                continue  # an underscore is only a name there
            for _line, words, _comments, context in extract("python", BytesIO(content), SPOKEN):
                yield Text(words, context, _from_here(path))


def _from_here(path: Path) -> str:
    return path.relative_to(settings.BASE_DIR).as_posix()


def place_of(language: str) -> Path:
    """Return the file that the translators of a language write."""
    return Path(settings.LOCALE_PATHS[0], to_locale(language), "LC_MESSAGES", "django.po")


def merged(language: str, texts: Iterable[Text]) -> Texts:
    """Return the texts in a language as far as its file has them; what no page says any more is left out."""
    place = place_of(language)
    locale = to_locale(language)
    known = Catalog(locale=locale)
    if place.exists():
        with place.open("rb") as file:
            known = read_po(file, locale=locale)
    now = Texts(locale=locale, header_comment=known.header_comment, fuzzy=False)
    for text in texts:
        there = known.get(text.words if isinstance(text.words, str) else text.words[0], text.context)
        same = there is not None and there.id == text.words
        now.add(
            text.words,
            there.string if there is not None and same else None,
            locations=[(text.file, 0)],
            flags=there.flags & {"fuzzy"} if there is not None and same else (),
            context=text.context,
        )
    return now


def as_po(texts: Texts) -> bytes:
    """Return the file for translators."""
    written = BytesIO()
    write_po(written, texts, width=0, sort_by_file=True, include_lineno=False)
    return written.getvalue()


def as_mo(texts: Texts) -> bytes:
    """Return the file for Django."""
    written = BytesIO()
    write_mo(written, texts)
    return written.getvalue()


def untranslated(texts: Texts) -> list[str]:
    """Return the texts that have no translation, or one that nobody has looked at since the text changed."""
    return [str(one.id) for one in texts if one.id and (one.fuzzy or not all(_strings(one.string)))]


def _strings(string: Any) -> list[str]:
    return [string] if isinstance(string, str) else list(string or [""])


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    django.setup()
    texts = collect()
    for language, name in settings.LANGUAGES:
        if language == settings.LANGUAGE_CODE:
            continue
        now = merged(language, texts)
        place = place_of(language)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(as_po(now))
        place.with_suffix(".mo").write_bytes(as_mo(now))
        missing = untranslated(now)
        print(f"{name}: {len(now)} texts, {len(missing)} of them without a translation")
        for text in missing:
            print(f"  {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
