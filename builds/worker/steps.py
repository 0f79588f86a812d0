"""The steps of a build, run in the order of `StepName`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from builds.engine import build_base
from builds.engine.base_python import compiling_on
from builds.engine.dockerfiles.sources import sources
from builds.engine.postlink import linked
from builds.engine.wheels.build import build_wheels, engine_answers
from builds.imaging.assemble import AssembledImage, ImageSettings, assemble, indexed, python_of
from builds.imaging.bases.model import Base
from builds.imaging.bases.pull import stored_base
from builds.imaging.bytecode.providers import find_interpreter
from builds.imaging.conda.environment import resolve_environment
from builds.imaging.conda.layers import environment_layers
from builds.imaging.conda.scripts import packages_with_scripts
from builds.imaging.derived import as_base
from builds.imaging.download.fetch import Fetched, fetch, measured
from builds.imaging.download.integrity import undamaged
from builds.imaging.lock import Lock
from builds.imaging.oci.codecs import COMPRESSIONS
from builds.imaging.oci.layer import Layer
from builds.imaging.oci.manifest import OCI_MANIFEST, Descriptor
from builds.imaging.oci.store import BlobStore, free
from builds.imaging.pip.check import check_lock
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError, Quiet, Reporter
from builds.imaging.workshop import BYTECODES, Bytecode, ManagedPythons, Workshop
from builds.models import BaseImage, Build, Image
from builds.models.steps import StepName
from builds.worker.bases import resolve_base
from builds.worker.build_result import BuildResult
from builds.worker.confinement import check_confinement
from builds.worker.install_plan import InstallPlan, interpreter_misfits, plan_for_base
from builds.worker.publish import layers_pushed_ahead, push_image
from builds.worker.reporter import BuildReporter
from builds.worker.upload_limits import upload_limits
from environments.connections.service import workspace_logins
from environments.definition import Definition, ImageReference
from environments.encryption import DecryptionError
from environments.models import Version
from environments.network.credentials import Logins
from environments.workspaces.registry import bytecode_of, compression_of

PYTHON = "/opt/env/bin/python"


def make_workshop(
    reserve_disk: Callable[[int], None] = free,
    logins: Logins | None = None,
    *,
    compression: str = "gzip",
    bytecode: Bytecode = "imported",
) -> Workshop:
    """Return the workshop that the settings describe; it calls `reserve_disk` with each size that it adds."""
    return Workshop(
        store=BlobStore(settings.STORE, reserve_disk),
        reserve_disk=reserve_disk,
        cache=settings.CACHE,
        mirrors=settings.REGISTRY_MIRRORS,
        index_url=settings.INDEX_URL,
        channel_mirrors=settings.CHANNEL_MIRRORS,
        logins=logins or Logins(),
        file_channels=settings.FILE_CHANNELS,
        reach=settings.EGRESS_POLICY,
        builds_sources=engine_answers,
        compression=compression,
        bytecode=bytecode,
        managed_pythons=ManagedPythons(
            folder=settings.PYTHON_FOLDER,
            download=settings.PYTHON_DOWNLOADS,
            mirror=settings.PYTHON_MIRROR,
            downloads_json_url=settings.PYTHON_DOWNLOADS_JSON_URL,
        ),
    )


def make_image(build: Build, reporter: BuildReporter) -> BuildResult:
    """Make the image of a build's version, or return the existing image."""
    compressions = COMPRESSIONS[compression_of(build.workspace)]
    logins = _logins(build, reporter)
    workshop = make_workshop(
        reporter.budget.reserve_disk,
        logins,
        compression=compressions[0],
        bytecode=BYTECODES[bytecode_of(build.workspace)],
    )
    definition = build.version.definition
    reporter.line(f"Build {build.pk} of {build.version} ({build.hash}), attempt {reporter.claim.attempt}.")

    check_confinement(reporter)
    with reporter.step(StepName.BASE) as step:
        base = _find_base(build, workshop, reporter)
        step.cached = base.cached
    existing = reporter.lease.run(lambda: _existing_image(build, base))
    if existing is not None and not build.rebuild:
        reporter.line("An image with this content on this base exists already: there is nothing to build.")
        return BuildResult(existing=existing)

    plan = plan_for_base(base, definition)
    reporter.line(plan.reason)
    with compiling_on(base, workshop) as workshop:
        if plan.pip and not plan.conda and base.probe.python:
            # So that the log says it before the long steps.
            find_interpreter(base.probe.minor, workshop, reporter)
        lock, fetched = _packages(build, base, plan, workshop, reporter)
        with layers_pushed_ahead(build.workspace, repository(build.hash), workshop, reporter) as making:
            image = _layers(build, base, plan, lock, fetched, making, reporter, compressions)
        bytecode = _bytecode(base, lock, workshop, reporter)
    with reporter.step(StepName.VERIFY):
        misfits = interpreter_misfits(definition, base, workshop, reporter)
        misfits = _verify(lock, fetched, misfits, reporter)
    # The name moves last: a build that fails before this leaves the previous image in place (rule 16).
    with reporter.step(StepName.STORE):
        pushed_to = _store(build, base, image, workshop, reporter)
    interpreter = PYTHON if lock.python else definition.python.interpreter_path or base.probe.python
    more = {
        "interpreter": interpreter,
        "pushed_to": pushed_to,
        "conflicts": misfits,
        "bytecode": bytecode,
    }
    return BuildResult(row=_row(build, base, lock, image) | more)


