"""A build context: a Dockerfile and the files around it, as a folder or out of an archive."""

from __future__ import annotations

import re

from environments.definition.files import dockerignore
from environments.definition.files.dockerignore import Ignored
from environments.definition.files.folder import FileEntry, OutsideFolder, inside
from environments.definition.files.limits import size_text
from environments.definition.findings.result import Draft
from environments.definition.formats import dockerfile_text
from environments.definition.formats.source import Source
from environments.definition.model import BuildContext, ContextFile
from environments.definition.syntax.text import Placed

FORMAT = "context"
_GIT = re.compile(
    r"git://|git@|(?:https?://)?github\.com/|(?:https?|ssh)://[^\s#]{1,1000}\.git(?:#|$)", re.IGNORECASE
)
_REMOTE = re.compile(r"git@|github\.com/|[a-z][a-z0-9+.-]{1,20}:", re.IGNORECASE)
_NO_PART_OF_A_CONTEXT = frozenset((".git", "__MACOSX", ".svn", ".hg", "__pycache__", ".DS_Store"))


def read_named(draft: Draft, path: Placed, dockerfile: Placed, source: Source) -> None:
    """Take the folder that a definition names (`build.path`) as its build context."""
    if _REMOTE.match(path):
        draft.note("context-remote", path, what=path.partition("#")[0][:200], help=_how_to_fetch(path))
        return
    location = source.resolve(draft, path)
    if location is not None:
        read(draft, source, location, dockerfile)


def _how_to_fetch(path: str) -> str:
    """Return how to get the files of a Git repository, written as Docker does: `URL#branch:folder`."""
    url, _, rest = path.partition("#")
    if not _GIT.match(path):
        return ""
    branch, _, folder = rest.partition(":")
    clone = f"git clone{f' --branch {branch}' if branch else ''} {url}"
    return f"Run `{clone[:300]}`, and give {f'its folder {folder[:100]}' if folder else 'the folder'} or an archive of it."


def read(draft: Draft, source: Source, below: str, dockerfile: Placed) -> None:
    """Take every file below this path as the definition's build context."""
    limits = source.limits
    files: list[ContextFile] = []
    total = 0
    ignored = _ignored(source, below, dockerfile)
    for entry in source.folder.files(below):
        if _NO_PART_OF_A_CONTEXT & set(entry.path.split("/")) or entry.path in ignored:
            continue
        total += entry.size
        if len(files) >= limits.context_files:
            limit = f"{limits.context_files} files"
            raise draft.refuse("too-large", dockerfile, what="the build context", size="more", limit=limit)
        if total > limits.context:
            limit = size_text(limits.context)
            raise draft.refuse(
                "too-large", dockerfile, what="the build context", size=size_text(total), limit=limit
            )
        content = _content(draft, source, below, entry)
        if content is not None:
            files.append(ContextFile(path=entry.path, mode=entry.mode & 0o755 | 0o644, content=content))
    if not files:
        draft.note("file-missing", dockerfile, what=f"the build context {below or '.'}")
        return
    name = _dockerfile_name(draft, dockerfile, {file.path for file in files})
    if name is None:
        return
    draft.context = BuildContext(files=tuple(files), dockerfile_path=name)
    _inspect(draft, draft.context, below)


def _ignored(source: Source, below: str, dockerfile: str) -> Ignored:
    def text(name: str) -> str | None:
        path = f"{below}/{name}" if below else name
        content = source.folder.read(path, source.limits.definition)
        return None if content is None else content.decode("utf-8", "replace")

    try:
        dockerfile = inside("", dockerfile)
    except OutsideFolder:  # reported when it is read
        dockerfile = ""
    return dockerignore.find(text, dockerfile)


def _content(draft: Draft, source: Source, below: str, entry: FileEntry) -> bytes | None:
    path = f"{below}/{entry.path}" if below else entry.path
    if entry.link:
        raise draft.refuse("bad-archive", Placed("", 1), what=f"{entry.path} is a link")
    try:
        return source.folder.read(path, source.limits.context)
    except OutsideFolder:
        raise draft.refuse("outside-folder", Placed("", 1), what=entry.path) from None


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
