"""List the sentences that builds and definitions make, for translators: `python -m scripts.sentences [--check]`.

Findings, causes and services put their sentences together in English, which is stored and sent to programs. Pages
recognise a sentence by its template and translate that (`studio.sentences`). This writes the templates, out of the
source, to `studio/sentences/of_*.py`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.structure import tracked
from scripts.wording import NO_SENTENCE

FOLDER = Path("studio/sentences")
TARGETS = {
    "of_builds": ("builds/",),
    "of_images": ("builds/imaging/",),
    "of_patches": (
        *(
            f"builds/{name}/"
            for name in ("advisories", "exposure", "healing", "policies", "provenance", "rebase")
        ),
        *("builds/worker/healing/", "builds/worker/proving/"),
    ),
    "of_packages": ("builds/imaging/pip/", "builds/imaging/conda/", "builds/imaging/packing/"),
    "of_environments": ("environments/", "studio/catalogue/", "studio/defining/"),
    "of_definitions": ("environments/definition/",),
    "of_formats": ("environments/definition/formats/",),
}
"""The folders of each list; a module is in the list with its longest folder."""
SILENT_MODULES = re.compile(
    r"/(?:migrations|models|live|statistics|writing|confinement|distribution|proxy)/"
    r"|/(?:documentation|cli|signs|apps|urls|host|repositories|exchange|tasks)\.py$|builds/causes/catalogue"
    r"|findings/entries/|findings/secret_names|builds/imaging/(?:lock|download)|builds/worker/lease|agents\.py"
    r"|disk_cleanup|environments/contexts/|declared/|trials/imports_worker|audit/events|defining/(?:completion|editor_texts|drafting)"
)
"""What speaks to programs, logs and the terminal, or marks its own texts."""
SILENT_CALLS = frozenset(
    """_ gettext gettext_lazy gettext_noop ngettext ngettext_lazy pgettext pgettext_lazy npgettext line exception
    warning info error debug search compile match fullmatch finditer sub split get setdefault execute record commit
    print render startswith endswith removeprefix removesuffix replace encode join field Field MatchSpec Watched
    RuntimeError AssertionError NotImplementedError OSError InstallPlan Entry EmailMessage RunSQL plain _push Base
    BadZipFile add_argument Handle RegexValidator moved _then Q F""".split()
)
SILENT_ARGUMENTS = frozenset({"help_text", "verbose_name", "description", "doc", "text", "reference"})
MOST_CHARACTERS = 600
LEAST_LETTERS = 5
"""A template with fewer letters of its own would match what it did not make."""
_GAP = re.compile(r"\{\w+\}")
_SENTENCE = re.compile(r"[A-Za-z']{2,}[ ,:]+(?:[\w'“]|\{)|\} [A-Za-z']{3,}|[A-Za-z']{3,} [“`{]")
_NO_SENTENCE = re.compile(
    r"^[\w.{}/:=-]+$|^\s*[#\[<]|\bSELECT\b|\bCASE WHEN\b"
    r"|^(?:git|docker|heartbeat|trial|Bearer|Basic|LABEL|Step|bytes|private|localhost|application/\S*|max) ?\W*\w"
    r"|^(?:-|--|,)|\n|://\{|=\{\w+\} \w+=|^import |^(?!Error)[\w$-]+: (?:\{\w+\}|\w+)$|^[A-Z ]+$"
    r"|^(?:ADD|COPY|FROM)(?: \{\w+\})+|^\{\w+\} AS |^python_(?:full_)?version |\(python_version |^(?:\{\w+\}[ :/]?)+$|^\w+ \{\w+\} \{\w+\}$"
    r"|^[A-Z][\w-]+: \{"
)
_HEAD = '''"""Templates of sentences, collected by `python -m scripts.sentences`; change them where they are made."""

from environments.definition.findings.marked import gettext_noop as _

TEMPLATES: tuple[str, ...] = (
'''


def templates(source: str) -> Iterator[str]:
    """Yield the templates of the sentences that a module makes, with named values."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = _template_of(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = _with_names(node.value)
        else:
            continue
        text = text.strip()
        if _is_sentence(text) and not _is_silent(node, parents):
            yield text


