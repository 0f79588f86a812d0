"""Log lines as HTML: escaped, with the colours of a terminal as CSS classes."""

import re
from collections.abc import Iterable
from html import escape

from builds.models import LogChunk

_ESCAPE = re.compile(
    r"\x1b\[(?P<colour>[0-9;]*)m"  # colours and weight
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # cursor movements: dropped
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # window titles and links: dropped
    r"|\x1b[@-Z\\^_]?"  # what is left of an escape
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]")
_STYLES = {1: "b", 2: "dim", 3: "i", 4: "u"}
_ENDS = {22: {"b", "dim"}, 23: {"i"}, 24: {"u"}}
_ERROR = re.compile(r"^(?:\x1b\[[0-9;]*m)*\s*(?:error|fatal)\b", re.IGNORECASE)


def line_html(text: str) -> str:
    """Return one line, escaped; what sets colours becomes spans, every other escape is dropped."""
    if "\x1b" not in text:
        return escape(_CONTROL.sub("", text))
    parts: list[str] = []
    styles: set[str] = set()
    at = 0
    for found in _ESCAPE.finditer(text):
        parts.append(_styled(text[at : found.start()], styles))
        at = found.end()
        if found["colour"] is not None:
            styles = _changed(styles, found["colour"])
    parts.append(_styled(text[at:], styles))
    return "".join(parts)


def _styled(text: str, styles: set[str]) -> str:
    if not text:
        return ""
    shown = escape(_CONTROL.sub("", text))
    return f'<span class="{" ".join(sorted(styles))}">{shown}</span>' if styles else shown


def _changed(styles: set[str], codes: str) -> set[str]:
    """Return the styles after a colour sequence such as `1;31`."""
    styles = set(styles)
    numbers = iter(int(code) if code else 0 for code in codes.split(";"))
    for number in numbers:
        if number == 0:
            styles.clear()
        elif number in _STYLES:
            styles.add(_STYLES[number])
        elif number in _ENDS:
            styles -= _ENDS[number]
        elif 30 <= number <= 37 or 90 <= number <= 97 or number == 39:
            styles = {style for style in styles if not style.startswith("c")}
            if number != 39:
                styles.add(f"c{number % 10}")
        elif number in (38, 48):
            # 256 colours and true colour: the few arguments are skipped, the default colour stays.
            for _ in range({5: 1, 2: 3}.get(next(numbers, 0), 0)):
                next(numbers, 0)
    return styles


def chunks_html(chunks: Iterable[LogChunk], step_before: str = "") -> str:
    """Return chunks as numbered lines, each with its anchor; a new step begins with its name."""
    parts: list[str] = []
    step = step_before
    for chunk in chunks:
        if chunk.step and chunk.step != step:
            step = chunk.step
            parts.append(f'<div class="log-step" data-step="{escape(step)}">{escape(step)}</div>')
        lines = chunk.text.removesuffix("\n").split("\n")
        for number, line in enumerate(lines, chunk.first_line):
            wrong = " bad" if _ERROR.match(line) else ""
            parts.append(
                f'<div class="l{wrong}" id="L{number}">'
                f'<a href="#L{number}" aria-label="Line {number}">{number}</a>'
                f"<span>{line_html(line)}</span></div>"
            )
    return "".join(parts)
