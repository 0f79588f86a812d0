"""Whether the programs and libraries in wheels are made for the machine of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from builds.imaging.bases.probe import Probe
from builds.imaging.files import WheelFile
from builds.imaging.oci.names import shown
from builds.imaging.packing.elf import is_known
from builds.imaging.pip.targets.beside import for_any_platform
from builds.imaging.reporting import ImageError

_MOST_NAMED = 3

Facts = Mapping[str, Mapping[str, Any]]
"""What is known of each wheel, by its sha256: see `facts_of_wheels`."""


def check_machines(files: Sequence[WheelFile], facts: Facts, probe: Probe) -> list[str]:
    """Return a sentence for each wheel with programs for other machines beside its own, which are data to it.

    Raises ImageError with the wheels that are made for another machine: their modules, or all that they bring.
    """
    machine = probe.machine
    if not is_known(machine):
        return []
    wrong = []
    sentences = []
    for file in files:
        programs = facts[file.sha256]["programs"]
        foreign = {other: entry for other, entry in programs["machines"].items() if other != machine}
        if not foreign:
            continue
        named = _named(foreign)
        # A wheel for any platform chooses among what it brings.
        if not for_any_platform(file.path.name) and (
            programs["modules"] or machine not in programs["machines"]
        ):
            modules = [f"{shown(path)} ({other})" for path, other in programs["modules"][:_MOST_NAMED]]
            wrong.append(f"{file.path.name} is not: {', '.join(modules) or named}")
        sentences.append(f"{file.name} {file.version} has files for other machines than {machine}: {named}.")
    if wrong:
        raise ImageError(
            "bad-wheel",
            f"The image is for {machine}, and {'; '.join(wrong)}.",
            "Pin another version of the package, or tell its maintainers.",
            fault="outside",
        )
    return sentences


def _named(foreign: Mapping[str, Mapping[str, Any]]) -> str:
    paths = [
        f"{shown(path)} ({machine})" for machine, entry in sorted(foreign.items()) for path in entry["paths"]
    ]
    more = sum(entry["count"] for entry in foreign.values()) - len(paths[:_MOST_NAMED])
    return ", ".join(paths[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
