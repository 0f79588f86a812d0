"""The steps of a build, run in the order of `StepName`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from django.conf import settings
from django.utils import timezone

from builds.advisories.base_layers import save_base_packages
from builds.engine import build_base
from builds.engine.base_python import compiling_on
from builds.engine.dockerfiles.sources import sources
from builds.engine.postlink import linked
from builds.engine.wheels.build import engine_answers
from builds.imaging.assemble import AssembledImage, ImageSettings, assemble, indexed
from builds.imaging.bases.model import Bases
from builds.imaging.bases.pull import stored_base
from builds.imaging.conda.layers import environment_layers
from builds.imaging.conda.scripts import packages_with_scripts
from builds.imaging.derived import as_base
from builds.imaging.download.integrity import undamaged
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.codecs import COMPRESSIONS
from builds.imaging.oci.layer import Layer
from builds.imaging.oci.manifest import OCI_MANIFEST, Descriptor
from builds.imaging.oci.referrers import Attachment
from builds.imaging.oci.store import BlobStore, free
from builds.imaging.reporting import ImageError, Quiet, Reporter
from builds.imaging.workshop import BYTECODES, Bytecode, ManagedPythons, Workshop
from builds.models import BaseImage, Build, Image
from builds.models.steps import StepName
from builds.policies.gate import gate
from builds.worker.bases import base_reference, resolve_base, resolve_bases
from builds.worker.build_result import BuildResult
from builds.worker.confinement import check_confinement
from builds.worker.install_plan import interpreter_misfits
from builds.worker.platforms.bytecode import bytecode_in, report_compilers
from builds.worker.platforms.index import image_row, whole_image
from builds.worker.platforms.licences import with_licences
from builds.worker.platforms.packages import install, resolve_each
from builds.worker.platforms.targets import Made, Target, check_files, refuse_scripts, targets_of
from builds.worker.proving.attest import attest
from builds.worker.proving.testing import check_image, row_of
from builds.worker.publish import layers_pushed_ahead, push_image
from builds.worker.reporter import BuildReporter
from environments.connections.service import workspace_logins
from environments.definition import Definition, ImageReference
from environments.encryption import DecryptionError
from environments.models import Version
from environments.network.credentials import Logins
from environments.workspaces.registry import bytecode_of, compression_of


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
        managed_pythons=managed_pythons(),
    )


def managed_pythons() -> ManagedPythons:
    """Return the Pythons that uv may install, as the settings describe them."""
    return ManagedPythons(
        folder=settings.PYTHON_FOLDER,
        download=settings.PYTHON_DOWNLOADS,
        mirror=settings.PYTHON_MIRROR,
        downloads_json_url=settings.PYTHON_DOWNLOADS_JSON_URL,
    )


def make_image(build: Build, reporter: BuildReporter) -> BuildResult:
    """Make the image of a build's version, or return the existing image."""
    compressions = COMPRESSIONS[compression_of(build.workspace)]
    workshop = make_workshop(
        reporter.budget.reserve_disk,
        _logins(build, reporter),
        compression=compressions[0],
        bytecode=BYTECODES[bytecode_of(build.workspace)],
    )
    definition = build.version.definition
    reporter.line(
        f"Build {build.pk} of {build.version}, definition {build.hash}, attempt {reporter.claim.attempt}."
    )

    check_confinement(reporter)
    with reporter.step(StepName.BASE) as step:
        bases = _find_bases(build, workshop, reporter)
        step.cached = bases.cached
    reporter.lease.run(lambda: save_base_packages(bases, workshop))
    existing = reporter.lease.run(lambda: _existing_image(build, bases))
    if existing is not None and not build.rebuild:
        reporter.line("An image of this definition on this base image already exists. Nothing to build.")
        if definition.smoke_test:
            with reporter.step(StepName.VERIFY):
                check_image(build, row_of(existing), workshop.store, reporter)
        return BuildResult(existing=existing)

    targets = targets_of(definition, bases, reporter)
    with compiling_on(targets[0].base, workshop) as workshop:
        report_compilers(targets, workshop, reporter)
        targets = install(build, targets, workshop, reporter)
        with layers_pushed_ahead(build.workspace, repository(build.hash), workshop, reporter) as making:
            made = _assembled(build, targets, compressions, making, reporter)
        bytecode = bytecode_in(targets[0], workshop, reporter)
    image = whole_image(made, workshop)
    with reporter.step(StepName.VERIFY):
        conflicts = _verify(definition, targets, workshop, reporter)
        made = [with_licences(each, workshop, reporter) for each in made]
        row = image_row(definition, bases, made, image, workshop)
        check_image(build, row, workshop.store, reporter)
        locks = [each.target.lock for each in made]
        digests = {"digest": image.digest, "base_digest": bases.digest}
        gate(build, bases.first, locks, reporter, run=reporter.lease.run, **digests)
    more = {"repository": repository(build.hash), "floating": is_floating(definition), "bytecode": bytecode}
    row |= more | {"conflicts": conflicts}
    # The name moves last: a build that fails before this leaves the previous image in place (rule 16).
    with reporter.step(StepName.STORE):
        attachments = attest(build, row, image.descriptor, compressions, workshop, reporter)
        pushed_to = _store(build, bases, image.descriptor, attachments, workshop, reporter)
    return BuildResult(row=row | {"pushed_to": pushed_to}, attachments=attachments)