def _is_sentence(text: str) -> bool:
    return (
        len(text) <= MOST_CHARACTERS
        and sum(map(str.isalpha, _GAP.sub("", text))) >= LEAST_LETTERS
        and _SENTENCE.search(text) is not None
        and NO_SENTENCE.search(text) is None
        and _NO_SENTENCE.search(text) is None
    )


def _is_silent(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    parent = parents[node]
    if isinstance(parent, ast.Expr | ast.Compare | ast.JoinedStr | ast.arg | ast.Subscript):
        return True
    while isinstance(
        parent,
        ast.IfExp | ast.BoolOp | ast.BinOp | ast.Tuple | ast.List | ast.FormattedValue | ast.JoinedStr,
    ):
        parent = parents[parent]
    if isinstance(parent, ast.keyword):
        if parent.arg in SILENT_ARGUMENTS:
            return True
        parent = parents[parent]
    if isinstance(parent, ast.Call):
        function = parent.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name in SILENT_CALLS or name.endswith("Field")
    return False


def _template_of(node: ast.JoinedStr) -> str:
    parts: list[str] = []
    used: dict[str, int] = {}
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value).replace("{", "{{").replace("}", "}}"))
        elif isinstance(part, ast.FormattedValue):
            parts.append(_placeholder(_name_of(part.value), used))
    return "".join(parts)


def _placeholder(name: str, used: dict[str, int]) -> str:
    used[name] = used.get(name, 0) + 1
    return f"{{{name}{used[name] if used[name] > 1 else ''}}}"


def _name_of(node: ast.expr) -> str:
    """Return a name for a value that its expression suggests."""
    match node:
        case ast.Name(id=name):
            return name.strip("_").lower() or "value"
        case ast.Attribute(attr=name):
            return name.strip("_").lower()
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) if key.isidentifier():
            return key if isinstance(value, ast.Name) else _name_of(value)
        case ast.Subscript(value=value):
            return _name_of(value)
        case ast.Call(args=[first, *_]) if not isinstance(first, ast.Constant | ast.GeneratorExp):
            return _name_of(first)
        case ast.Call(func=ast.Attribute(value=value)):
            return _name_of(value)
        case ast.IfExp(body=body):
            return _name_of(body)
        case ast.BoolOp(values=[first, *_]):
            return _name_of(first)
        case ast.BinOp(left=left):
            return _name_of(left)
    return "value"


def _with_names(text: str) -> str:
    """Return a constant as a template: `{}` and `%d` get names, and other braces stay as they are."""
    used: dict[str, int] = {}
    if re.search(r"[{}]", re.sub(r"\{\w*\}", "", text)):
        return text.replace("{", "{{").replace("}", "}}")
    return re.sub(r"\{\}|%[dgs]\b", lambda _: _placeholder("value", used), text)


def collected() -> dict[Path, list[str]]:
    """Return the templates of each list by its path."""
    texts: dict[str, set[str]] = {target: set() for target in TARGETS}
    folders = {folder: target for target, listed in TARGETS.items() for folder in listed}
    for path in tracked("*.py"):
        if not SILENT_MODULES.search(f"/{path}"):
            folder = max((each for each in folders if f"{path}".startswith(each)), key=len, default="")
            if folder:
                texts[folders[folder]] |= set(templates(path.read_text()))
    known: set[str] = set()
    lists: dict[Path, list[str]] = {}
    for target, own in texts.items():
        # Of those that differ in nothing but the names of their values, a text is recognised by one.
        shapes = {_GAP.sub("{}", text): text for text in sorted(own, reverse=True)}
        lists[FOLDER / f"{target}.py"] = [
            text for shape, text in sorted(shapes.items()) if shape not in known
        ]
        known |= shapes.keys()
    return lists


def _in_file(path: Path) -> list[str]:
    """Return the templates that a list has now."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return [ast.literal_eval(node.args[0]) for node in calls]


def main(arguments: list[str]) -> int:
    stale = {path: own for path, own in collected().items() if not path.is_file() or _in_file(path) != own}
    for path, own in stale.items():
        if "--check" in arguments:
            print(f"{path} is out of date: run python -m scripts.sentences")
        else:
            path.write_text(_HEAD + "".join(f"    _({text!r}),\n" for text in own) + ")\n")
    if "--check" not in arguments and stale:
        subprocess.run([Path(sys.executable).parent / "ruff", "format", "--quiet", *stale], check=True)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
