"""Resolve and fetch the packages of every platform, and build wheels of those that come as source."""

from __future__ import annotations

from dataclasses import replace

from django.db.models import Q

from builds.engine.wheels.build import build_wheels
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases.model import Base
from builds.imaging.conda.environment import resolve_environment
from builds.imaging.conda.layers import environment_layers
from builds.imaging.derived import as_base
from builds.imaging.download.fetch import Fetched, fetch, fetch_together, measured
from builds.imaging.download.integrity import undamaged
from builds.imaging.lock import Lock
from builds.imaging.pip.resolve import resolve
from builds.imaging.pip.targets.beside import Beside
from builds.imaging.reporting import Quiet, Reporter
from builds.imaging.workshop import Workshop
from builds.models import Build, Image
from builds.models.steps import StepName
from builds.worker.platforms.targets import Target, refuse_sources, with_wheels_of
from builds.worker.reporter import BuildReporter
from builds.worker.upload_limits import upload_limits
from environments.definition.formats.target import on_platform

Targets = list[Target]


def install(build: Build, targets: Targets, workshop: Workshop, reporter: BuildReporter) -> Targets:
    """Return the targets with their locks and files; wheels are built where packages come as source.

    What is missing for a platform is named before anything is fetched. Raises ImageError.
    """
    if all(target.plan.empty for target in targets):
        return targets
    with reporter.step(StepName.RESOLVE):
        # Of several platforms, all are resolved before anything is fetched.
        targets = resolve_each(build, targets, workshop, reporter, early=len(targets) == 1)
        refuse_sources(targets)
    with reporter.step(StepName.FETCH) as step:
        targets = _fetched(targets, workshop, reporter)
        step.cached = all(target.fetched.cached for target in targets)
    own, *others = targets
    if own.fetched.sdists:
        with reporter.step(StepName.BUILD) as step, undamaged(own.fetched):
            locked = own.lock
            own, step.cached = _with_wheels(build, own, workshop, reporter)
            if own.lock != locked and others:
                # The wheels require other packages than their sources stated.
                others = resolve_each(build, [own, *others], workshop, reporter, known=own.lock)[1:]
                refuse_sources([own, *others])
                others = _fetched(others, workshop, reporter)
            others = [with_wheels_of(own, other) for other in others]
    return [own, *others]


def resolve_each(
    build: Build,
    targets: Targets,
    workshop: Workshop,
    reporter: Reporter,
    *,
    known: Lock | None = None,
    previous: Lock | None = None,
    early: bool = False,
) -> Targets:
    """Return the targets with their locks: each stays with the versions of the first, where its platform has them.

    The first stays with those of `previous`, by default the lock of the previous image. With `early`, since its files
    are fetched next, pinned packages of it are fetched meanwhile.
    """
    first, *others = targets
    several = bool(others)
    if several and known is None:
        reporter.line(f"For {first.platform}:")
    lock = known or _resolve(build, first, workshop, reporter, previous=previous, early=early)
    first = replace(first, lock=lock)
    result = [first]
    for target in others:
        reporter.line(f"For {target.platform}, at the same versions where they exist:")
        lock = _resolve(build, target, workshop, reporter, beside=Beside(target.platform, first.lock))
        result.append(replace(target, lock=lock))
        _report_differences(first, result[-1], reporter)
    return result


def _report_differences(first: Target, other: Target, reporter: Reporter) -> None:
    """Log the packages whose versions differ between two platforms."""
    before, after = (
        {(p.ecosystem, p.name): p.version for p in target.lock.packages} for target in (first, other)
    )
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was != now:
            shown = (
                f"{now or 'not installed'} on {other.platform}, {was or 'not installed'} on {first.platform}"
            )
            reporter.line(f"{key[1]}: {shown}")


def _fetched(targets: Targets, workshop: Workshop, reporter: Reporter) -> Targets:
    """Return the targets with their files; what several platforms share is fetched once."""
    files = fetch_together([target.lock for target in targets], workshop, reporter)
    return [
        target.with_files(measured(target.lock, fetched), fetched)
        for target, fetched in zip(targets, files, strict=True)
    ]


