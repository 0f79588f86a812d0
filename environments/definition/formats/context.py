"""A build context: a Dockerfile and the files around it, as a folder or out of an archive."""

from __future__ import annotations

import re

from environments.definition.files import dockerignore
from environments.definition.files.dockerignore import Ignored
from environments.definition.files.folder import FileEntry, OutsideFolder, inside, link_stays_inside
from environments.definition.files.heaviest import heaviest
from environments.definition.files.limits import size_text
from environments.definition.findings.result import Draft, Refused
from environments.definition.formats import dockerfile_text
from environments.definition.formats.source import Source
from environments.definition.model import BuildContext, ContextFile
from environments.definition.syntax.text import Placed

FORMAT = "context"
_GIT = re.compile(
    r"git://|git@|(?:https?://)?github\.com/|(?:https?|ssh)://[^\s#]{1,1000}\.git(?:#|$)", re.IGNORECASE
)
_REMOTE = re.compile(r"git@|github\.com/|[a-z][a-z0-9+.-]{1,20}:", re.IGNORECASE)
_ENOUGH_TO_SEE = 20
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
    entries = _entries(draft, source, below, dockerfile)
    files: list[ContextFile] = []
    for entry in entries:
        if entry.link:
            files.append(ContextFile(path=entry.path, content=b"", link=_target(draft, entry)))
        elif not entry.folder:
            content = _content(draft, source, below, entry)
            if content is not None:
                mode = entry.mode & 0o755 | 0o644
                files.append(ContextFile(path=entry.path, mode=mode, content=content))
    if not files:
        draft.note("file-missing", dockerfile, what=f"the build context {below or '.'}")
        return
    name = _dockerfile_name(draft, dockerfile, {file.path for file in files if not file.link})
    if name is None:
        return
    folders = _empty([entry.path for entry in entries if entry.folder and not entry.link], files)
    draft.context = BuildContext(files=tuple(files), folders=folders, dockerfile_path=name)
    _inspect(draft, draft.context, below)


def _entries(draft: Draft, source: Source, below: str, dockerfile: Placed) -> list[FileEntry]:
    """Return what Docker would send. Refuses more than the limits, with the path that has the most part in it."""
    limits = source.limits
    entries: list[FileEntry] = []
    total = count = folders = 0
    ignored = _ignored(source, below, dockerfile)
    for entry in source.folder.files(below):
        if _NO_PART_OF_A_CONTEXT & set(entry.path.split("/")) or entry.path in ignored:
            continue
        entries.append(entry)
        total += entry.size
        folders += entry.folder
        count += not entry.folder
        # Somewhat beyond a limit, to see what takes the room.
        if len(entries) > _ENOUGH_TO_SEE * limits.context_files:
            break
    if max(count, folders) > limits.context_files:
        amounts = {entry.path: 1 for entry in entries if not entry.folder} or {
            entry.path: 1 for entry in entries
        }
        path, amount = heaviest(amounts)
        what = f"more than {limits.context_files} {'files' if count > limits.context_files else 'folders'}"
        limit = f"{limits.context_files} files"
        raise _too_large(draft, dockerfile, path, f"{amount} files", what, limit)
    if total > limits.context:
        path, amount = heaviest({entry.path: entry.size for entry in entries if not entry.folder})
        limit = size_text(limits.context)
        raise _too_large(draft, dockerfile, path, size_text(amount), size_text(total), limit)
    return entries


def _too_large(draft: Draft, at: Placed, path: str, part: str, size: str, limit: str) -> Refused:
    help = (
        f"{path[:200]} has {part} of it: a line `{path.rstrip('/')[:200]}` in .dockerignore leaves it out. Otherwise"
        f" have the administrator raise the limit of {limit}."
    )
    return draft.refuse("too-large", at, what="the build context", size=size, limit=limit, help=help)


def _target(draft: Draft, entry: FileEntry) -> str:
    """Return where a link to a folder of the context leads; refuse any other that is not followed."""
    why = ""
    if not entry.target:
        why = "which cannot be read"
    elif entry.target.startswith("/"):
        why = "an absolute path of the machine that it comes from"
    elif not link_stays_inside(entry.path, entry.target):
        why = "which is outside of the build context"
    elif not entry.folder:
        why = "where nothing is"
    if why:
        target = entry.target[:200] or "somewhere"
        raise draft.refuse("context-link", Placed("", 1), what=entry.path[:200], target=target, why=why)
    return entry.target


def _empty(folders: list[str], files: list[ContextFile]) -> tuple[str, ...]:
    """Return the folders in which nothing is left."""
    filled = {file.path for file in files}
    for path in (*filled, *folders):
        while "/" in path:
            path = path.rpartition("/")[0]
            if path in filled:
                break
            filled.add(path)
    return tuple(path for path in folders if path not in filled)


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
