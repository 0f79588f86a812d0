"""Log lines as HTML: escaped, with the colours of a terminal as CSS classes, and its links."""

import re
from collections.abc import Iterable, Iterator
from html import escape
from urllib.parse import urlsplit

from builds.models import LogChunk

_ESCAPE = re.compile(
    r"\x1b\[(?P<colour>[0-9;:]{0,99})m"  # colours and weight
    r"|\x1b\]8;[^;\x07\x1b]*;(?P<link>[^\x07\x1b]*)(?:\x07|\x1b\\)"  # a link begins, or ends when it is empty
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # cursor movements: dropped
    r"|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)"  # window titles and the like: dropped
    r"|\x1b[ -/]*[0-~]?"  # incomplete escapes
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_STYLES = {1: "b", 2: "dim", 3: "i", 4: "u", 9: "s"}
_ENDS = {22: {"b", "dim"}, 23: {"i"}, 24: {"u"}, 29: {"s"}}
_ERROR = re.compile(
    r"^(?:\x1b\[[0-9;]*m)*\s*(?:#\d+ (?:\d+\.\d+ )?)?(?:(?:error|fatal)\b|E: )", re.IGNORECASE
)
# Digests, the hashes of definitions, and the ids of builds
_ID = re.compile(
    r"(?<![0-9A-Za-z-])(?:(?P<prefix>sha256:)?[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?![0-9A-Za-z-])"
)
_SHORTEST_ID = 32
_CUBE = (0, 95, 135, 175, 215, 255)


def line_html(text: str) -> str:
    """Return one line as HTML: colours become spans, web links stay, every other escape sequence is dropped."""
    if "\x1b" not in text:
        return _with_short_ids(escape(_CONTROL.sub("", text)))
    parts: list[str] = []
    styles: set[str] = set()
    linked = False
    position = 0
    for match in _ESCAPE.finditer(text):
        parts.append(_styled(text[position : match.start()], styles, linked=linked))
        position = match.end()
        if match["colour"] is not None:
            styles = _changed(styles, match["colour"])
        elif match["link"] is not None:
            parts.append("</a>" if linked else "")
            linked = _is_web(match["link"])
            if linked:
                parts.append(f'<a href="{escape(match["link"])}" rel="noopener noreferrer nofollow">')
    parts.append(_styled(text[position:], styles, linked=linked))
    return "".join(parts) + ("</a>" if linked else "")


def _is_web(link: str) -> bool:
    try:
        url = urlsplit(link)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.hostname)


def is_error(text: str) -> bool:
    """Return whether a line reports an error by its beginning."""
    return _ERROR.match(text) is not None


def _with_short_ids(escaped: str) -> str:
    """Shorten long ids in escaped text to buttons that copy the whole id."""
    return _ID.sub(_short_id, escaped) if len(escaped) >= _SHORTEST_ID else escaped


def _short_id(match: re.Match[str]) -> str:
    whole, prefix = match[0], match["prefix"] or ""
    digits = 8 if "-" in whole else 12
    short = prefix + whole.removeprefix(prefix)[:digits]
    return f'<button type="button" class="id" data-id="{whole}" title="{whole}">{short}…</button>'


def _styled(text: str, styles: set[str], *, linked: bool) -> str:
    if not text:
        return ""
    escaped = escape(_CONTROL.sub("", text))
    if not linked:  # no button inside a link
        escaped = _with_short_ids(escaped)
    return f'<span class="{" ".join(sorted(styles))}">{escaped}</span>' if styles else escaped


def _changed(styles: set[str], codes: str) -> set[str]:
    """Return the styles after an SGR sequence such as `1;31`."""
    styles = set(styles)
    numbers = iter(int(code) if code else 0 for code in re.split("[;:]", codes))
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
            colour = _nearest_basic_colour(numbers)
            # Backgrounds are dropped: the log has its own, in both themes.
            if number == 38 and colour is not None:
                styles = {style for style in styles if not style.startswith("c")} | {f"c{colour}"}
    return styles


def _nearest_basic_colour(numbers: Iterator[int]) -> int | None:
    """Return the nearest of the eight basic colours to a 256-colour or RGB value."""
    kind = next(numbers, 0)
    if kind == 2:
        red, green, blue = (min(next(numbers, 0), 255) for _ in range(3))
        return _nearest(red, green, blue)
    if kind != 5:
        return None
    number = next(numbers, 0)
    if number < 16:
        return number % 8
    if number < 232:
        cube = number - 16
        return _nearest(_CUBE[cube // 36], _CUBE[cube // 6 % 6], _CUBE[cube % 6])
    return 7 if number > 243 else 0


def _nearest(red: int, green: int, blue: int) -> int:
    """Return the hue: components over half of the strongest count; greys become white or black."""
    strongest = max(red, green, blue)
    if strongest - min(red, green, blue) < 40:
        return 7 if strongest > 127 else 0
    return sum(bit for bit, part in ((1, red), (2, green), (4, blue)) if part * 2 > strongest)


def chunks_html(chunks: Iterable[LogChunk], step_before: str = "") -> str:
    """Return chunks as numbered lines with anchors; a mark with the step's name comes before its first line.

    Lines of no step have a mark without a name. The page's script groups lines by these marks.
    """
    parts: list[str] = []
    step = step_before
    for chunk in chunks:
        if chunk.step != step:
            step = chunk.step
            parts.append(f'<div class="log-step" data-step="{escape(step)}">{escape(step)}</div>')
        parts.append(lines_html(chunk))
    return "".join(parts)


def lines_html(chunk: LogChunk) -> str:
    """Return a chunk's lines, each with its number, its anchor and its time: Unix, in milliseconds."""
    time = f' data-t="{round(chunk.at.timestamp() * 1000)}"' if chunk.at else ""
    lines = chunk.text.removesuffix("\n").split("\n")
    return "".join(
        f'<div class="l{" bad" if is_error(line) else ""}" id="L{number}"{time}>'
        f'<a href="#L{number}" aria-label="Line {number}">{number}</a>'
        f"<span>{line_html(line)}</span></div>"
        for number, line in enumerate(lines, chunk.first_line)
    )
