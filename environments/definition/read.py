"""Reading: from a text, a file, a folder or an archive to a definition, or to the reasons why not."""

from __future__ import annotations

import re
from pathlib import Path

from environments.definition import checks, recognise
from environments.definition.folder import DiskFolder, Folder, NoFolder
from environments.definition.formats import curated, dockerfile_text, requirements
from environments.definition.formats.source import Source, decode
from environments.definition.limits import Limits, size_text
from environments.definition.model import HOST
from environments.definition.reading import Draft, Reading, Refused
from environments.definition.text import Placed
from environments.definition.tree import Mapping, Unreadable, parse

_CONFLICT = re.compile(r"(?m)^(<{7}|>{7})(?:[ \t].*)?\r?$")


def read(
    content: bytes | str, filename: str = "", *, default_image: str = HOST, limits: Limits | None = None
) -> Reading:
    """Read one file by itself. Never raises for what stands in it: what is wrong is among the findings."""
    return _read(content, filename, default_image, Source(NoFolder(), filename, limits=limits or Limits()))


def read_path(path: Path, *, default_image: str = HOST, limits: Limits | None = None) -> Reading:
    """Read a file with the files beside it that it names, a folder, or an archive."""
    limits = limits or Limits()
    folder = DiskFolder(path.parent)
    source = Source(folder, path.name, limits=limits)
    with path.open("rb") as file:
        content = file.read(limits.context + 1)
    return _read(content, path.name, default_image, source)


def _read(content: bytes | str, filename: str, default_image: str, source: Source) -> Reading:
    draft = Draft("unknown", default_image)
    try:
        text = _text(draft, content, source.limits)
        _read_text(draft, text, filename, source)
        _base_of_package_lists(draft)
        checks.check(draft)
    except Refused:
        pass
    return draft.finish()


def _text(draft: Draft, content: bytes | str, limits: Limits) -> str:
    if len(content) > limits.definition:
        size, limit = size_text(len(content)), size_text(limits.definition)
        raise draft.refuse("too-large", Placed("", 1), what="the file", size=size, limit=limit)
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    text = decode(draft, raw)
    if text is None:
        raise Refused
    if not text.strip():
        raise draft.refuse("empty", Placed("", 1), what="file")
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise draft.refuse("merge-conflict", Placed("", line, 1), what=conflict[1])
    return text


def _read_text(draft: Draft, text: str, filename: str, source: Source) -> None:
    if recognise.is_dockerfile(text, filename):
        draft.format = dockerfile_text.FORMAT
        dockerfile_text.read(draft, text, source.limits)
    elif recognise.is_tree(text, filename):
        _read_tree(draft, text, source)
    else:
        draft.format = requirements.FORMAT
        requirements.read(draft, text, source)


def _read_tree(draft: Draft, text: str, source: Source) -> None:
    try:
        tree = parse(text)
    except Unreadable as error:
        code = "bad-json" if text.lstrip()[:1] in ("{", "[") else "bad-yaml"
        raise draft.refuse(code, Placed("", error.line, error.column), what=str(error)) from None
    if isinstance(tree, Mapping):
        if curated.is_asset(tree) or curated.is_image_config(tree):
            draft.format = curated.FORMAT
            curated.read(draft, source, Placed("", tree.line, tree.column))
            return
        known = recognise.tree_format(tree)
        if known is not None:
            draft.format = known.name
            known.read(draft, tree, source)
            return
    line = tree.line if tree is not None else 1
    raise draft.refuse("not-a-definition", Placed("", line), what=recognise.what_it_is(tree))


def _base_of_package_lists(draft: Draft) -> None:
    """A list of packages names no base: it stands on the default one."""
    if draft.refused or draft.image or draft.dockerfile or draft.context:
        return
    draft.image = Placed(draft.default_image)
    draft.note("base-assumed", None, image=draft.default_image)


def folder_of(source: Source) -> Folder:
    """The files around what is read."""
    return source.folder
