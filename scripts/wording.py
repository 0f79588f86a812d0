"""Check what people read against docs/writing.md: `python -m scripts.wording [PATH …]`.

Texts of templates, and sentences in Python that are no docstrings: pages, findings, causes, API messages, commands.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

BANNED: tuple[tuple[str, str], ...] = (
    (r"\b(?:whoever|whatever|wherever|whichever)\b", "name the person or the thing"),
    (r"\bask(?:s|ed)? for\b", "request, requested"),
    (r"\banew\b", "again; reload the page"),
    (r"\bany more\b", "no longer"),
    (r"\bstands? (?:on|in|at|alone|for itself)\b", "is based on, is in"),
    (r"\b(?:belongs?|belonging) into\b", "belongs in"),
    (
        r"\bwhat (?:weighs|there is|it is to|is in the way|to say|was said|to know|will happen|happens then)\b",
        "name it",
    ),
    (r"\bis to (?:be|go|have)\b|\bare to be\b|\bit may$", "will, can, must"),
    (r"\bthere is none\b|\bthere are none\b|\bthere is nothing\b", "No … yet; not found"),
    (r"\bis told\b|\bare told\b|\bwere told\b|\btold to\b|\btells? how\b", "is notified; see …"),
    (r"\b(?:under way|comes? into being|of its own accord)\b", "running, is created"),
    (
        r"\bput (?:it |this |that )?right\b|\bhas moved\b|\bwants? a\b|\btake it out\b",
        "fix, updated, needs, remove",
    ),
    (r"\bcontradict(?:s|ed)? one another\b|\bdo not belong together\b", "conflict"),
    (r"\bcalls itself\b|\bgiven as\b|\bread as\b", "Name in file, Source format, Format"),
    (r"\bNo \w+[^s] yet$", "plural: No builds yet"),
    (r"\bLeave it as it is\b|\bas it is\.$", "Cancel; unchanged"),
    (r"\b(?:one|ones) (?:that|which) (?:is|are) there\b", "existing"),
    (r"\bnobody\b(?! else)|\beverybody\b", "No one, everyone; anyone"),
)
RULES = [(re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in BANNED]
IN_TEMPLATES = re.compile(
    r"""\{%\s*translate\s+"([^"]+)"|\{%\s*blocktranslate[^%]*%\}(.*?)\{%\s*endblocktranslate\s*%\}""",
    re.DOTALL,
)
PRODUCT = ("builds", "environments", "studio", "templates")
# A sentence in Python: three words or more, and no code, pattern or query.
SENTENCE = re.compile(r"[A-Za-z']+[ ,]+[A-Za-z'{}]+[ ,]+[A-Za-z'{}]+")
NO_SENTENCE = re.compile(r"\\b|\(\?|^\s*(?:SELECT|UPDATE|INSERT|CREATE|WITH|import|def) ", re.MULTILINE)


def texts(paths: list[str]) -> Iterator[tuple[str, int, str]]:
    """Yield the path, line and content of each text that people read."""
    listed = ["git", "ls-files", "-co", "--exclude-standard", "--", *(paths or PRODUCT)]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines():
        path = Path(name)
        if not path.is_file() or "/migrations/" in name:
            continue
        if path.suffix == ".html":
            content = path.read_text()
            for match in IN_TEMPLATES.finditer(content):
                line = content.count("\n", 0, match.start()) + 1
                yield name, line, " ".join((match[1] or match[2]).split())
        elif path.suffix == ".py":
            for line, text in sentences(path.read_text()):
                yield name, line, text


def sentences(source: str) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module that are sentences, with their lines; docstrings are none."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)
    } - {id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    for node in ast.walk(tree):
        if id(node) in docstrings or id(node) in parts:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if SENTENCE.search(text) and not NO_SENTENCE.search(text):
            yield node.lineno, " ".join(text.split())


def main(paths: list[str]) -> int:
    count = 0
    for path, line, text in texts(paths):
        for pattern, instead in RULES:
            if pattern.search(text):
                print(f"{path}:{line}: {text[:160]} → {instead}")
                count += 1
    print(f"wording violations: {count}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
