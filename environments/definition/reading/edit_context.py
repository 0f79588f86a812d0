"""A build context of which one file is written anew: read again, with everything else as it was."""

from __future__ import annotations

from environments.definition.folder import MemoryFolder
from environments.definition.formats import context
from environments.definition.formats.source import Source
from environments.definition.limits import Limits
from environments.definition.model import Definition
from environments.definition.read import finish
from environments.definition.reading import Draft, Reading, Refused
from environments.definition.text import Placed


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
    """Read a definition on a build context anew, with this text in the file at this path.

    What stands around the context (packages, variables, the Dockerfile's place) stays as it is.
    """
    before = definition.context
    if before is None or before.text(path) is None:
        raise ValueError(f"the definition has no build context with a file {path!r}")
    held = {file.path: (file.mode, file.content) for file in before.files}
    held[path] = (held[path][0], text.encode())
    draft = Draft(context.FORMAT)
    source = Source(MemoryFolder(held), limits=limits)
    try:
        context.read(draft, source, "", Placed(before.dockerfile_path, 1))
        finish(draft, limits)
    except Refused:
        pass
    reading = draft.finish()
    if reading.definition is None or reading.definition.context is None:
        return reading
    now = reading.definition.context.model_copy(update={"args": before.args, "target": before.target})
    changed = definition.model_copy(update={"context": now})
    return Reading(format=reading.format, definition=changed, findings=reading.findings)
