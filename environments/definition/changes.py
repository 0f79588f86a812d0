"""Changes of anything but packages: their form, texts line by line, and the files of build contexts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from environments.definition.edits import Budget, changed_blocks
from environments.definition.findings import secrets
from environments.definition.model import Definition


@dataclass(frozen=True, slots=True)
class OtherChange:
    """Anything else that differs: its kind, a sentence, and what it was and is."""

    kind: str
    text: str
    old: str = ""
    new: str = ""


def text_changes(
    kind: str, what: str, old: str, new: str, budget: Budget | None = None
) -> Iterable[OtherChange]:
    """The lines that were added to and removed from a text."""
    before, after = old.splitlines(), new.splitlines()
    gone: list[str] = []
    come: list[str] = []
    for i1, i2, j1, j2 in changed_blocks(before, after, budget):
        gone += before[i1:i2]
        come += after[j1:j2]
    removed, added = len(gone), len(come)
    if removed or added:
        text = f"{what}: {added} {'line' if added == 1 else 'lines'} added, {removed} removed"
        yield OtherChange(kind, text, *(secrets.masked_script("\n".join(side)) for side in (gone, come)))


def context_changes(old: Definition, new: Definition) -> Iterable[OtherChange]:
    """The files, links and empty folders that differ between two build contexts."""
    before = {file.path: file for file in old.context.files} if old.context else {}
    after = {file.path: file for file in new.context.files} if new.context else {}
    budget = Budget()  # of all files together: there may be thousands
    empty_before = set(old.context.folders) if old.context else set()
    empty_after = set(new.context.folders) if new.context else set()
    for path in sorted(empty_before ^ empty_after):
        yield OtherChange("context", f"empty folder {path} {'added' if path in empty_after else 'removed'}")
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path), after.get(path)
        if was == now:
            continue
        if was is None or now is None:
            yield OtherChange("context", f"{path} {'removed' if now is None else 'added'}", "", "")
        elif was.link or now.link:
            yield OtherChange("context", f"{path}: link changed", was.link, now.link)
        elif old.context and path != old.context.dockerfile_path:
            if was.content == now.content:
                yield OtherChange("context", f"{path}: permissions changed", oct(was.mode), oct(now.mode))
            elif b"\0" in was.content or b"\0" in now.content:
                yield OtherChange("context", f"{path} changed")
            else:
                texts = (was.content.decode("utf-8", "replace"), now.content.decode("utf-8", "replace"))
                yield from text_changes("context", path, *texts, budget)
