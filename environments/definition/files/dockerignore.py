"""`.dockerignore`: which files of a build context Docker would not send.

The rules are those of Docker's own matcher (github.com/moby/patternmatcher).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

NAME = ".dockerignore"
_MOST_PATTERNS = 500
_LONGEST_PATTERN = 1_000  # as long as a path may be
_MOST_WAYS = 4  # to read a pattern with `**` inside of a name
_TOKEN = re.compile(
    r"\\(?P<escaped>.)|(?P<set>\[(?>\\.|[^]\\])++\])|\[.*|(?P<stars>\*+)|(?P<any>\?)|.", re.DOTALL
)
_SPECIAL = re.compile(r"[*?\[\]\\]")
_STARS = re.compile(r"(?<!\\)(?:\*\*/?)+")  # any number of folders, however often it is written

Name = str | re.Pattern[str]
Way = tuple[tuple[Name, ...], ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A line: names that follow one another, with any folders between; `back` where it takes a file back in (`!`).

    `a/**/b/c` is one way to read it, of two pieces: `a` at the beginning of a path and `b/c` at its end.
    """

    ways: tuple[Way, ...]
    back: bool

    def matches(self, path: Sequence[str]) -> bool:
        """Return whether the pattern matches just this path, in parts."""
        return any(_matches(way, path) for way in self.ways)


@dataclass(frozen=True, slots=True)
class Ignored:
    """The patterns of a `.dockerignore`, the last that matches a path, or a folder it is in, deciding."""

    patterns: tuple[Pattern, ...]
    read: frozenset[str] = frozenset((NAME, "Dockerfile"))
    _folders: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    def __contains__(self, path: str) -> bool:
        # Docker always reads its own two files, despite the patterns.
        return path not in self.read and self.excludes(path)

    def excludes(self, path: str) -> bool:
        """Return whether `COPY` leaves out the path, even one that Docker itself reads."""
        return self._judge(path, self._folder(path.rpartition("/")[0]))[0]

    def _folder(self, path: str) -> int:
        """Return the patterns that matched a folder or one that contains it, as bits."""
        if not path:
            return 0
        if path not in self._folders:
            self._folders[path] = self._judge(path, self._folder(path.rpartition("/")[0]))[1]
        return self._folders[path]

    def _judge(self, path: str, above: int) -> tuple[bool, int]:
        parts = path.split("/")
        out, matched = False, 0
        for number, pattern in enumerate(self.patterns):
            bit = 1 << number
            # A pattern that would change nothing is skipped, and then does not count for the folder's content either.
            if above & bit or (pattern.back == out and pattern.matches(parts)):
                out = not pattern.back
                matched |= bit
        return out, matched


def find(read: Callable[[str], str | None], dockerfile: str) -> Ignored:
    """Return what counts for this Dockerfile: `<its path>.dockerignore`, else the `.dockerignore` of the context."""
    for name in (f"{dockerfile}{NAME}", NAME):
        text = read(name)
        if text is not None:
            return parse(text, dockerfile, name)
    return Ignored(())


def parse(text: str, dockerfile: str = "Dockerfile", name: str = NAME) -> Ignored:
    """Return the patterns in this text; comments and blank lines are none."""
    patterns: list[Pattern] = []
    for line in text.removeprefix("\ufeff").split("\n"):
        # Only a # in the first column begins a comment.
        bare = "" if line.startswith("#") else line.strip()
        back = bare.startswith("!")
        bare = bare.removeprefix("!").strip()
        path = posixpath.normpath(bare).lstrip("/").strip() if bare else ""
        outside = path in ("", ".", "..") or path.startswith("../")
        if not outside and len(path) <= _LONGEST_PATTERN:
            patterns.append(Pattern(tuple(_pieces(way) for way in _ways(path)), back))
        if len(patterns) == _MOST_PATTERNS:
            break
    return Ignored(tuple(patterns), frozenset((name, dockerfile)))


def _ways(pattern: str) -> list[str]:
    """Return equivalent patterns that have `**` only as a whole part: `a**b` is `ab` and `a*/**/b`."""
    after = pattern.removeprefix("**")
    if after != pattern and after and after[0] != "/" and not _SPECIAL.search(after):
        return [f"**/*{after}"]  # `**.log` is any path that ends so
    pieces = _STARS.split(pattern)
    ways = [pieces.pop()]
    if ways == [""]:  # all that is in a folder, and not the folder itself
        head = pieces.pop()
        ways = [f"{head}*", f"{head}*/**/*"] if head and not head.endswith("/") else [f"{head}**/*"]
    while pieces:
        head = pieces.pop()
        if not head or head.endswith("/"):
            ways = [f"{head}**/{way}" for way in ways]
        else:
            ways = [way for tail in ways for way in (head + tail, f"{head}*/**/{tail}")][:_MOST_WAYS]
    return ways


def _pieces(pattern: str) -> Way:
    pieces: list[list[Name]] = [[]]
    for part in pattern.split("/"):
        if part == "**":
            pieces.append([])
        elif part:
            pieces[-1].append(_name(part) if _SPECIAL.search(part) else part)
    return tuple(tuple(piece) for piece in pieces)


@lru_cache(maxsize=1024)
def _name(part: str) -> re.Pattern[str]:
    """Return the expression for a name with wildcards. It never tries a `*` twice: hostile ones end too."""
    between = [""]
    for token in _TOKEN.finditer(part):
        if token["stars"]:
            between.append("")
        elif token["set"]:
            between[-1] += re.sub(r"([\[&~|])", r"\\\1", token["set"][1:]).join(("[", ""))
        else:
            between[-1] += "." if token["any"] else re.escape(token["escaped"] or token[0])
    first, *middle = between
    last = middle.pop() if middle else None
    expression = first + "".join(f"(?>.*?{piece})" for piece in middle)
    try:
        return re.compile(expression if last is None else f"{expression}.*{last}", re.DOTALL)
    except re.error:  # a set such as [z-a], for which Docker would refuse the whole file
        return re.compile(re.escape(part))


def _matches(way: Way, path: Sequence[str]) -> bool:
    first, *middle = way
    if not middle:
        return len(path) == len(first) and _begins(first, path, 0)
    last = middle.pop()
    at, end = len(first), len(path) - len(last)
    if at > end or not _begins(first, path, 0) or not _begins(last, path, end):
        return False
    for piece in middle:  # each as early as can be
        at = next((n for n in range(at, end - len(piece) + 1) if _begins(piece, path, n)), end) + len(piece)
    return at <= end


def _begins(names: Sequence[Name], path: Sequence[str], at: int) -> bool:
    """Return whether the names are those of the path from this part on."""
    for name, part in zip(names, path[at:], strict=False):
        if not (name == part if isinstance(name, str) else name.fullmatch(part)):
            return False
    return True
