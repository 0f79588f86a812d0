"""Text that remembers its position in a file."""

from __future__ import annotations

from typing import Self


class Placed(str):
    """A string that knows its file, line and column (from 1), so that a finding can point at it."""

    line: int | None
    column: int | None
    file: str

    __slots__ = ("column", "file", "line")

    def __new__(cls, text: str, line: int | None = None, column: int | None = None, file: str = "") -> Self:
        self = super().__new__(cls, text)
        self.line, self.column, self.file = line, column, file
        return self

    def moved(self, text: str) -> Placed:
        """Another text at the same place."""
        return Placed(text, self.line, self.column, self.file)
