"""A Dockerfile's own grammar: directives, comments, continuation lines, heredocs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_DIRECTIVE = re.compile(r"#\s*(syntax|escape|check)\s*=\s*(\S.*?)\s*$", re.IGNORECASE)
# A word of its own: `x<<y` in shell arithmetic is none.
_HEREDOC = re.compile(
    r"(?:^|(?<=\s))\d*<<(-?)(?:\"([A-Za-z_][\w.]*)\"|'([A-Za-z_][\w.]*)'|([A-Za-z_][\w.]*))"
)
_TAKES_HEREDOC = {"RUN", "COPY", "ADD"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its keyword in capitals, its arguments on one line, heredocs, first and last line."""

    keyword: str
    arguments: str
    heredocs: tuple[str, ...]
    line: int
    last_line: int
    lines: tuple[tuple[int, str], ...] = ()
    """The source lines that it is made of, comments left out."""

    @property
    def body(self) -> str:
        """Arguments and heredocs together: all that the instruction says."""
        return "\n".join((self.arguments, *self.heredocs))


def instructions(text: str) -> Iterator[Instruction]:
    """Every instruction of a Dockerfile in order, comments and blank lines left out."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff").split("\n")
    escape, at = _directives(lines)
    while at < len(lines):
        if _is_comment(lines[at]) or not lines[at].strip():
            at += 1
            continue
        start = at
        pieces: list[str] = []
        source: list[tuple[int, str]] = []
        while at < len(lines):
            line = lines[at]
            at += 1
            if pieces and (_is_comment(line) or not line.strip()):
                # Docker drops comments and blank lines between continued ones.
                continue
            source.append((at, line))
            stripped = line.rstrip()
            if stripped.endswith(escape):
                pieces.append(stripped[:-1])
                continue
            pieces.append(stripped)
            break
        joined = "".join(pieces).strip()
        keyword, _, arguments = joined.partition(" ")
        if "\t" in keyword:
            keyword, _, arguments = joined.partition("\t")
        keyword = keyword.upper()
        heredocs: list[str] = []
        if keyword in _TAKES_HEREDOC:
            for tabs, word in _heredoc_words(arguments):
                body, at = _heredoc(lines, at, word, bool(tabs))
                heredocs.append(body)
        yield Instruction(keyword, arguments.strip(), tuple(heredocs), start + 1, at, tuple(source))


def directives(text: str) -> dict[str, str]:
    """The parser directives at the top of a Dockerfile (`syntax`, `escape`, `check`), as written."""
    found: dict[str, str] = {}
    for line in text.lstrip("\ufeff").splitlines():
        match = _DIRECTIVE.match(line.strip())
        if not match or match[1].lower() in found:
            break
        found[match[1].lower()] = match[2]
    return found


def canonical_dockerfile(text: str) -> str:
    """The Dockerfile without comments, blank lines and line-end differences, to be hashed (rule 3)."""
    parts = [f"# {name}={value}" for name, value in directives(text).items() if name != "check"]
    for one in instructions(text):
        parts.append(f"{one.keyword} {one.arguments}")
        parts += [f"<<\n{heredoc}\n>>" for heredoc in one.heredocs]
    return "\n".join(parts)


def _directives(lines: list[str]) -> tuple[str, int]:
    escape, at = "\\", 0
    while at < len(lines):
        match = _DIRECTIVE.match(lines[at].strip())
        if not match:
            break
        if match[1].lower() == "escape" and match[2] in ("\\", "`"):
            escape = match[2]
        at += 1
    return escape, at


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _heredoc_words(arguments: str) -> list[tuple[str, str]]:
    # "<<<" is a shell here-string, not a heredoc.
    found = []
    last = double = single = 0
    for match in _HEREDOC.finditer(arguments):
        double += arguments.count('"', last, match.start())
        single += arguments.count("'", last, match.start())
        last = match.start()
        if arguments[max(last - 1, 0) : last] == "<" or double % 2 or single % 2:
            continue
        found.append((match[1], match[2] or match[3] or match[4]))
    return found


def _heredoc(lines: list[str], at: int, word: str, strip_tabs: bool) -> tuple[str, int]:
    body: list[str] = []
    while at < len(lines):
        line = lines[at].lstrip("\t") if strip_tabs else lines[at]
        at += 1
        if line == word:
            break
        body.append(line)
    return "\n".join(body), at
