"""The origin of a text, and the files around it that it may name."""

from __future__ import annotations

from dataclasses import dataclass, field

from environments.definition.files.folder import Folder, NoFolder, OutsideFolder, inside
from environments.definition.files.limits import Limits, size_text
from environments.definition.findings.result import Draft
from environments.definition.formats.encoding import decode, decode_damaged
from environments.definition.syntax.conflicts import conflicts
from environments.definition.syntax.text import Placed


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a folder: its own path there, and the subfolder that its relative paths begin from."""

    folder: Folder = field(default_factory=NoFolder)
    path: str = ""
    base: str = ""
    limits: Limits = field(default_factory=Limits)

    def text(self, draft: Draft, path: str, at: Placed) -> str | None:
        """The text of another file; where it cannot be had, the draft says so and None comes back."""
        draft.files_read[path] = []
        most, _ = self.limits.of(path)
        try:
            content = self.folder.read(path, most)
        except OutsideFolder:
            draft.note("outside-folder", at, what=str(at))
            return None
        if content is None:
            draft.note("file-missing", at, what=path)
            return None
        if len(content) > most:
            limit = size_text(most)
            draft.note("too-large", at, what=path, size=f"more than {limit}", limit=limit)
            return None
        outer, draft.file = draft.file, path
        text = decode(draft, content) or decode_damaged(content)
        merge = conflicts(text or "")
        for line, marker in merge.markers if merge else ():
            draft.note("merge-conflict", Placed("", line, 1, path), what=marker)
        draft.file = outer
        text = merge.sides[0] if merge else text
        draft.files_read[path] = (text or "").split("\n")
        return text

    def beside(self, name: str) -> str | None:
        """Return the path of a file with this name in the same folder; None if there is none."""
        path = f"{self.base}/{name}" if self.base else name
        try:
            return path if self.folder.read(path, 0) is not None else None
        except OutsideFolder:
            return None

    def resolve(self, draft: Draft, path: Placed) -> str | None:
        """Return the path inside the folder for a relative path; None, with a finding, if it leads out."""
        try:
            return inside(self.base, path)
        except OutsideFolder:
            draft.note("outside-folder", path, what=str(path))
            return None
