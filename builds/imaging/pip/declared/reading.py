"""Have a confined process read what wheels and source distributions require, and the programs in wheels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builds.confinement.confine import Confinement
from builds.imaging.child_process import Worker
from builds.imaging.files import WheelFile
from builds.imaging.reporting import ImageError, Reporter

_MEMORY_BYTES = 1024**3


def needs_of_sdists(files: Sequence[WheelFile], reporter: Reporter) -> dict[str, tuple[str, ...]]:
    """Return the requirements that source distributions declare, by sha256."""
    answers = _read(files, {"do": "sdist"}, reporter)
    return {file.sha256: tuple(answer["needs"]) for file, answer in answers}


def read_wheels(
    files: Sequence[WheelFile], python: tuple[int, int], reporter: Reporter
) -> Iterator[tuple[WheelFile, dict[str, Any]]]:
    """Yield each wheel with its requirements as METADATA has them, `programs` as by `elf.programs_in`, and `license`.

    `needs` are the packages that it requires, `python` are the Pythons; both may be no such thing.
    """
    return _read(files, {"do": "wheel", "python": python}, reporter)


def _read(
    files: Sequence[WheelFile], question: Mapping[str, Any], reporter: Reporter
) -> Iterator[tuple[WheelFile, dict[str, Any]]]:
    if not files:
        return
    vanished = ImageError(
        "bad-wheel",
        "The process that read the packages ended before it was done.",
        "Build again. If it happens again, pin other versions of the packages.",
        fault="outside",
    )
    folders = tuple({file.path.parent.absolute() for file in files})
    confinement = Confinement(reads=folders, memory=_MEMORY_BYTES)
    with Worker("builds.imaging.pip.declared.reading_worker", confinement, vanished) as worker:
        for file in files:
            yield file, worker.ask({**question, "file": file.as_json()}, reporter)
