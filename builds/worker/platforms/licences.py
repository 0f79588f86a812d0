"""The licences of an image's packages, added to its lock."""

from __future__ import annotations

from dataclasses import replace

from packaging.utils import canonicalize_name

from builds.imaging.conda.scripts import licences_of_conda
from builds.imaging.lock import LockedPackage
from builds.imaging.pip.declared.facts import facts_of_wheels
from builds.imaging.reporting import Reporter
from builds.imaging.workshop import Workshop
from builds.worker.platforms.targets import Made


def with_licences(made: Made, workshop: Workshop, reporter: Reporter) -> Made:
    """Return a platform's image with the licences that its packages declare in its lock, and log how many are unknown."""
    target = made.target
    lock, fetched = target.lock, target.fetched
    if not lock.packages:
        return made
    major, minor, *_ = (int(part) for part in (lock.python or "0.0").split("."))
    facts = facts_of_wheels(fetched.wheels, (major, minor), workshop, reporter)
    # By name, as a wheel that was built of a source has another sha256 than its lock.
    wheels = {
        (canonicalize_name(file.name), file.version): str(facts[file.sha256]["license"])
        for file in fetched.wheels
    }
    conda = licences_of_conda(fetched, workshop, reporter)

    def licensed(package: LockedPackage) -> LockedPackage:
        key = (canonicalize_name(package.name), package.version)
        licence = conda.get(package.sha256, "") if package.kind == "conda" else wheels.get(key, "")
        return package.model_copy(update={"license": licence})

    packages = tuple(map(licensed, lock.packages))
    unknown = sum(not package.license for package in packages)
    reporter.line(f"Licences: {len(packages) - unknown} packages declare theirs, {unknown} unknown.")
    return replace(made, target=replace(target, lock=lock.model_copy(update={"packages": packages})))
