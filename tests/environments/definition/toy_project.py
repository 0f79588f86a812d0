"""A small format of projects with several parts, for the tests of choosing: a manifest and its lock.

`project.toy` has a line for each package, `main numpy`, `extra viz matplotlib`, `group test pytest` or
`environment gpu cupy`; `toy.lock` has the lines with exact versions, and a first line with the length of the manifest.
"""

from __future__ import annotations

import pytest

from environments.definition.findings.result import Draft, Offers
from environments.definition.formats.source import Source
from environments.definition.model import Selection
from environments.definition.packages.locked import LockedPackage
from environments.definition.reading import choose_file, choose_project, recognise
from environments.definition.reading.choose_project import LOCKS, Lock
from environments.definition.syntax.text import Placed

MANIFEST = """\
# a project
main numpy
extra viz matplotlib
extra docs sphinx
group test pytest
environment default six
environment gpu cupy
"""
LOCK = f"""\
# a lock of {len(MANIFEST)}
main numpy==2.1.3
extra viz matplotlib==3.9.0
extra docs sphinx==8.0.0
group test pytest==8.3.0
environment default six==1.17.0
environment gpu cupy==13.3.0
"""


def install(patch: pytest.MonkeyPatch) -> None:
    """Let this process read such projects, with the group `test` and the first environment by default."""
    manifest = recognise.TextFormat("toy", lambda text, _: text.startswith("# a project"), _read_manifest)
    lock = recognise.TextFormat("toy-lock", lambda text, _: text.startswith("# a lock"), _read_lock)
    patch.setattr(recognise, "_TEXT_FORMATS", (manifest, lock, *recognise._TEXT_FORMATS))
    patch.setattr(choose_project, "LOCKS", (Lock("toy.lock", ("project.toy",)), *LOCKS))
    patch.setattr(choose_file, "_ORDER", ("toy.lock", "project.toy", *choose_file._ORDER))


def _read_manifest(draft: Draft, text: str, source: Source) -> None:
    _read_lines(draft, text)


def _read_lock(draft: Draft, text: str, source: Source) -> None:
    manifest = (source.folder.read("project.toy", source.limits.definition) or b"").decode()
    if manifest and draft.selection.ignore_lock:
        draft.format, draft.file = "toy", "project.toy"
        _read_lines(draft, manifest)
        return
    if manifest and not text.startswith(f"# a lock of {len(manifest)}\n"):
        _offer(draft, text)
        draft.note(
            "lock-stale", lock="toy.lock", manifest="project.toy", why="it changed", command="toy lock"
        )
        return
    _read_lines(draft, text)
    pinned = [line.partition("==") for line in map(str, draft.pip)]
    draft.packages = tuple(LockedPackage(name, version, "pip") for name, _, version in pinned)


def _offer(draft: Draft, text: str) -> list[list[str]]:
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    names = {
        kind: tuple(dict.fromkeys(row[1] for row in rows if row[0] == kind and len(row) > 2))
        for kind in ("environment", "extra", "group")
    }
    default = Selection(
        environment=next(iter(names["environment"]), ""),
        groups=tuple(name for name in names["group"] if name == "test"),
    )
    draft.offers = Offers(names["environment"], names["extra"], names["group"], default)
    return rows


def _read_lines(draft: Draft, text: str) -> None:
    rows = _offer(draft, text)
    offers, wanted = draft.offers, draft.selection
    chosen = Selection(
        environment=wanted.environment or offers.default.environment,
        extras=wanted.extras,
        groups=wanted.groups or offers.default.groups,
        ignore_lock=wanted.ignore_lock,
    )
    names = {"environment": (chosen.environment,), "extra": chosen.extras, "group": chosen.groups}
    known = {"environment": offers.environments, "extra": offers.extras, "group": offers.groups}
    for kind, requested in names.items():
        for name in filter(None, requested):
            if name not in known[kind]:
                draft.note("selection-unknown", kind=kind, what=name, known=", ".join(known[kind]))
    for number, row in enumerate(rows, 1):
        if row[0] == "main" or row[1] in names[row[0]]:
            draft.pip.append(Placed(row[-1], number))
    draft.selection = chosen
