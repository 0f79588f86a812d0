"""Check names and sentences against the glossary in CONTRIBUTING: `python -m scripts.glossary [PATH …]`.

Identifiers that the project defines, docstrings, comments, names of tests and the documents are read.
What people read on pages is not: translators and `docs/` of findings and causes follow their own review.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A part of an identifier (between underscores, or a hump of CamelCase) -> what to write instead.
PARTS = {
    "found": "the thing itself: image, rows, version",
    "told": "payload, message, report",
    "said": "message, reported",
    "asked": "request, requested",
    "sought": "filter",
    "glance": "summary",
    "anew": "again",
    "stands": "is",
    "standing": "status, position",
    "lately": "recent",
    "whoever": "user, member, caller",
}
# A whole identifier -> what to write instead.
NAMES = {
    "one": "the thing itself: build, image, row",
    "ones": "the things themselves",
    "words": "query, argv, label, names",
    "place": "workspace, path, url, location",
    "places": "workspaces, paths, urls, locations",
}
# `from`: what a library calls something, or a phrase that is right.
KEPT = {"not_found", "NotFound", "page_not_found", "ObjectNotFound", "FileNotFound"}

_ADJECTIVES = r"(?:old|new|other|same|right|wrong|first|last|next|later|earlier|own|real|whole|whose) "
NOUN_ONE = rf"\b(?:the|an?|each|this|that|every|any|another|its|no|which) (?:{_ADJECTIVES})?ones?\b(?!-)"
SENTENCES: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE), instead)
    for name, pattern, instead in (
        ("anew", r"\banew\b", "again"),
        ("whoever", r"\b(?:whoever|whatever|wherever)\b", "name the person or the thing"),
        ("lately", r"\blately\b", "recently"),
        ("stand", r"\b(?:stands|stood|standing)\b(?! in for)", "is, are, belongs to, is recorded"),
        ("asked for", r"\basked for\b", "requested"),
        ("told", r"\btold\b", "returned, reported, logged, rendered"),
        ("said", r"\bsaid\b", "reported, written, shown"),
        ("tell whether", r"\btells? (?:whether|what|how|which|who|where|of)\b", "return, report, show"),
        ("one as a noun", NOUN_ONE, "name the thing"),
        (
            "one as a pronoun",
            r"\b(?:while|what|when|if|where|that|which|how) one [a-z]+s\b",
            "name the person",
        ),
        ("who as a noun", r"\b(?:by|of|to|for|from|with|and|or|than|but) who (?!else)", "name the person"),
    )
)
# The first word of a docstring or a comment's sentence.
OPENINGS = re.compile(r"^(?:Who|Whose|Where|What|How|Whom)\b(?![^.]*\?)")
# Made from catalogues that hold texts of pages, or written by others.
NOT_READ = ("docs/findings.md", "docs/causes.md", "static/", "node_modules/", "locale/")


@dataclass(frozen=True)
class Violation:
    """One name or sentence that the glossary has another for."""

    path: str
    line: int
    rule: str
    text: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text} → {self.instead}"


def violations(paths: list[str]) -> Iterator[Violation]:
    """Yield every violation in the Python files and documents below the paths."""
    listed = ["git", "ls-files", "-co", "--exclude-standard", "--", *paths]
    for path in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines():
        if path.startswith(NOT_READ) or not Path(path).is_file() or path == "scripts/glossary.py":
            continue
        if path.endswith(".py") and "/migrations/" not in path:
            yield from in_python(path, Path(path).read_text())
        elif path.endswith(".md"):
            yield from in_document(path, Path(path).read_text())


def in_python(path: str, text: str) -> Iterator[Violation]:
    """Yield the violations of a Python file: its names, its docstrings, its comments."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for name, line in defined(node):
            yield from in_name(path, line, name)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=True)
            if docstring:
                yield from in_sentences(path, node.body[0].lineno, docstring)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("#!", "# type:", "# noqa")):
            yield from in_sentences(path, token.start[0], token.string.lstrip("# "))


def defined(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the identifiers that a node defines, each with its line."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, node.lineno
    elif isinstance(node, ast.arg):
        yield node.arg, node.lineno
    elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield (node.id if isinstance(node, ast.Name) else node.attr), node.lineno
    elif isinstance(node, ast.alias) and node.asname:
        yield node.asname, node.lineno
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name, node.lineno


def in_name(path: str, line: int, name: str) -> Iterator[Violation]:
    """Yield the violations of an identifier; the name of a test is read as a sentence."""
    if name.startswith("test_"):
        yield from in_sentences(path, line, name.replace("_", " "))
        return
    if name in KEPT:
        return
    bare = name.strip("_")
    if bare.lower() in NAMES:
        yield Violation(path, line, "name", name, NAMES[bare.lower()])
    for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", bare):
        if part.lower() in PARTS:
            yield Violation(path, line, "name", name, PARTS[part.lower()])


def in_document(path: str, text: str) -> Iterator[Violation]:
    """Yield the violations of a Markdown document, outside its code blocks."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            code = not code
        # A glossary and a table of renames quote the words they replace, in italics.
        elif not code:
            yield from in_sentences(path, number, re.sub(r"`[^`]*`|\*[^*]+\*", "", line), openings=False)


def in_sentences(path: str, line: int, text: str, *, openings: bool = True) -> Iterator[Violation]:
    """Yield the violations of prose, whose first line is `line`."""
    for offset, sentence in enumerate(text.splitlines()):
        plain = re.sub(r"`[^`]*`|“[^”]*”", "", sentence)
        for rule, pattern, instead in SENTENCES:
            if pattern.search(plain):
                yield Violation(path, line + offset, rule, sentence.strip(), instead)
    if openings and OPENINGS.search(text):
        yield Violation(path, line, "opening", text.splitlines()[0], "begin with the promise or the thing")


def main(paths: list[str]) -> int:
    rows = list(violations(paths))
    for row in rows:
        print(row)
    print(f"glossary violations: {len(rows)}")
    return 1 if rows else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
