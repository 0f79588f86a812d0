"""conda's environment.yml, as written by hand, by `conda env export`, or by MLflow."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from environments.definition.findings.result import Draft
from environments.definition.formats import requirements, target, trees
from environments.definition.formats.shapes import (
    kind_of,
    list_of,
    mapping_of,
    strings_of,
    text_of,
    texts_of,
    unknown_keys,
)
from environments.definition.formats.source import Source
from environments.definition.model import Definition
from environments.definition.packages.misread_conda import without_extras
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Sequence, Tree, parse_yaml

FORMAT = "conda-env"
KEYS = frozenset(
    (
        "name",
        "channels",
        "dependencies",
        "prefix",
        "variables",
        "platforms",
        "category",
        "pip-repositories",
        "allow-pypi-requests",
    )
)
_SELECTOR = re.compile(r"sel\(\s*(\w+)\s*\)")
_COMMENT_SELECTOR = re.compile(r"#\s*\[([\w ]+)\]\s*$")
_LINUX = frozenset(("linux", "unix", "linux64", "linux-64"))


def recognised(tree: Mapping) -> bool:
    """Whether this mapping is a conda environment file."""
    return "dependencies" in tree.entries or "channels" in tree.entries


def read(draft: Draft, tree: Tree | None, source: Source) -> None:
    """Read the mapping of a conda environment file into the draft."""
    mapping = mapping_of(draft, tree, "the conda environment")
    draft.name = text_of(draft, mapping.get("name"), "name") or ""
    # The studio's own key: conda warns of it, and goes on.
    target.read(draft, mapping.get("target"))
    read_layer(draft, mapping, source, own=("target",))


def read_layer(draft: Draft, tree: Tree | None, source: Source, own: tuple[str, ...] = ()) -> None:
    """Read channels, packages and variables, also of a conda file that is part of a larger definition.

    `own` are the studio's own keys that are read elsewhere.
    """
    mapping = mapping_of(draft, tree, "the conda file")
    if "pip" in mapping.entries:
        draft.note("pip-misplaced", mapping.keys["pip"], what="pip")
    unknown_keys(draft, mapping, KEYS | {"pip", *own}, meant=KEYS)
    _variables(draft, mapping)
    draft.channels += texts_of(draft, mapping.get("channels"), "channels")
    outer = len(draft.conda), len(draft.pip)
    for item in list_of(draft, mapping.get("dependencies"), "dependencies"):
        _dependency(draft, item, source)
    if source.path == draft.file or not draft.file:
        for spec in (*draft.conda[outer[0] :], *draft.pip[outer[1] :]):
            _comment_selector(draft, spec)


def _variables(draft: Draft, mapping: Mapping) -> None:
    """Take the variables that the definition does not give itself."""
    variables = strings_of(draft, mapping.get("variables"), "variables")
    for name, value in variables.items():
        draft.variables.setdefault(name, value)
    if variables:
        names = ", ".join(list(variables)[:3])
        more = f" and {len(variables) - 3} more" if len(variables) > 3 else ""
        draft.note("variables-at-start", mapping.keys["variables"], what=f"{names[:200]}{more}")


def read_named(draft: Draft, path: Placed, source: Source) -> None:
    """Read channels and packages of the conda file that a definition names."""
    location = source.resolve(draft, path)
    text = source.text(draft, location, path) if location else None
    if text is None or location is None:
        return
    outer, draft.file = draft.file, location
    try:
        tree = trees.document(draft, text, location, parse_yaml)
        read_layer(draft, tree, replace(source, path=location, base=location.rpartition("/")[0]))
    finally:
        draft.file = outer


def _dependency(draft: Draft, item: Tree, source: Source) -> None:
    if isinstance(item, Scalar):
        if not item.is_null and item.text.strip():
            spec = Placed(" ".join(item.text.split()), item.line, item.column, draft.file)
            bare, extras = without_extras(spec)
            if extras:
                draft.note("extras-ignored", spec, what=str(spec), extras=extras, read=bare)
            draft.conda.append(spec.moved(bare))
        return
    if isinstance(item, Sequence):
        shape = {"expected": "a single value", "found": kind_of(item)}
        draft.note("wrong-shape", item, what="a dependency", **shape)
        return
    for name, value in mapping_of(draft, item, "a dependency").entries.items():
        selector = _SELECTOR.fullmatch(name.strip())
        if name == "pip":
            _pip_section(draft, value, source)
        elif selector:
            _selected(draft, selector[1], item.keys[name], value, source)
        else:
            shape = {"expected": "a package, pip: or sel(…):", "found": f"the key {name[:60]!r}"}
            draft.note("wrong-shape", item.keys[name], what="a dependency", **shape)


def _comment_selector(draft: Draft, spec: Placed) -> None:
    """Say where only a comment limits a package to another platform: conda does not read it."""
    if spec.line is None or spec.file or spec.line > len(draft.lines):
        return
    match = _COMMENT_SELECTOR.search(draft.lines[spec.line - 1][-80:])
    if match and match[1].strip() not in _LINUX:
        draft.note("comment-selector", spec, what=str(spec), selector=match[1])


def _pip_section(draft: Draft, value: Tree, source: Source) -> None:
    draft.has_pip_section = True
    requirements.read_lines(draft, texts_of(draft, value, "pip"), source)


def _selected(draft: Draft, platform: str, key: Scalar, value: Tree, source: Source) -> None:
    if platform not in _LINUX:
        what = ", ".join(texts_of(draft, value, key.text))
        draft.note("other-platform", key, what=what, platform=platform)
        return
    for item in value.items if isinstance(value, Sequence) else [value]:
        _dependency(draft, item, source)


def write(definition: Definition, name: str = "") -> str:
    """A conda environment file with the definition's channels, packages and variables."""
    text = f"name: {scalar(name)}\n" if name else ""
    text += write_layer(definition)
    if not (definition.python.conda or definition.python.pip):
        text += "dependencies: []\n"
    text += target.write_yaml(definition.target)
    if definition.variables:
        text += "variables:\n" + "".join(
            f"  {scalar(k)}: {quoted(v)}\n" for k, v in definition.variables.items()
        )
    return text


def write_layer(definition: Definition, indent: str = "") -> str:
    """The lines `channels:` and `dependencies:` of a conda file, each line begun with the indent."""
    python = definition.python
    lines: list[str] = []
    if python.channels:
        lines += ["channels:", *(f"  - {scalar(channel)}" for channel in python.channels)]
    if python.conda or python.pip:
        lines += ["dependencies:", *(f"  - {scalar(spec)}" for spec in python.conda)]
        if python.pip:
            lines += ["  - pip:", *(f"      - {scalar(line)}" for line in python.pip)]
    return "".join(f"{indent}{line}\n" for line in lines)


_PLAIN = re.compile(
    r"[A-Za-z0-9_./][A-Za-z0-9_./+=<>~!,;@()\[\]-]*"
    r"(?:(?: |:(?=[A-Za-z0-9/:]))[A-Za-z0-9_./+=<>~!,;@()\[\]-]+)*"
)
_OTHER_TYPES = re.compile(r"(?i)true|false|yes|no|on|off|y|n|null|~|[-+.0-9].*")


def scalar(text: str) -> str:
    """The text as a YAML value that reads as this very text, plain where that is safe."""
    if _PLAIN.fullmatch(text) and not _OTHER_TYPES.fullmatch(text):
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """The text as a YAML value in double quotes."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
