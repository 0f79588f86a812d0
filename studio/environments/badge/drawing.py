"""The drawing of a badge."""

from __future__ import annotations

import re

from django.utils.html import format_html

COLOURS = {"good": "#146c37", "bad": "#b42323", "busy": "#8a5000", "quiet": "#566173"}
LONGEST = 48  # characters of a label
# XML 1.0 has no place for these.
_FORBIDDEN = re.compile("[^\\t\\n\\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NARROW, _WIDE = set("ijl.,:;|!'()[]{}tfr -1I"), set("mwMW@%")

_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="22" role="img" aria-label="{label}: {message}">
<title>{label}: {message}</title>
<rect width="{width}" height="22" rx="5" fill="#1c2430"/>
<path d="M{split} 0h{rest}a5 5 0 0 1 5 5v12a5 5 0 0 1-5 5h-{rest}z" fill="{colour}"/>
<g fill="none" stroke="#7fb0ff" stroke-width="1.4" stroke-linejoin="round" stroke-linecap="round">
<path d="M8 8.2l5-2.7 5 2.7-5 2.7z"/><path d="M8 11l5 2.7 5-2.7"/><path d="M8 13.8l5 2.7 5-2.7"/>
</g>
<g fill="#fff" font-family="Inter,Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="24" y="15" textLength="{label_width}">{label}</text>
<text x="{at}" y="15" textLength="{message_width}">{message}</text>
</g>
</svg>
"""


def draw(label: str, message: str, colour: str) -> str:
    """Return a badge as SVG; `colour` is a key of COLOURS."""
    label, message = _shown(label), _shown(message)
    label_width, message_width = _width(label), _width(message)
    split = 24 + label_width + 7
    width = split + 7 + message_width + 8
    return str(
        format_html(
            _SVG,
            label=label,
            message=message,
            label_width=label_width,
            message_width=message_width,
            split=split,
            rest=width - split - 5,
            width=width,
            at=split + 7,
            colour=COLOURS[colour],
        )
    )


def _shown(text: str) -> str:
    text = " ".join(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _width(text: str) -> int:
    """Return the approximate width of a text at 11 pixels; every font is stretched to it."""
    return round(sum(3.9 if char in _NARROW else 9.3 if char in _WIDE else 6.5 for char in text))
