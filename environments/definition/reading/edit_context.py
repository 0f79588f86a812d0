"""Replace one file of a build context and read the definition again."""

from __future__ import annotations

from contextlib import suppress

from environments.definition.files.folder import MemoryFolder
from environments.definition.files.limits import Limits
from environments.definition.findings.result import Draft, Reading, Refused
from environments.definition.formats import context
from environments.definition.formats.source import Source
from environments.definition.model import Definition
from environments.definition.reading.read import finish
from environments.definition.syntax.text import Placed


def editable(content: bytes, limits: Limits) -> bool:
    """Whether a file of a context can be edited as a text."""
    if b"\0" in content or len(content) > limits.definition:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_with(definition: Definition, path: str, text: str, limits: Limits) -> Reading:
    """Read a definition again with this text in the file at this path of its build context.

    Everything else (packages, variables, the Dockerfile's path) stays as it is.
    """
    before = definition.context
    if before is None or before.text(path) is None:
        raise ValueError(f"the definition has no build context with a file {path!r}")
    held = {file.path: (file.mode, file.content) for file in before.files if not file.link}
    if path not in held:
        raise ValueError(f"{path!r} is a link")
    links = {file.path: file.link for file in before.files if file.link}
    held[path] = (held[path][0], text.encode())
    draft = Draft(context.FORMAT)
    source = Source(MemoryFolder(held, frozenset(before.folders), links), limits=limits)
    with suppress(Refused):
        context.read(draft, source, "", Placed(before.dockerfile_path, 1))
    finish(draft, limits)
    reading = draft.finish()
    if reading.definition is None or reading.definition.context is None:
        return reading
    now = reading.definition.context.model_copy(update={"args": before.args, "target": before.target})
    changed = definition.model_copy(update={"context": now})
    return Reading(format=reading.format, definition=changed, findings=reading.findings)
