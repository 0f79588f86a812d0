"""Mark texts for translation, without Django: pages translate them where people read them."""

from __future__ import annotations


def gettext_noop(text: str) -> str:
    """Return the text; its name lets `makemessages` collect it."""
    return text
