"""Notes in the log about surprising results of a resolution, and their reasons."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.pip.solver_errors import without_files
from builds.imaging.pip.uploads import UNDATED
from builds.imaging.reporting import Reporter
from environments.network.masking import masked

# No source is built while packages are resolved, so it does not matter with which Python.
_BESIDE_THE_POINT = re.compile(r"requested Python version \S+ is not available")


def report_older(
    locked_packages: Sequence[LockedPackage],
    newest: dict[str, str],
    previous: Lock | None,
    reporter: Reporter,
) -> None:
    """Say where a requested package is older than its own requirement would allow: nobody expects that."""
    for package in locked_packages:
        alone = newest.get(package.name, package.version)
        before = previous.named(package.name) if previous is not None else None
        stayed = before is not None and before.version == package.version
        if package.requested and alone != package.version and not stayed:
            reporter.line(
                f"Note: {package.name} {package.version} was taken, not {alone}: that one needs something"
                " that has no wheel, or that contradicts another package"
            )


def report_left_out(lines: Sequence[str], installed: Collection[str], reporter: Reporter) -> None:
    """Say which requirements are for other platforms or Pythons, as pip does."""
    for line in lines:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if wanted.marker is not None and canonicalize_name(wanted.name) not in installed:
            reporter.line(f"{wanted.name} is left out: “{wanted.marker}” is not so on this base")


def report_warnings(message: str, reporter: Reporter) -> None:
    """Say what the solver warns of: versions that were withdrawn, extras that there are not."""
    warnings = (
        line.removeprefix("warning: ") for line in message.splitlines() if line.startswith("warning: ")
    )
    for warning in dict.fromkeys(warnings):
        if not _BESIDE_THE_POINT.search(warning) and not UNDATED.search(warning):
            reporter.line(f"Warning: {without_files(masked(warning))}")
