"""requirements.txt: what pip reads, in pip's own logical lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from environments.definition.files.folder import OutsideFolder, inside
from environments.definition.findings.result import Draft
from environments.definition.formats.source import Source
from environments.definition.packages.pip_line import INLINE_CONSTRAINT, BadOption, taken_apart
from environments.definition.packages.specs import without_options
from environments.definition.syntax.text import Placed

FORMAT = "requirements"
_COMMENT = re.compile(r"(?:^|\s)#.*$")
# A comment that conda's own commands write or that names one.
_BY_CONDA = re.compile(
    r"(?mi)^[ \t]*#.{0,200}?(?:conda (?:create|list|env|install)|conda[\w-]{0,30}lock|packages in environment at)"
)
_LONGEST_LINE = 64 << 10
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class _Reader:
    draft: Draft
    source: Source
    within: tuple[str, ...] = ()
    constraint: bool = False

    def read(self, text: str, file: str) -> None:
        for line in logical_lines(text, file):
            self.take(line)

    def take(self, line: Placed) -> None:
        if len(line) > _LONGEST_LINE:
            self.draft.note("bad-requirement", line, what=f"{line[:40]}…", why="the line is too long")
            return
        if not line.startswith("-"):
            self.keep(line)
            return
        try:
            options = taken_apart(line).options
        except BadOption:  # reported by the checks
            options = (("", ""),)
        name, value = options[0] if options else ("", "")
        if name == "--requirement":
            self.include(line, value, self.constraint)
        elif name == "--constraint" and INLINE_CONSTRAINT.match(value):
            self.draft.pip.append(line.moved(f"--constraint {value}"))
        elif name == "--constraint":
            self.include(line, value, True)
        elif not self.constraint:
            self.draft.pip.append(line)

    def keep(self, line: Placed) -> None:
        if self.constraint:
            bare = without_options(line)
            self.draft.pip.append(line.moved(f"--constraint {bare}"))
        else:
            self.draft.pip.append(line)

    def include(self, line: Placed, path: str, constraint: bool) -> None:
        draft, source = self.draft, self.source
        if "://" in path:
            draft.note("file-missing", line, what="a file at a URL")
            return
        try:
            location = inside(source.base, path)
        except OutsideFolder:
            draft.note("outside-folder", line, what=path)
            return
        if location in self.within or len(self.within) >= _DEEPEST:
            draft.note("include-loop", line, what=path)
            return
        text = source.text(draft, location, line)
        if text is None:
            return
        base = location.rpartition("/")[0]
        within = (*self.within, location)
        _Reader(draft, replace(source, base=base), within, constraint).read(text, location)


def read(draft: Draft, text: str, source: Source) -> None:
    """Read every requirement and option; included files of the same folder are written in place."""
    start = (source.path,) if source.path else ()
    _Reader(draft, source, start).read(text, draft.file)
    by_conda = _BY_CONDA.search(text)
    if by_conda:
        draft.note("read-as-pip", Placed("", text.count("\n", 0, by_conda.start()) + 1, 1))
    if not draft.pip and not draft.refused:
        raise draft.refuse("empty", Placed("", 1), what="list of requirements")


def read_lines(draft: Draft, lines: list[Placed], source: Source) -> None:
    """Read requirement lines that stand in another file, such as the pip section of a conda file."""
    reader = _Reader(draft, source)
    for line in lines:
        bare = _COMMENT.sub("", " ".join(line.split())).strip()
        if bare:
            reader.take(line.moved(bare))


def logical_lines(text: str, file: str = "") -> Iterator[Placed]:
    """The lines as pip sees them: comments gone, continuation lines joined, blanks between words single."""
    pending: list[str] = []
    first = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r")
        if not pending:
            first = number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            pending.append(line[:-1])
            continue
        # pip lets a comment end a continuation.
        pending.append(" " if is_comment else line)
        whole = " ".join(_COMMENT.sub("", "".join(pending)).split())
        start = len(pending[0]) - len(pending[0].lstrip()) + 1
        pending = []
        if whole:
            yield Placed(whole, first, start, file)
    whole = " ".join(_COMMENT.sub("", "".join(pending)).split())
    if whole:
        yield Placed(whole, first, 1, file)


def write(pip: tuple[str, ...]) -> str:
    """A requirements file with these lines."""
    return "".join(f"{line}\n" for line in pip)
