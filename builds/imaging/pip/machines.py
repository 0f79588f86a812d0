"""Whether the programs and libraries in wheels are made for the machine of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builds.imaging.bases.probe import Probe
from builds.imaging.files import WheelFile
from builds.imaging.oci.names import shown
from builds.imaging.packing.elf import is_known
from builds.imaging.pip.declared.reading import programs_of_wheels
from builds.imaging.pip.targets.beside import for_any_platform
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

_KIND = "machines-1"
_MOST_NAMED = 3


def check_machines(
    files: Sequence[WheelFile], probe: Probe, python: tuple[int, int], workshop: Workshop, reporter: Reporter
) -> list[str]:
    """Return a sentence for each wheel with programs for other machines beside its own, which are data to it.

    Raises ImageError with the wheels that are made for another machine: their modules, or all that they bring. Each
    wheel is read once.
    """
    machine = probe.machine
    if not is_known(machine):
        return []
    known = {file.sha256: workshop.recall(_KIND, f"{file.sha256} {machine}") for file in files}
    unread = [file for file in files if known[file.sha256] is None]
    for file, programs in programs_of_wheels(unread, python, machine, reporter):
        workshop.remember(_KIND, f"{file.sha256} {machine}", programs)
        known[file.sha256] = programs
    wrong = {file.path.name: why for file in files if (why := _why_wrong(file, known[file.sha256]))}
    if wrong:
        raise ImageError(
            "bad-wheel",
            f"The image is for {machine}, and {'; '.join(f'{name} is not: {why}' for name, why in wrong.items())}.",
            "Pin another version of the package, or tell its maintainers.",
            fault="outside",
        )
    return [
        f"{file.name} {file.version} has files for other machines than {machine}: {_named(programs)}."
        for file in files
        if (programs := known[file.sha256])["count"]
    ]


def _why_wrong(file: WheelFile, programs: dict[str, Any]) -> str:
    """Return why a wheel is for another machine, though its name says that it is for this; empty if it is not."""
    # A wheel for any platform chooses among what it brings.
    if not programs["count"] or for_any_platform(file.path.name):
        return ""
    module = any(is_module for _, _, is_module in programs["foreign"])
    return _named(programs) if module or not programs["fitting"] else ""


def _named(programs: dict[str, Any]) -> str:
    first = [f"{shown(path)} ({machine})" for path, machine, _ in programs["foreign"][:_MOST_NAMED]]
    more = programs["count"] - len(first)
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")
