"""Parts of addresses."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class WordConverter(StringConverter):
    """A name or a version: anything that a database can be asked for, which a NUL is not."""

    regex = r"[^/\0]+"


register_converter(WordConverter, "word")
