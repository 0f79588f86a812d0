"""The build context as the engine takes it: a tar of the files, the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import tarfile

from builds.engine.syntax import CLASSIC
from builds.imaging.oci.tar import MODIFIED
from environments.definition import Definition
from environments.definition.files import dockerignore
from environments.definition.syntax.dockerfile import canonical_dockerfile

HIDDEN = ".studio.Dockerfile"
"""Where the Dockerfile stands in the context for the classic builder, which then takes it out of there."""


def place_of(definition: Definition, builder: str) -> str:
    """Return where the Dockerfile goes, so that `COPY . .` copies as little of ours as can be."""
    if builder == CLASSIC:
        return HIDDEN
    # BuildKit hides nothing in a context that it is sent: there it takes the place of the author's own.
    return definition.context.dockerfile_path if definition.context else "Dockerfile"


def packed(definition: Definition, dockerfile: str, dockerfile_path: str = HIDDEN) -> bytes:
    """Return the context with this Dockerfile at that path, as a tar archive."""
    files = {path: (content, mode) for path, content, mode in _files(definition)}
    links, folders = _links(definition), definition.context.folders if definition.context else ()
    files[dockerfile_path] = (dockerfile.encode(), 0o644)
    if dockerfile_path == HIDDEN:
        own = files.get(dockerignore.NAME, (b"", 0))[0]
        names = (HIDDEN,) if own else (HIDDEN, dockerignore.NAME)
        files[dockerignore.NAME] = (
            own.rstrip(b"\n") + "".join(f"\n{name}" for name in names).encode() + b"\n",
            0o644,
        )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(content), mode, MODIFIED
            archive.addfile(entry, io.BytesIO(content))
        for path in sorted((*links, *folders)):
            entry = tarfile.TarInfo(path)
            entry.type = tarfile.SYMTYPE if path in links else tarfile.DIRTYPE
            entry.linkname, entry.mode, entry.mtime = links.get(path, ""), 0o755, MODIFIED
            archive.addfile(entry)
    return buffer.getvalue()


def fingerprint(definition: Definition) -> str:
    """Return what decides the outcome, apart from the images it starts from: texts, files, arguments."""
    seen = hashlib.sha256()

    def add(*parts: str | bytes) -> None:
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            seen.update(len(data).to_bytes(8, "big") + data)

    add(definition.platform, canonical_dockerfile(definition.dockerfile_text))
    if definition.context is not None:
        add(definition.context.target, definition.context.dockerfile_path)
        for name, value in sorted(definition.context.args.items()):
            add(name, value)
    for path, content, mode in _files(definition):
        add(path, content, str(mode))
    for path, target in sorted(_links(definition).items()):
        add("link", path, target)
    for path in sorted(definition.context.folders if definition.context else ()):
        add("folder", path)
    return seen.hexdigest()


def _files(definition: Definition) -> list[tuple[str, bytes, int]]:
    """Return the files that the Dockerfile may copy, by path."""
    context = definition.context
    if context is None:
        return []
    # Files that .dockerignore excludes are not in the context, except those that Docker reads itself.
    ignored = dockerignore.find(context.text, context.dockerfile_path)
    hidden = {path for path in ignored.read if ignored.excludes(path)}
    return [
        (file.path, file.content, 0o755 if file.mode & 0o111 else 0o644)
        for file in sorted(context.files, key=lambda file: file.path)
        if file.path not in hidden and not file.link
    ]


def _links(definition: Definition) -> dict[str, str]:
    """Return the links to folders of the context, by path."""
    context = definition.context
    return {file.path: file.link for file in context.files if file.link} if context else {}