def _resolve(
    build: Build,
    target: Target,
    workshop: Workshop,
    reporter: Reporter,
    beside: Beside | None = None,
    previous: Lock | None = None,
    *,
    early: bool = False,
) -> Lock:
    plan, base = target.plan, target.base
    previous = beside.lock if beside else previous
    if beside is None and isinstance(reporter, BuildReporter) and not build.rebuild:
        previous = reporter.lease.run(lambda: previous_lock(build))
        if previous is not None:
            reporter.line("Versions of the previous image are kept where the definition allows it.")
    definition = build.version.definition
    python = definition.python
    limits = upload_limits(build, Quiet() if beside else reporter)
    if plan.empty:
        return Lock(base_digest=base.digest)
    if not plan.conda:
        return resolve(
            base,
            plan.pip,
            workshop,
            reporter,
            previous=previous,
            refresh=build.rebuild,
            requires_python=python.requires_python,
            limits=limits,
            package_indexes=python.package_indexes,
            beside=beside,
            early=early,
        )
    return resolve_environment(
        base,
        python.channels,
        plan.conda,
        plan.pip,
        workshop,
        reporter,
        previous=previous,
        target=on_platform(definition.target, target.platform),
        requires_python=python.requires_python,
        limits=limits,
        package_indexes=python.package_indexes,
        beside=beside,
    )


def _with_wheels(
    build: Build, target: Target, workshop: Workshop, reporter: BuildReporter
) -> tuple[Target, bool]:
    """Build wheels of what comes as source; return the target with them, and whether all were cached.

    Only a wheel states a package's requirements for certain: where they differ from its source's, the packages
    are resolved again.
    """
    cached = True
    limits = upload_limits(build, Quiet())  # which the log has already
    while True:
        onto = _conda_python(target, workshop, reporter) if target.lock.conda else target.base
        built = build_wheels(
            onto, target.lock, target.fetched, workshop, reporter, lines=target.plan.pip, limits=limits
        )
        cached = cached and built.cached
        if not built.surprises:
            return replace(target, fetched=built.fetched), cached
        names = ", ".join(built.surprises)
        reporter.line(
            f"The wheels of {names} require other packages than their sources stated: resolving again"
        )
        lock = _resolve(build, target, workshop, reporter)
        target = target.with_files(lock, fetch(lock, workshop, reporter))


def _conda_python(target: Target, workshop: Workshop, reporter: BuildReporter) -> Base:
    """Return the conda part of the environment as a base: wheels are built with the Python they are for."""
    base, lock = target.base, target.lock
    conda = tuple(package for package in lock.packages if package.kind == "conda")
    only = lock.model_copy(update={"packages": conda})
    workshop = replace(workshop, compression="gzip")  # which every engine reads
    layers = environment_layers(base, lock, target.fetched, workshop, reporter)
    conda_files = Fetched((), 0, target.fetched.conda)
    image = assemble(base, only, conda_files, ImageSettings(), workshop, reporter, extra_layers=layers)
    return as_base(image, base, lock, workshop)


def previous_lock(build: Build) -> Lock | None:
    """Return the lock of the newest earlier version with an image, or else of the version it is based on."""
    version = build.version
    before = version.environment.versions.filter(number__lt=version.number).order_by("-number")
    # Anonymous versions have nothing in common but their environment.
    earlier = [] if version.environment.anonymous else list(before.values_list("hash", flat=True)[:20])
    if version.based_on is not None:
        earlier.append(version.based_on.hash)
    # Never those of other workspaces: their locks are private.
    visible = Image.objects.filter(Q(workspace=build.workspace) | Q(workspace__curated=True), current=True)
    locks = dict(visible.filter(hash__in=earlier).exclude(lock=None).values_list("hash", "lock"))
    newest = next((locks[hash] for hash in earlier if hash in locks), None)
    return Lock.model_validate(newest) if newest else None
