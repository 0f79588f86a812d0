"""The build context as the engine takes it: a tar of the files, the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import tarfile

from docker.utils.build import PatternMatcher

from builds.images.tar import MODIFIED
from environments.definition import Definition
from environments.definition.dockerfile import canonical_dockerfile

DOCKERFILE = ".studio.Dockerfile"
"""Where the Dockerfile stands in the context: beside the author's own, under a name of ours."""
_IGNORE = ".dockerignore"


def packed(definition: Definition, dockerfile: str) -> bytes:
    """Return the context with this Dockerfile, as a tar archive."""
    files = {path: (content, mode) for path, content, mode in _files(definition)}
    # The engine takes out of the context what .dockerignore names, after it has read the Dockerfile.
    own = files.get(_IGNORE, (b"", 0))[0]
    hidden = (DOCKERFILE,) if own else (DOCKERFILE, _IGNORE)
    files[_IGNORE] = (own.rstrip(b"\n") + "".join(f"\n{name}" for name in hidden).encode() + b"\n", 0o644)
    files[DOCKERFILE] = (dockerfile.encode(), 0o644)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(content), mode, MODIFIED
            archive.addfile(entry, io.BytesIO(content))
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
    return seen.hexdigest()


def _files(definition: Definition) -> list[tuple[str, bytes, int]]:
    """Return the files that the Dockerfile may copy, by path, without what .dockerignore leaves out."""
    if definition.context is None:
        return []
    text = definition.context.text(_IGNORE) or ""
    patterns = [line.strip() for line in text.splitlines()]
    ignored = PatternMatcher([line for line in patterns if line and not line.startswith("#")])
    return [
        (file.path, file.content, 0o755 if file.mode & 0o111 else 0o644)
        for file in sorted(definition.context.files, key=lambda file: file.path)
        if not ignored.matches(file.path)  # type: ignore[arg-type]
    ]
