"""A Dockerfile's own grammar: directives, comments, continuation lines, heredocs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Of a stripped line.
_DIRECTIVE = re.compile(r"#\s*+(syntax|escape|check)\s*+=\s*+(\S.*)", re.IGNORECASE)
# A word of its own: `x<<y` in shell arithmetic is none.
_HEREDOC = re.compile(
    r"(?:^|(?<=\s))\d*<<(-?)(?:\"([A-Za-z_][\w.]*)\"|'([A-Za-z_][\w.]*)'|([A-Za-z_][\w.]*))"
)
_SPACE = re.compile(r"[\t\v\f\r ]+")
_MAY_BEGIN_HEREDOC = re.compile(r"\d*<<-?[^<]")
_BRACES = re.compile(r"\$\{(?!\w+\})")
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
    heredoc_lines: tuple[str, ...] = ()
    """The lines of its heredocs, with the words that end them."""
    unclear: bool = False
    """Whether a `<<` in it may be read as the beginning of a heredoc, or not."""

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
            stripped = line.rstrip(" \t")
            # Behind another of its kind it escapes nothing, and the instruction ends here.
            if stripped.endswith(escape) and not stripped[:-1].endswith(escape):
                pieces.append(stripped[:-1])
                continue
            pieces.append(stripped)
            break
        joined = "".join(pieces).strip()
        keyword, *rest = _SPACE.split(joined, maxsplit=1)
        keyword, arguments = keyword.upper(), "".join(rest).strip()
        heredocs: list[str] = []
        unclear, ended = False, at
        if keyword in _TAKES_HEREDOC and "<<" in arguments:
            begun = _heredoc_words(arguments)
            unclear = begun is None
            for tabs, word in begun or ():
                body, at = _heredoc(lines, at, word, bool(tabs))
                heredocs.append(body)
        yield Instruction(
            keyword, arguments, tuple(heredocs), start + 1, at, tuple(source), tuple(lines[ended:at]), unclear
        )


def directives(text: str) -> dict[str, str]:
    """The parser directives at the top of a Dockerfile (`syntax`, `escape`, `check`), as written."""
    directives_by_name: dict[str, str] = {}
    for line in text.lstrip("\ufeff").splitlines():
        match = _DIRECTIVE.match(line.strip())
        if not match or match[1].lower() in directives_by_name:
            break
        directives_by_name[match[1].lower()] = match[2]
    return directives_by_name


def canonical_dockerfile(text: str) -> str:
    """The Dockerfile without comments, blank lines and line-end differences, to be hashed (rule 3)."""
    parts = [f"# {name}={value}" for name, value in directives(text).items() if name != "check"]
    for instruction in instructions(text):
        parts.append(f"{instruction.keyword} {instruction.arguments}")
        parts += [f"<<\n{heredoc}\n>>" for heredoc in instruction.heredocs]
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


def _heredoc_words(arguments: str) -> list[tuple[str, str]] | None:
    """Return the heredocs that begin in these arguments: whether tabs go, and the word; None if that is unclear.

    "<<<" is a shell here-string. BuildKit reads quotes and escapes as a shell does.
    """
    delimiters: list[tuple[str, str]] = []
    quote, at, begins, unclear = "", 0, True, _BRACES.search(arguments) is not None
    while at < len(arguments):
        sign = arguments[at]
        if not quote and begins and sign in "<0123456789" and _MAY_BEGIN_HEREDOC.match(arguments, at):
            match = _HEREDOC.match(arguments, at)
            if match is None or (match.end() < len(arguments) and not arguments[match.end()].isspace()):
                return None
            delimiters.append((match[1], match[2] or match[3] or match[4]))
            at, begins = match.end(), False
            continue
        if sign == "\\" and quote != "'":
            at += 1
        elif sign == quote:
            quote = ""
        elif not quote and sign in "'\"":
            quote = sign
        begins = not quote and sign.isspace()
        at += 1
    if quote:
        unclear = True
    return None if unclear and _HEREDOC.search(arguments) else delimiters


def _heredoc(lines: list[str], at: int, word: str, strip_tabs: bool) -> tuple[str, int]:
    body: list[str] = []
    while at < len(lines):
        line = lines[at].lstrip("\t") if strip_tabs else lines[at]
        at += 1
        if line == word:
            break
        body.append(line)
    return "\n".join(body), at
