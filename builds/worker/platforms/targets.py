"""One platform of an image: its base, what is installed on it, and the files of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from builds.imaging.assemble import AssembledImage
from builds.imaging.bases.model import Base, Bases
from builds.imaging.download.fetch import Fetched
from builds.imaging.lock import Lock
from builds.imaging.oci.platforms import of_this_machine
from builds.imaging.pip.check import check_lock
from builds.imaging.pip.declared.facts import facts_of_wheels
from builds.imaging.pip.machines import check_machines
from builds.imaging.pip.targets.beside import for_any_platform, lacking
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from builds.worker.install_plan import InstallPlan, plan_for_base
from environments.definition import Definition


@dataclass(frozen=True)
class Target:
    """A platform that an image is made for. `foreign` means that nothing of it can be run here.

    The only platform of a definition is not foreign: its containers are left to the Docker Engine.
    """

    platform: str
    base: Base
    plan: InstallPlan
    foreign: bool = False
    lock: Lock = field(default_factory=Lock)
    fetched: Fetched = field(default_factory=partial(Fetched, (), 0))

    def with_files(self, lock: Lock, fetched: Fetched) -> Target:
        """Return it with another lock, and the files of that."""
        return replace(self, lock=lock, fetched=fetched)


@dataclass(frozen=True)
class Made:
    """The image of a platform."""

    target: Target
    image: AssembledImage


def targets_of(definition: Definition, bases: Bases, reporter: Reporter) -> list[Target]:
    """Return the target of each platform with its install plan, this machine's own platform first."""
    several = len(bases.each) > 1
    own = of_this_machine()
    targets = [
        Target(
            platform,
            base,
            plan_for_base(base, definition),
            foreign=several and platform != own,
            lock=Lock(base_digest=base.digest),
        )
        for platform, base in zip(definition.platforms, bases.each, strict=True)
    ]
    for reason in dict.fromkeys(target.plan.reason for target in targets):
        reporter.line(reason)
    return sorted(targets, key=lambda target: target.foreign)


def refuse_sources(targets: Sequence[Target]) -> None:
    """Raise ImageError with the packages of foreign platforms that would have to be compiled for them.

    A source that this machine's platform takes as source too may give a wheel for any platform.
    """
    own = {
        (package.name, package.version)
        for target in targets
        if not target.foreign
        for package in target.lock.packages
        if package.kind == "sdist"
    }
    for target in targets:
        sources = [package for package in target.lock.packages if package.kind == "sdist"]
        missing = [package for package in sources if (package.name, package.version) not in own]
        if target.foreign and missing:
            raise lacking(missing, target.platform)


def with_wheels_of(own: Target, target: Target) -> Target:
    """Return a foreign target with the wheels that were built of its sources for this machine's platform.

    Raises ImageError with those that fit this machine's platform only.
    """
    built = {(file.name, file.version): file for file in own.fetched.wheels}
    sources = {
        (package.name, package.version): package
        for package in target.lock.packages
        if package.kind == "sdist"
    }
    wheels = {key: built[key] for key in sources if key in built}
    compiled = [package for key, package in sources.items() if not for_any_platform(wheels[key].path.name)]
    if compiled:
        raise lacking(compiled, target.platform)
    everything = sorted((*target.fetched.wheels, *wheels.values()), key=lambda file: file.name)
    return replace(target, fetched=replace(target.fetched, wheels=tuple(everything)))


def check_files(target: Target, workshop: Workshop, reporter: Reporter) -> tuple[list[str], list[str]]:
    """Return sentences about packages that do not fit together, and about wheels with programs for other machines.

    Raises ImageError if a wheel is for another machine than the target's.
    """
    lock, fetched = target.lock, target.fetched
    if not lock.python:
        return [], []
    major, minor, *_ = (int(part) for part in lock.python.split("."))
    facts = facts_of_wheels(fetched.wheels, (major, minor), workshop, reporter)
    foreign = check_machines(fetched.wheels, facts, target.base.probe)
    return check_lock(lock, fetched, reporter, facts), foreign


def refuse_scripts(target: Target, names: Sequence[str]) -> None:
    """Raise ImageError where conda packages of a foreign platform want to run their scripts."""
    if not (target.foreign and names):
        return
    raise ImageError(
        "post-link-script",
        f"{', '.join(names)} for {target.platform} {'runs' if len(names) == 1 else 'run'} a script once installed,"
        " which needs a machine of that platform.",
        "Leave the packages out, or build for this machine's platform alone.",
    )