def _packages(
    build: Build, base: Base, plan: InstallPlan, workshop: Workshop, reporter: BuildReporter
) -> tuple[Lock, Fetched]:
    """Resolve and fetch the packages, and build wheels of those that come as source."""
    if plan.empty:
        return Lock(base_digest=base.digest), Fetched((), 0)
    with reporter.step(StepName.RESOLVE):
        lock = _resolve(build, base, plan, workshop, reporter)
    with reporter.step(StepName.FETCH) as step:
        fetched = fetch(lock, workshop, reporter)
        lock = measured(lock, fetched)
        step.cached = fetched.cached
    if fetched.sdists:
        with reporter.step(StepName.BUILD) as step, undamaged(fetched):
            lock, fetched, step.cached = _with_wheels(build, base, plan, lock, fetched, workshop, reporter)
    return lock, fetched


def _layers(
    build: Build,
    base: Base,
    plan: InstallPlan,
    lock: Lock,
    fetched: Fetched,
    workshop: Workshop,
    reporter: BuildReporter,
    compressions: Sequence[str],
) -> AssembledImage:
    """Assemble the image in each compression; conda's post-link scripts, if there are any, add its last layer."""
    image_settings = _image_settings(build, plan)

    def assembled(compression: str, *last: Layer) -> AssembledImage:
        chosen = replace(workshop, compression=compression)
        conda = environment_layers(base, lock, fetched, chosen, reporter)
        return assemble(
            base, lock, fetched, image_settings, chosen, reporter, extra_layers=conda, last_layers=last
        )

    with reporter.step(StepName.ASSEMBLE) as step, undamaged(fetched):
        images = {compression: assembled(compression) for compression in compressions}
        step.cached = all(image.cached for image in images.values())
    if scripts := packages_with_scripts(lock, fetched, workshop, reporter):
        with reporter.step(StepName.LINK) as step:
            # Every engine reads gzip.
            plain = images.get("gzip") or assembled("gzip")
            last, step.cached = linked(as_base(plain, base, lock, workshop), scripts, workshop, reporter)
            images = {compression: assembled(compression, last) for compression in compressions}
    return indexed(images, workshop)


def _store(
    build: Build, base: Base, image: AssembledImage, workshop: Workshop, reporter: BuildReporter
) -> str:
    """Push the image to the workspace's registry and tag it in the store; return its name in the registry."""
    pushed_to = push_image(
        build.workspace, repository(build.hash), image.descriptor, workshop, reporter, base=base
    )
    name = f"{build.workspace.name}/{repository(build.hash)}:latest"
    workshop.store.tag(name, image.descriptor)
    reporter.line(f"Stored as {name}@{image.digest}.")
    return pushed_to