def _assembled(
    build: Build,
    targets: Sequence[Target],
    compressions: Sequence[str],
    workshop: Workshop,
    reporter: BuildReporter,
) -> list[Made]:
    """Assemble the image of each platform, in each compression; conda's post-link scripts, if any, add its last layer."""
    scripts = {target.platform: _scripts(target, workshop, reporter) for target in targets}
    images: dict[str, dict[str, AssembledImage]] = {}

    def assembled(target: Target, compression: str, *last: Layer) -> AssembledImage:
        return _assemble(build, target, replace(workshop, compression=compression), reporter, last=last)

    with reporter.step(StepName.ASSEMBLE) as step:
        for target in targets:
            with undamaged(target.fetched):
                images[target.platform] = {name: assembled(target, name) for name in compressions}
        step.cached = all(image.cached for each in images.values() for image in each.values())
    for target in targets:
        if packages := scripts[target.platform]:
            with reporter.step(StepName.LINK) as step:
                # Every engine reads gzip.
                plain = images[target.platform].get("gzip") or assembled(target, "gzip")
                onto = as_base(plain, target.base, target.lock, workshop)
                last, step.cached = linked(onto, packages, workshop, reporter)
                images[target.platform] = {name: assembled(target, name, last) for name in compressions}
    return [Made(target, indexed(images[target.platform], workshop)) for target in targets]


def _scripts(target: Target, workshop: Workshop, reporter: BuildReporter) -> Sequence[LockedPackage]:
    """Return the packages with post-link scripts. Raises ImageError where they cannot be run."""
    packages = packages_with_scripts(target.lock, target.fetched, workshop, reporter)
    refuse_scripts(target, [package.name for package in packages])
    return packages


def _assemble(
    build: Build,
    target: Target,
    workshop: Workshop,
    reporter: BuildReporter,
    *,
    last: Sequence[Layer] = (),
) -> AssembledImage:
    # No variables: they are run-time metadata, and definitions that differ only in them share an image (rule 3).
    image_settings = ImageSettings(definition_hash=build.hash, environment=not target.plan.empty)
    base, lock, fetched = target.base, target.lock, target.fetched
    conda = environment_layers(base, lock, fetched, workshop, reporter)
    return assemble(
        base, lock, fetched, image_settings, workshop, reporter, extra_layers=conda, last_layers=last
    )


def _store(
    build: Build,
    bases: Bases,
    image: Descriptor,
    attachments: Sequence[Attachment],
    workshop: Workshop,
    reporter: BuildReporter,
) -> str:
    """Push the image to the workspace's registry and tag it in the store; return its name in the registry."""
    pushed_to = push_image(
        build.workspace,
        repository(build.hash),
        image,
        workshop,
        reporter,
        base=bases.first,
        attachments=attachments,
    )
    name = f"{build.workspace.name}/{repository(build.hash)}:latest"
    workshop.store.tag(name, image)
    reporter.line(f"Stored as {name}@{image.digest}.")
    return pushed_to


