"""`.dockerignore`: which files of a build context Docker would not send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

# Docker always sends its own two files, whatever the patterns say.
NAME = ".dockerignore"
_MOST_PATTERNS = 500


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line: the parts of a path, `**` for any number of them; `back` where it takes a file back in (`!`)."""

    parts: tuple[str, ...]
    back: bool

    def covers(self, path: Sequence[str]) -> bool:
        """Whether the path, or a folder that it lies in, is meant."""
        reached = self._onward({0})
        for part in path:
            after: set[int] = set()
            for at in reached:
                if self.parts[at] == "**":
                    after.add(at)
                elif fnmatchcase(part, self.parts[at]):
                    after.add(at + 1)
            reached = self._onward(after)
            if len(self.parts) in reached:
                return True
        return False

    def _onward(self, reached: set[int]) -> set[int]:
        """The places reached, and those after each `**`, which may stand for nothing."""
        found = set(reached)
        for at in sorted(reached):
            while at < len(self.parts) and self.parts[at] == "**":
                at += 1
                found.add(at)
        return found


@dataclass(frozen=True, slots=True)
class Ignored:
    """The patterns of one `.dockerignore`, the last that covers a path deciding."""

    patterns: tuple[Pattern, ...]
    dockerfile: str = "Dockerfile"

    def __contains__(self, path: str) -> bool:
        if path in (NAME, self.dockerfile):
            return False
        parts = path.split("/")
        out = False
        for pattern in self.patterns:
            if pattern.back == out and pattern.covers(parts):
                out = not pattern.back
        return out


def parse(text: str, dockerfile: str = "Dockerfile") -> Ignored:
    """The patterns in this text; comments and blank lines are none."""
    patterns = []
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        back = bare.startswith("!")
        parts = [part for part in bare.removeprefix("!").strip().split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            continue
        if parts[-1] == "**":
            # Below a folder, and not the folder's own name.
            parts[-1] = "*"
        patterns.append(Pattern(tuple(parts), back))
    return Ignored(tuple(patterns[:_MOST_PATTERNS]), dockerfile)
