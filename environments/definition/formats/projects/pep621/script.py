"""Python scripts that say in a comment what they need (PEP 723)."""

from __future__ import annotations

import re

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.pep621.manifest import of_script
from environments.definition.formats.projects.pep621.pyproject import report_lock, take
from environments.definition.formats.selection import selected
from environments.definition.formats.source import Source
from environments.definition.syntax.text import Placed

FORMAT = "pep723-script"
_START = "# /// script"
_END = "# ///"
_BLOCK = re.compile(rf"(?m)^{_START}[ \t]{{0,8}}\r?$")
# In these it is an example of a script.
_OTHER_TEXT = re.compile(
    r"(?i)\.(?:md|markdown|rst|txt|in|ya?ml|json|toml|cfg|lock|ipynb|html?|dockerfile)$|(?:^|/)(?:docker|container)file"
)


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a Python file with a script header."""
    return _BLOCK.search(text) is not None and _OTHER_TEXT.search(filename) is None


def read(draft: Draft, text: str, source: Source) -> None:
    """Read what the script's header requests."""
    first, header = _header(draft, [line.removesuffix("\r") for line in text.split("\n")])
    document = toml.document(draft, "\n" * first + header)
    selected(draft, of_script(draft, document).offers)
    if draft.refused:
        return
    at = Placed("", first, 1, draft.file)
    manifest = of_script(draft, document)
    name = source.path.rpartition("/")[2]
    manifest.name = ""
    if name:
        report_lock(draft, source, at, (f"{name}.lock",))
    take(draft, document, manifest, at)


def _header(draft: Draft, lines: list[str]) -> tuple[int, str]:
    """Return the line of the only script block, and its TOML."""
    starts = [number for number, line in enumerate(lines) if line.rstrip() == _START]
    blocks: list[tuple[int, int]] = []
    for start in starts:
        if blocks and start < blocks[-1][1]:
            continue
        end = start + 1
        while end < len(lines) and lines[end].startswith("#"):
            end += 1
        blocks.append((start, end))
    start, end = blocks[0]
    if len(blocks) > 1:
        at = Placed("", blocks[1][0] + 1, 1, draft.file)
        raise draft.refuse("script-header", at, what="the script has a second block `# /// script`")
    # The last such line ends the block: those before it may be part of its content.
    closing = [number for number in range(start + 1, end) if lines[number].rstrip() == _END]
    if not closing:
        at = Placed("", start + 1, 1, draft.file)
        raise draft.refuse("script-header", at, what="no line `# ///` ends the block")
    content = []
    for number in range(start + 1, closing[-1]):
        line = lines[number]
        if line != "#" and not line.startswith("# "):
            at = Placed("", number + 1, 1, draft.file)
            raise draft.refuse("script-header", at, what="a line of the block does not begin with `# `")
        content.append(line[2:])
    return start + 1, "\n".join(content)