def resolve_for_rebuild(
    version: Version, image: Image, reporter: Reporter, *, previous: Lock | None = None
) -> tuple[str, list[Target]]:
    """Return the digest of the base, and what a rebuild would install now on each platform.

    With `previous` its versions are kept where they fit. No image is made and no Dockerfile is run; `version` need not be
    saved.
    """
    workspace = version.environment.workspace
    workshop = make_workshop(logins=workspace_logins(workspace))
    definition = version.definition
    if definition.image is None:
        if not workshop.store.has(image.base_digest):
            raise ImageError("base-gone", "The Dockerfile's last result is no longer stored.")
        size = workshop.store.size(image.base_digest)
        known = Descriptor(media_type=OCI_MANIFEST, digest=image.base_digest, size=size)
        bases = Bases.of(stored_base(image.base, known, workshop, reporter))
    else:
        reference = base_reference(workspace, version.hash, definition.image)
        bases = resolve_bases(workspace, reference, workshop, reporter, platforms=definition.platforms)
    targets = targets_of(definition, bases, Quiet())
    if all(target.plan.empty for target in targets):
        return bases.digest, targets
    # A row that is never written: a rebuild has no lock to prefer.
    build = Build(workspace=workspace, version=version, hash=version.hash, rebuild=previous is None)
    return bases.digest, resolve_each(build, targets, workshop, reporter, previous=previous)


def _logins(build: Build, reporter: BuildReporter) -> Logins:
    """Return the credentials that this build may use; the log masks them."""
    try:
        logins = reporter.lease.run(lambda: workspace_logins(build.workspace))
    except DecryptionError as error:
        raise ImageError(
            "connections-unreadable",
            f"The connections of {build.workspace} are encrypted with a key that this studio doesn't have.",
            "An admin needs to add the previous key to STUDIO_ENCRYPTION_KEYS;"
            " or an owner replaces the passwords in Settings → Connections.",
            fault="studio",
        ) from error
    reporter.log.hide(logins.secrets)
    return logins


def repository(hash: str) -> str:
    """Return the name of an image inside its workspace: azureml/azureml_<hash> (rule 9)."""
    return f"{settings.IMAGE_PREFIX}{hash}"


def _find_bases(build: Build, workshop: Workshop, reporter: BuildReporter) -> Bases:
    """Return the base of each platform: existing images, or one that the Docker Engine builds from the Dockerfile."""
    definition = build.version.definition
    if definition.image is None:
        # The building engine uses its own images by itself.
        elsewhere = partial(resolve_base, build.workspace, local=False)
        base = build_base(definition, workshop, reporter, fresh=build.rebuild, find=elsewhere)
        bases = Bases.of(base)
    else:
        written = definition.image
        reference = reporter.lease.run(lambda: base_reference(build.workspace, build.hash, written))
        bases = resolve_bases(build.workspace, reference, workshop, reporter, platforms=definition.platforms)
    if is_floating(definition):
        seen = {"digest": bases.digest, "checked_at": timezone.now()}
        key = BaseImage.reference_of(definition)
        reporter.lease.run(lambda: BaseImage.objects.update_or_create(reference=key, defaults=seen))
    return bases


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


def _existing_image(build: Build, bases: Bases) -> Image | None:
    """Return the current image with this content on this base."""
    images = Image.objects.filter(workspace=build.workspace, hash=build.hash, current=True)
    image = images.filter(base_digest=bases.digest).first()
    # An image that is being cleaned up is made again.
    return image if image is not None and image.use() else None


def _verify(
    definition: Definition, targets: Sequence[Target], workshop: Workshop, reporter: BuildReporter
) -> list[str]:
    """Log and return what does not fit together on each platform; each sentence once."""
    problems: list[str] = []
    foreign: dict[str, None] = {}
    for target in targets:
        misfits = interpreter_misfits(definition, target.base, workshop, reporter)
        conflicts, of_others = check_files(target, workshop, reporter)
        problems += [*misfits, *conflicts]
        foreign |= dict.fromkeys(of_others)
    problems = list(dict.fromkeys(problems))
    warnings = dict.fromkeys(warning for target in targets for warning in target.lock.warnings)
    for problem in (*problems, *foreign, *warnings):
        reporter.line(f"Warning: {problem}")
    checked = sum(len(target.lock.packages) for target in targets)
    if not problems and checked:
        reporter.line(f"Dependencies: {checked} packages checked, all compatible.")
    return problems