def resolve_for_rebuild(version: Version, image: Image, reporter: Reporter) -> Lock:
    """Return the lock that a rebuild of an image would install now. No image is made and no Dockerfile is run."""
    workspace = version.environment.workspace
    workshop = make_workshop(logins=workspace_logins(workspace))
    definition = version.definition
    if definition.image is None:
        if not workshop.store.has(image.base_digest):
            raise ImageError("base-gone", "What the Dockerfile made last time is no longer in the store.")
        size = workshop.store.size(image.base_digest)
        known = Descriptor(media_type=OCI_MANIFEST, digest=image.base_digest, size=size)
        base = stored_base(image.base, known, workshop, reporter)
    else:
        base = resolve_base(workspace, definition.image, workshop, reporter, platform=definition.platform)
    plan = plan_for_base(base, definition)
    if plan.empty:
        return Lock(base_digest=base.digest)
    # A row that is never written: a rebuild has no lock to prefer.
    build = Build(workspace=workspace, version=version, hash=version.hash, rebuild=True)
    return _resolve(build, base, plan, workshop, reporter)


def _logins(build: Build, reporter: BuildReporter) -> Logins:
    """Return the credentials that this build may use; the log masks them."""
    try:
        logins = reporter.lease.run(lambda: workspace_logins(build.workspace))
    except DecryptionError as error:
        raise ImageError(
            "connections-unreadable",
            f"The connections of {build.workspace} are encrypted with a key that this studio does not have.",
            "Whoever runs this studio has to add the key that was used before to STUDIO_ENCRYPTION_KEYS;"
            " or an owner replaces the passwords in Settings → Connections.",
            fault="studio",
        ) from error
    reporter.log.hide(logins.secrets)
    return logins


def repository(hash: str) -> str:
    """Return the name of an image inside its workspace: azureml/azureml_<hash> (rule 9)."""
    return f"{settings.IMAGE_PREFIX}{hash}"


def _find_base(build: Build, workshop: Workshop, reporter: BuildReporter) -> Base:
    """Return the base: an existing image, or one that the Docker Engine builds from the Dockerfile."""
    definition = build.version.definition
    find = partial(resolve_base, build.workspace)
    if definition.image is None:
        # The building engine uses its own images by itself.
        elsewhere = partial(find, local=False)
        base = build_base(definition, workshop, reporter, fresh=build.rebuild, find=elsewhere)
    else:
        base = find(definition.image, workshop, reporter, platform=definition.platform)
    if is_floating(definition):
        seen = {"digest": base.digest, "checked_at": timezone.now()}
        reference = BaseImage.reference_of(definition)
        reporter.lease.run(lambda: BaseImage.objects.update_or_create(reference=reference, defaults=seen))
    return base


def is_floating(definition: Definition) -> bool:
    """Return whether the base starts from a floating tag: none, or `latest` (rule 18)."""
    if definition.image == "host":
        return False
    if definition.image is not None:
        return ImageReference.parse(definition.image).floating
    arguments = definition.context.args if definition.context else {}
    return any(
        source.floating for source in sources(definition.dockerfile_text, arguments, definition.platform)
    )


def _existing_image(build: Build, base: Base) -> Image | None:
    """Return the current image with this content on this base."""
    images = Image.objects.filter(workspace=build.workspace, hash=build.hash, current=True)
    image = images.filter(base_digest=base.digest).first()
    # An image that is being cleaned up is made again.
    return image if image is not None and image.use() else None


def _resolve(build: Build, base: Base, plan: InstallPlan, workshop: Workshop, reporter: Reporter) -> Lock:
    previous = None
    if isinstance(reporter, BuildReporter) and not build.rebuild:
        previous = reporter.lease.run(lambda: previous_lock(build))
    if previous is not None:
        reporter.line("Versions of the previous image are kept where the definition allows it.")
    definition = build.version.definition
    python = definition.python
    limits = upload_limits(build, reporter)
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
        )
    return resolve_environment(
        base,
        python.channels,
        plan.conda,
        plan.pip,
        workshop,
        reporter,
        previous=previous,
        target=definition.target,
        requires_python=python.requires_python,
        limits=limits,
        package_indexes=python.package_indexes,
    )


