"""A build context: a Dockerfile and the files around it, as a folder or out of an archive."""

from __future__ import annotations

from environments.definition import dockerignore
from environments.definition.dockerignore import Ignored
from environments.definition.folder import FoundFile, OutsideFolder, inside
from environments.definition.formats import dockerfile_text
from environments.definition.formats.source import Source
from environments.definition.limits import size_text
from environments.definition.model import BuildContext, ContextFile
from environments.definition.reading import Draft
from environments.definition.text import Placed

FORMAT = "context"
_NO_PART_OF_A_CONTEXT = frozenset((".git", "__MACOSX", ".svn", ".hg", "__pycache__", ".DS_Store"))


def read_named(draft: Draft, path: Placed, dockerfile: Placed, source: Source) -> None:
    """Take the folder that a definition names (`build.path`) as its build context."""
    if "://" in path or path.startswith("git@"):
        draft.note("file-missing", path, what=f"the build context at {path.partition('#')[0]}")
        return
    place = source.place(draft, path)
    if place is not None:
        read(draft, source, place, dockerfile)


def read(draft: Draft, source: Source, below: str, dockerfile: Placed) -> None:
    """Take every file below this path as the definition's build context."""
    limits = source.limits
    files: list[ContextFile] = []
    total = 0
    ignored = _ignored(source, below, dockerfile)
    for found in source.folder.files(below):
        if _NO_PART_OF_A_CONTEXT & set(found.path.split("/")) or found.path in ignored:
            continue
        total += found.size
        if len(files) >= limits.context_files:
            limit = f"{limits.context_files} files"
            raise draft.refuse("too-large", dockerfile, what="the build context", size="more", limit=limit)
        if total > limits.context:
            limit = size_text(limits.context)
            raise draft.refuse(
                "too-large", dockerfile, what="the build context", size=size_text(total), limit=limit
            )
        content = _content(draft, source, below, found)
        if content is not None:
            files.append(ContextFile(path=found.path, mode=found.mode & 0o755 | 0o644, content=content))
    if not files:
        draft.note("file-missing", dockerfile, what=f"the build context {below or '.'}")
        return
    name = _dockerfile_name(draft, dockerfile, {file.path for file in files})
    if name is None:
        return
    draft.context = BuildContext(files=tuple(files), dockerfile_path=name)
    _inspect(draft, draft.context, below)


def _ignored(source: Source, below: str, dockerfile: str) -> Ignored:
    name = f"{below}/{dockerignore.NAME}" if below else dockerignore.NAME
    content = source.folder.read(name, source.limits.definition) or b""
    return dockerignore.parse(content.decode("utf-8", "replace"), dockerfile)


def _content(draft: Draft, source: Source, below: str, found: FoundFile) -> bytes | None:
    path = f"{below}/{found.path}" if below else found.path
    if found.link:
        raise draft.refuse("bad-archive", Placed("", 1), what=f"{found.path} is a link")
    try:
        return source.folder.read(path, source.limits.context)
    except OutsideFolder:
        raise draft.refuse("outside-folder", Placed("", 1), what=found.path) from None


def _dockerfile_name(draft: Draft, dockerfile: Placed, paths: set[str]) -> str | None:
    try:
        name = inside("", dockerfile)
    except OutsideFolder:
        draft.note("outside-folder", dockerfile, what=str(dockerfile))
        return None
    if name in paths:
        return name
    draft.note("dockerfile-missing", dockerfile, what=name)
    return None


def _inspect(draft: Draft, context: BuildContext, below: str) -> None:
    outer = draft.file
    path = context.dockerfile_path
    draft.file = f"{below}/{path}" if below else path
    try:
        dockerfile_text.read(draft, context.dockerfile, alone=False)
        dockerfile_text.placeholders(draft, context.dockerfile)
    finally:
        draft.file = outer
