"""Secrets in a log's lines: those that look like it, and those that a build was given (rule 44)."""

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "***"
_SHORTEST = 4  # what is shorter stands in every log by chance, and is guessed anyway

# user:password@ in an address, and a token in the place of the user.
_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)")
_TOKEN_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@:]{12,}(?=@)")


class Secrets:
    """What must not be read in a log, in all the forms in which a tool may print it."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = sorted({form for value in values for form in _forms(value)}, key=len, reverse=True)
        self._forms = forms
        # A tool may break its lines anywhere, in the middle of a secret too.
        patterns = ("\n?".join(re.escape(character) for character in form) for form in forms)
        self._pattern = re.compile("|".join(patterns)) if forms else None
        self._beginnings = {form[:length] for form in forms for length in range(1, len(form))}
        self._longest = max(map(len, forms), default=0)

    def masked(self, text: str) -> str:
        """Return text without secrets. It has the same number of lines."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: HIDDEN + "\n" * found[0].count("\n"), text)
        if "@" in text:
            text = _TOKEN_IN_ADDRESS.sub(HIDDEN, _IN_ADDRESS.sub(HIDDEN, text))
        return text

    def lines_open(self, text: str) -> int:
        """Return how many lines at the end of the text may hold the beginning of a secret that goes on."""
        flat = text[-2 * self._longest - 2 :].replace("\n", "") if self._forms else ""
        for length in range(min(self._longest - 1, len(flat)), 0, -1):
            if flat[-length:] in self._beginnings:
                return 1 + _line_breaks_in_last(text, length)
        return 0


def _line_breaks_in_last(text: str, length: int) -> int:
    """Return how many line breaks stand in the last so many other characters."""
    breaks = 0
    for character in reversed(text):
        if character == "\n":
            breaks += 1
        else:
            length -= 1
            if not length:
                break
    return breaks


def _forms(value: str) -> Iterator[str]:
    """Yield a secret as it may be printed: as it is, quoted for a URL or JSON, and in base64 wherever it begins."""
    for part in (value, *value.splitlines()):
        if len(part) < _SHORTEST:
            continue
        yield part.strip("\n")
        yield from {quote(part, safe=""), quote(part), quote_plus(part)}
        yield part.replace("\\", "\\\\").replace('"', '\\"')
        # What stands before it shifts the letters: the part that is the same whatever stands around it.
        for before in range(3):
            data = base64.b64encode(bytes(before) + part.encode()).decode()
            first = {0: 0, 1: 2, 2: 3}[before]
            whole = data[first : (before + len(part.encode())) * 8 // 6]
            if len(whole) >= 2 * _SHORTEST:
                yield whole
                yield whole.replace("+", "-").replace("/", "_")
