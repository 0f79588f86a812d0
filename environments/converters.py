"""Path converters of URL patterns."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class WordConverter(StringConverter):
    """A name or a version: any text without a slash or a NUL, which no database can store."""

    regex = r"[^/\0]+"


def register_converters() -> None:
    """Make `<word:…>` known to URL patterns."""
    register_converter(WordConverter, "word")
