"""Disagreements between the files of a folder: versions of a package that cannot both be meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from environments.definition.files.folder import OutsideFolder
from environments.definition.findings.result import Draft, Refused
from environments.definition.formats.source import Source
from environments.definition.packages.allows import allows, exact_version, overlaps
from environments.definition.packages.specs import BadSpec, Spec, conda_spec, pip_name, pip_spec
from environments.definition.reading.choose_project import (
    CONDA_FILES,
    LOCKS,
    MANIFESTS,
    REQUIREMENTS,
    counterparts,
)
from environments.definition.syntax.text import Placed

_LOCKS = frozenset(lock.name for lock in LOCKS)
_MOST_FINDINGS = 20
_MOST_PACKAGES = 2_000
_MOST_FILES = 4
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class _Request:
    """A package as one file requests it."""

    spec: Spec
    at: Placed

    @property
    def text(self) -> str:
        return (self.spec.constraint.partition(";")[0].strip() or "any version")[:_LONGEST]


def report(
    draft: Draft,
    source: Source,
    below: str,
    names: list[str],
    read_text: Callable[[Draft, bytes, Source], None],
) -> None:
    """Compare the file that was read with the others of its folder that define packages too."""
    chosen = draft.file.rpartition("/")[2]
    mine = _requests(draft)
    left = _MOST_FINDINGS
    for name in _others(chosen, names) if mine else ():
        path = f"{below}/{name}" if below else name
        other = None if path in draft.files_read else _read(draft, source, path, read_text)
        if other is None:
            continue
        for what, first, second in _disagreements(mine, _requests(other), draft, other):
            if not left:
                return
            left -= 1
            draft.note(
                "sources-disagree",
                first.at,
                what=what,
                first=f"{chosen}{_line(first.at)}",
                one=first.text,
                second=f"{name}{_line(second.at)}",
                other=second.text,
            )


def _others(chosen: str, names: list[str]) -> list[str]:
    """Return the files to compare with: manifests of any tool, and the lock that belongs to the file itself."""
    own = [name for name in counterparts(chosen) if name in names]
    plain = [name for name in (*CONDA_FILES, *MANIFESTS, REQUIREMENTS) if name in names and name not in own]
    return [name for name in (*own, *plain) if name != chosen][:_MOST_FILES]


def _read(
    draft: Draft, source: Source, path: str, read_text: Callable[[Draft, bytes, Source], None]
) -> Draft | None:
    """Return the other file's draft; None if it defines no packages."""
    try:
        content = source.folder.read(path, source.limits.largest)
    except OutsideFolder:
        return None
    selection = draft.selection.model_copy(update={"ignore_lock": path.rpartition("/")[2] not in _LOCKS})
    other = Draft("unknown", draft.default_image, file=path, selection=selection)
    with suppress(Refused):
        read_text(other, content or b"", replace(source, path=path, base=path.rpartition("/")[0]))
    return other if other.conda or other.pip else None


def _requests(draft: Draft) -> dict[str, list[_Request]]:
    """Return what a file requests, by normalised names; a lock that forks has a package more than once."""
    requests: dict[str, list[_Request]] = {}
    for texts, parsed in ((draft.conda, conda_spec), (draft.pip, pip_spec)):
        for text in texts:
            with suppress(BadSpec):
                spec = parsed(str(text))
                if spec is not None:
                    requests.setdefault(pip_name(spec.name), []).append(_Request(spec, text))
    return requests


def _disagreements(
    mine: dict[str, list[_Request]], others: dict[str, list[_Request]], draft: Draft, other: Draft
) -> Iterator[tuple[str, _Request, _Request]]:
    common = [name for name in mine if name in others]
    for name in common[:_MOST_PACKAGES]:
        if not any(_agree(first.spec, second.spec) for first in mine[name] for second in others[name]):
            yield name, mine[name][0], others[name][0]
    for requests, requires, swapped in (
        (mine, other.requires_python, False),
        (others, draft.requires_python, True),
    ):
        python = next(iter(requests.get("python", ())), None)
        if python is None or not requires:
            continue
        needed = _Request(Spec(requires, "python", "pip", requires), Placed("", None))
        if not _agree(python.spec, needed.spec):
            yield ("python", needed, python) if swapped else ("python", python, needed)


def _agree(first: Spec, second: Spec) -> bool:
    """Return whether some version may fit both; what cannot be compared does."""
    for spec, other in ((first, second), (second, first)):
        if version := exact_version(spec):
            return allows(other, version)
    for spec, other in ((first, second), (second, first)):
        if spec.exact:
            return overlaps(other, spec.exact)
    return True


def _line(at: Placed) -> str:
    return f" line {at.line}" if at.line else ""
