"""Compare pages without regard to the layout of their templates."""

from __future__ import annotations

import re

_KEPT = re.compile(r"(<(?:textarea|pre|script)\b.*?</(?:textarea|pre|script)>)", re.DOTALL)


def collapsed(page: str) -> str:
    """Return HTML with every run of whitespace as one space, except in elements that keep whitespace."""
    return "".join(
        part if index % 2 else re.sub(r"\s+", " ", part) for index, part in enumerate(_KEPT.split(page))
    )
