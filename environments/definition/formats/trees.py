"""YAML and JSON documents: what can be read of them, and a finding for each fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from environments.definition.findings.result import Draft
from environments.definition.syntax.recovery import Recovered, recover
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Tree, Unreadable, parse


def document(
    draft: Draft, text: str, file: str = "", parse: Callable[[str], Tree | None] = parse
) -> Tree | None:
    """The document, without the lines that break its grammar; each of them is a finding."""
    recovered: Recovered[Tree] = recover(text, parse, _doubtful)
    code = "bad-json" if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[") else "bad-yaml"
    for fault in recovered.faults:
        draft.note(code, Placed("", fault.line, fault.column, file), what=str(fault))
    if not recovered.whole:
        draft.cut(recovered.open_from)
    return recovered.value


def _doubtful(_text: str, fault: Unreadable) -> Iterator[tuple[int, int]]:
    """The line of the fault; then that of what began before it and has no end."""
    for line in dict.fromkeys((fault.line, fault.begun)):
        if line is not None:
            yield line, line
