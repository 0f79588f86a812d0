"""Mask secrets in log lines: credentials in URLs, and the secrets that a build was given (rule 44)."""

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "***"
_SHORTEST = 4  # shorter strings occur in every log by chance, and can be guessed

# user:password@ in a URL, and a token as its user.
_IN_URL = re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)")
_TOKEN_IN_URL = re.compile(r"(?<=://)[^\s/@:]{12,}(?=@)")


class Secrets:
    """Secrets, in every form in which a tool may print them."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = sorted({form for value in values for form in _forms(value)}, key=len, reverse=True)
        self._forms = forms
        # A tool may break its lines anywhere, also inside a secret.
        patterns = ("\n?".join(re.escape(character) for character in form) for form in forms)
        self._pattern = re.compile("|".join(patterns)) if forms else None
        self._beginnings = {form[:length] for form in forms for length in range(1, len(form))}
        self._longest = max(map(len, forms), default=0)

    def masked(self, text: str) -> str:
        """Return the text with secrets masked; the number of lines stays the same."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda match: HIDDEN + "\n" * match[0].count("\n"), text)
        if "@" in text:
            text = _TOKEN_IN_URL.sub(HIDDEN, _IN_URL.sub(HIDDEN, text))
        return text

    def lines_to_withhold(self, text: str) -> int:
        """Return how many lines at the end of the text may contain the beginning of an incomplete secret."""
        flat = text[-2 * self._longest - 2 :].replace("\n", "") if self._forms else ""
        for length in range(min(self._longest - 1, len(flat)), 0, -1):
            if flat[-length:] in self._beginnings:
                return 1 + _line_breaks_in_last(text, length)
        return 0


def _line_breaks_in_last(text: str, length: int) -> int:
    """Return the number of line breaks among the last `length` other characters."""
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
    """Yield the forms of a secret: plain, quoted for a URL or JSON, and in base64 at any offset."""
    for part in (value, *value.splitlines()):
        if len(part) < _SHORTEST:
            continue
        yield part.strip("\n")
        yield from {quote(part, safe=""), quote(part), quote_plus(part)}
        yield part.replace("\\", "\\\\").replace('"', '\\"')
        # The offset shifts the letters; only those that do not depend on the neighbouring bytes count.
        for offset in range(3):
            data = base64.b64encode(bytes(offset) + part.encode()).decode()
            first = {0: 0, 1: 2, 2: 3}[offset]
            fixed = data[first : (offset + len(part.encode())) * 8 // 6]
            if len(fixed) >= 2 * _SHORTEST:
                yield fixed
                yield fixed.replace("+", "-").replace("/", "_")
