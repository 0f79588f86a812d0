"""The requirements, programs and licences of wheels: read once by a confined process, then known by the sha256 of their files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builds.imaging.files import WheelFile
from builds.imaging.pip.declared.reading import read_wheels
from builds.imaging.reporting import Reporter
from builds.imaging.workshop import Workshop

_KIND = "wheel-facts-3"


def facts_of_wheels(
    files: Sequence[WheelFile], python: tuple[int, int], workshop: Workshop, reporter: Reporter
) -> dict[str, dict[str, Any]]:
    """Return the requirements (`needs`), Pythons (`python`), `programs` and `license` of each wheel by its sha256."""
    # The name says what a wheel is for, and is part of what was checked.
    known = {file.sha256: workshop.recall(_KIND, f"{file.path.name} {file.sha256}") for file in files}
    unread = [file for file in files if known[file.sha256] is None]
    for file, facts in read_wheels(unread, python, reporter):
        workshop.remember(_KIND, f"{file.path.name} {file.sha256}", facts)
        known[file.sha256] = facts
    return known
