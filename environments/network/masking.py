"""Mask passwords and tokens in the URLs of requirements."""

from __future__ import annotations

import re

_SECRET = re.compile(r"(?<=://)[^/@\s]+@")


def masked(text: str) -> str:
    """Return the text with the passwords of its URLs masked."""
    return _SECRET.sub("****@", text)
