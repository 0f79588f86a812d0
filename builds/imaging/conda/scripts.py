"""Post-link scripts of conda packages, in the order in which they must run, and licences of conda packages."""

from __future__ import annotations

from typing import Any

from builds.imaging.conda.workers import read_contents
from builds.imaging.download.fetch import Fetched
from builds.imaging.licences.declared import of_conda
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.reporting import Reporter
from builds.imaging.workshop import Workshop

_KNOWN = "conda-facts-1"


def packages_with_scripts(
    lock: Lock, fetched: Fetched, workshop: Workshop, reporter: Reporter
) -> tuple[LockedPackage, ...]:
    """Return the packages with a post-link script, each after those that it needs."""
    with_one = _with_script(fetched, workshop, reporter)
    if not with_one:
        return ()
    return tuple(package for package in _in_order(lock) if package.sha256 in with_one)


def licences_of_conda(fetched: Fetched, workshop: Workshop, reporter: Reporter) -> dict[str, str]:
    """Return the licence of each conda package by its sha256, as an SPDX expression; empty for unknown."""
    known = _facts(fetched, workshop, reporter)
    return {sha256: str(facts["license"]) for sha256, facts in known.items()}


def _with_script(fetched: Fetched, workshop: Workshop, reporter: Reporter) -> set[str]:
    """Return the sha256 of the files with a post-link script."""
    known = _facts(fetched, workshop, reporter)
    return {sha256 for sha256, facts in known.items() if facts["post_link"]}


def _facts(fetched: Fetched, workshop: Workshop, reporter: Reporter) -> dict[str, dict[str, Any]]:
    """Return what each package says of itself, by its sha256; each file is read once."""
    known = {file.sha256: workshop.recall(_KNOWN, file.sha256) for file in fetched.conda}
    unread = [file for file in fetched.conda if known[file.sha256] is None]
    for file, about in read_contents(unread, reporter):
        facts = {"post_link": about.post_link, "license": of_conda(about.index)}
        known[file.sha256] = facts
        workshop.remember(_KNOWN, file.sha256, facts)
    return known


def _in_order(lock: Lock) -> list[LockedPackage]:
    packages = {package.name: package for package in lock.packages if package.kind == "conda"}
    needs: dict[str, set[str]] = {name: set() for name in packages}
    for package in packages.values():
        for above in package.needed_by:
            if above in needs:
                needs[above].add(package.name)
    order: list[str] = []
    while len(order) < len(packages):
        left = [name for name in packages if name not in order]
        # Packages that need one another come in the order of their names.
        ready = [name for name in left if needs[name] <= {*order, name}] or left[:1]
        order += ready
    return [packages[name] for name in order]