def _with_wheels(
    build: Build,
    base: Base,
    plan: InstallPlan,
    lock: Lock,
    fetched: Fetched,
    workshop: Workshop,
    reporter: BuildReporter,
) -> tuple[Lock, Fetched, bool]:
    """Build wheels of what comes as source; return lock and files with them, and whether all were cached.

    Only a wheel states a package's requirements for certain: where they differ from its source's, the packages
    are resolved again.
    """
    cached = True
    limits = upload_limits(build, Quiet())  # which the log has already
    while True:
        onto = _conda_python(base, lock, fetched, workshop, reporter) if lock.conda else base
        built = build_wheels(onto, lock, fetched, workshop, reporter, lines=plan.pip, limits=limits)
        cached = cached and built.cached
        if not built.surprises:
            return lock, built.fetched, cached
        names = ", ".join(built.surprises)
        reporter.line(
            f"The wheels of {names} require other packages than their sources stated: resolving again"
        )
        lock = _resolve(build, base, plan, workshop, reporter)
        fetched = fetch(lock, workshop, reporter)


def _conda_python(
    base: Base, lock: Lock, fetched: Fetched, workshop: Workshop, reporter: BuildReporter
) -> Base:
    """Return the conda part of the environment as a base: wheels are built with the Python they are for."""
    conda = tuple(package for package in lock.packages if package.kind == "conda")
    only = lock.model_copy(update={"packages": conda})
    workshop = replace(workshop, compression="gzip")  # which every engine reads
    layers = environment_layers(base, lock, fetched, workshop, reporter)
    conda_files = Fetched((), 0, fetched.conda)
    image = assemble(base, only, conda_files, ImageSettings(), workshop, reporter, extra_layers=layers)
    return as_base(image, base, lock, workshop)


def previous_lock(build: Build) -> Lock | None:
    """Return the lock of the newest earlier version with an image, or else of the version it is based on."""
    version = build.version
    earlier = list(
        version.environment.versions.filter(number__lt=version.number)
        .order_by("-number")
        .values_list("hash", flat=True)[:20]
    )
    if version.based_on is not None:
        earlier.append(version.based_on.hash)
    # Never those of other workspaces: their locks are private.
    visible = Image.objects.filter(Q(workspace=build.workspace) | Q(workspace__curated=True), current=True)
    locks = dict(visible.filter(hash__in=earlier).exclude(lock=None).values_list("hash", "lock"))
    newest = next((locks[hash] for hash in earlier if hash in locks), None)
    return Lock.model_validate(newest) if newest else None


def _image_settings(build: Build, plan: InstallPlan) -> ImageSettings:
    # No variables: they are run-time metadata, and definitions that differ only in them share an image (rule 3).
    return ImageSettings(definition_hash=build.hash, environment=not plan.empty)


def _verify(lock: Lock, fetched: Fetched, misfits: list[str], reporter: BuildReporter) -> list[str]:
    """Log and return what does not fit together, after the misfits that are known already."""
    problems = [*misfits, *check_lock(lock, fetched, reporter)]
    for problem in (*problems, *lock.warnings):
        reporter.line(f"Warning: {problem}")
    if not problems and lock.packages:
        reporter.line(f"The packages fit together: {len(lock.packages)} checked.")
    return problems


def _bytecode(base: Base, lock: Lock, workshop: Workshop, reporter: BuildReporter) -> dict[str, str] | None:
    """Return what made the bytecode, as `Image.bytecode` has it; None where nothing is to be compiled."""
    python = python_of(base, lock)
    if python is None or workshop.bytecode == "none":
        return None
    interpreter = find_interpreter(python, workshop, reporter)
    if interpreter is None:
        return {"provider": "none", "python": f"{python[0]}.{python[1]}", "identity": "", "modules": "none"}
    return {
        "provider": interpreter.provider,
        "python": interpreter.version,
        "identity": interpreter.identity,
        "modules": workshop.bytecode,
    }


def _row(build: Build, base: Base, lock: Lock, image: AssembledImage) -> dict[str, Any]:
    """Return the fields of an image's row."""
    return {
        "repository": repository(build.hash),
        "digest": image.digest,
        "size": image.size,
        "layers": image.layers_of_all,
        "lock": lock.model_dump(mode="json"),
        "packages": len(lock.packages),
        "base": base.reference,
        "base_digest": base.digest,
        "base_created_at": base.created_at,
        "floating": is_floating(build.version.definition),
        "python": lock.python or base.probe.version,
    }
