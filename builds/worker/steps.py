"""The steps of a build, in their order: base, resolve, fetch, build (of sources), assemble, link (scripts),
verify, store."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from builds.bases import base_for
from builds.claims import Claim
from builds.engine import build_base
from builds.engine.postlink import linked
from builds.engine.sources import sources
from builds.engine.wheels import build_wheels
from builds.images import (
    AssembledImage,
    Base,
    BlobStore,
    Descriptor,
    Fetched,
    ImageError,
    ImageSettings,
    Lock,
    Reporter,
    Workshop,
    assemble,
    check_lock,
    fetch,
    measured,
    resolve,
)
from builds.images.conda.environment import resolve_environment
from builds.images.conda.layers import environment_layers
from builds.images.conda.scripts import scripted
from builds.images.damaged import undamaged
from builds.images.manifest import OCI_MANIFEST
from builds.images.onward import as_base
from builds.images.pull import stored_base
from builds.images.store import free
from builds.layers import keep_layers
from builds.models import BaseImage, Build, Image
from builds.packages import keep_packages
from builds.pushing import push_image
from builds.python_layer import Plan, interpreter_misfits, plan_on
from builds.reporting import BuildReporter
from environments.connections import logins_of
from environments.definition import Definition, ImageReference
from environments.logins import Logins
from environments.models import Version
from environments.vault import Unreadable

PYTHON = "/opt/env/bin/python"


@dataclass(frozen=True)
class Made:
    """What a build came to: the image there is already, or the row of a new one, not yet written."""

    there: Image | None = None
    row: dict[str, Any] = field(default_factory=dict)

    @property
    def reused(self) -> bool:
        """Whether nothing had to be made."""
        return self.there is not None

    @transaction.atomic
    def keep(self, build: Build, claim: Claim) -> Image:
        """Make the image the current one and end the build, both or neither."""
        if self.there is not None:
            image = self.there
        else:
            now = timezone.now()
            images = Image.objects.filter(workspace=build.workspace, hash=build.hash)
            images.filter(current=True).update(current=False)
            # The same bytes again (a rebuild that moved nothing) are the same image.
            image, _ = images.update_or_create(
                workspace=build.workspace,
                hash=build.hash,
                digest=self.row["digest"],
                defaults={**self.row, "current": True, "built_at": now, "used_at": now},
            )
            keep_packages(image)
            keep_layers(image)
        claim.succeed(image, reused=self.reused)
        return image


def workshop(spend: Callable[[int], None] = free, logins: Logins | None = None) -> Workshop:
    """Return where images are made, as the settings have it. `spend` is told the bytes that are added."""
    return Workshop(
        store=BlobStore(settings.STORE, spend),
        spend=spend,
        cache=settings.CACHE,
        mirrors=settings.REGISTRY_MIRRORS,
        index_url=settings.INDEX_URL,
        channel_mirrors=settings.CHANNEL_MIRRORS,
        logins=logins or Logins(),
        file_channels=settings.FILE_CHANNELS,
        reach=settings.REACH,
    )


def make_image(build: Build, reporter: BuildReporter) -> Made:
    """Make the image of a build's version, or find that there is one."""
    shop = workshop(reporter.bounds.spend, _logins(build, reporter))
    definition = build.version.definition
    reporter.line(f"Build {build.pk} of {build.version} ({build.hash}), attempt {reporter.claim.attempt}.")

    with reporter.step(1, "base") as step:
        base = _find_base(build, shop, reporter)
        step.cached = base.cached
    there = reporter.lease.keep(lambda: _built_on(build, base))
    if there is not None and not build.rebuild:
        reporter.line("There is an image with this content on this base already. Nothing has to be made.")
        return Made(there=there)

    to_install = plan_on(base, definition)
    reporter.line(to_install.reason)
    lock, fetched = Lock(base_digest=base.digest), Fetched((), 0)
    if not to_install.empty:
        with reporter.step(2, "resolve"):
            lock = _resolve(build, base, to_install, shop, reporter)
        with reporter.step(3, "fetch") as step:
            fetched = fetch(lock, shop, reporter)
            lock = measured(lock, fetched)
            step.cached = fetched.cached
    if fetched.sdists:
        with reporter.step(4, "build") as step, undamaged(fetched):
            lock, fetched, step.cached = _with_wheels(build, base, to_install, lock, fetched, shop, reporter)
    with reporter.step(5, "assemble") as step, undamaged(fetched):
        told = _image_settings(build, to_install)
        conda = environment_layers(base, lock, fetched, shop, reporter)
        image = assemble(base, lock, fetched, told, shop, reporter, extra_layers=conda)
        step.cached = image.cached
    if scripts := scripted(lock, fetched, shop):
        with reporter.step(6, "link") as step:
            last, step.cached = linked(as_base(image, base, lock, shop), scripts, shop, reporter)
            image = assemble(
                base, lock, fetched, told, shop, reporter, extra_layers=conda, last_layers=(last,)
            )
    with reporter.step(7, "verify"):
        misfits = interpreter_misfits(definition, base, shop, reporter)
        misfits = _verify(lock, fetched, misfits, reporter)
    # The name moves last: a build that fails before this leaves the image that was there (rule 16).
    with reporter.step(8, "store"):
        pushed_to = push_image(
            build.workspace, repository(build.hash), image.descriptor, shop, reporter, base=base
        )
        name = f"{build.workspace.name}/{repository(build.hash)}:latest"
        shop.store.tag(name, image.descriptor)
        reporter.line(f"Stored as {name}@{image.digest}.")
    interpreter = PYTHON if lock.python else definition.python.interpreter_path or base.probe.python
    more = {"interpreter": interpreter, "pushed_to": pushed_to, "misfits": misfits}
    return Made(row=_row(build, base, lock, image) | more)


def resolve_anew(version: Version, image: Image, reporter: Reporter) -> Lock:
    """Return what a rebuild of an image would install now. Nothing is made, and no Dockerfile is run for it."""
    workspace = version.environment.workspace
    shop = workshop(logins=logins_of(workspace))
    definition = version.definition
    if definition.image is None:
        if not shop.store.has(image.base_digest):
            raise ImageError("base-gone", "What the Dockerfile made last time is no longer in the store.")
        size = shop.store.size(image.base_digest)
        known = Descriptor(media_type=OCI_MANIFEST, digest=image.base_digest, size=size)
        base = stored_base(image.base, known, shop, reporter)
    else:
        base = base_for(workspace, definition.image, shop, reporter, platform=definition.platform)
    to_install = plan_on(base, definition)
    if to_install.empty:
        return Lock(base_digest=base.digest)
    # A row that is never written: a rebuild has no lock to prefer.
    build = Build(workspace=workspace, version=version, hash=version.hash, rebuild=True)
    return _resolve(build, base, to_install, shop, reporter)


def _logins(build: Build, reporter: BuildReporter) -> Logins:
    """Return the credentials that this build may use; the log shows none of them."""
    try:
        logins = reporter.lease.keep(lambda: logins_of(build.workspace))
    except Unreadable as error:
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


def _find_base(build: Build, shop: Workshop, reporter: BuildReporter) -> Base:
    """Return the base: an image that is there, or one that the Docker Engine makes now."""
    definition = build.version.definition
    find = partial(base_for, build.workspace)
    if definition.image is None:
        # The engine that builds takes its own images by itself.
        elsewhere = partial(find, local=False)
        base = build_base(definition, shop, reporter, fresh=build.rebuild, find=elsewhere)
    else:
        base = find(definition.image, shop, reporter, platform=definition.platform)
    if is_floating(definition):
        seen = {"digest": base.digest, "checked_at": timezone.now()}
        reference = BaseImage.reference_of(definition)
        reporter.lease.keep(lambda: BaseImage.objects.update_or_create(reference=reference, defaults=seen))
    return base


def is_floating(definition: Definition) -> bool:
    """Whether what the base starts from moves: a tag that is missing or `latest` (rule 18)."""
    if definition.image == "host":
        return False
    if definition.image is not None:
        return ImageReference.parse(definition.image).floating
    arguments = definition.context.args if definition.context else {}
    return any(one.floating for one in sources(definition.dockerfile_text, arguments, definition.platform))


def _built_on(build: Build, base: Base) -> Image | None:
    """Return the current image with this content on this very base."""
    images = Image.objects.filter(workspace=build.workspace, hash=build.hash, current=True)
    image = images.filter(base_digest=base.digest).first()
    # Where it was cleaned up at this very moment, it is made again.
    return image if image is not None and image.use() else None


def _resolve(build: Build, base: Base, to_install: Plan, shop: Workshop, reporter: Reporter) -> Lock:
    previous = None
    if isinstance(reporter, BuildReporter) and not build.rebuild:
        previous = reporter.lease.keep(lambda: previous_lock(build))
    if previous is not None:
        reporter.line("Versions of the image before are kept where the definition allows it.")
    if not to_install.conda:
        return resolve(base, to_install.pip, shop, reporter, previous=previous, anew=build.rebuild)
    channels = build.version.definition.python.channels
    return resolve_environment(
        base, channels, to_install.conda, to_install.pip, shop, reporter, previous=previous
    )


def _with_wheels(
    build: Build,
    base: Base,
    to_install: Plan,
    lock: Lock,
    fetched: Fetched,
    shop: Workshop,
    reporter: BuildReporter,
) -> tuple[Lock, Fetched, bool]:
    """Build wheels of what comes as source; return lock and files with them, and whether all were there.

    What a package needs is known for certain only by its wheel: where its source said something else, the
    packages are resolved once more.
    """
    cached = True
    while True:
        onto = _conda_python(base, lock, fetched, shop, reporter) if lock.conda else base
        built = build_wheels(onto, lock, fetched, shop, reporter, lines=to_install.pip)
        cached = cached and built.cached
        if not built.surprises:
            return lock, built.fetched, cached
        names = ", ".join(built.surprises)
        reporter.line(f"Not all that is needed was known before the build of {names}: resolving again")
        lock = _resolve(build, base, to_install, shop, reporter)
        fetched = fetch(lock, shop, reporter)


def _conda_python(base: Base, lock: Lock, fetched: Fetched, shop: Workshop, reporter: BuildReporter) -> Base:
    """Return the environment as far as conda makes it: wheels are built with the Python that they are for."""
    conda = tuple(package for package in lock.packages if package.kind == "conda")
    only = lock.model_copy(update={"packages": conda})
    layers = environment_layers(base, lock, fetched, shop, reporter)
    brought = Fetched((), 0, fetched.conda)
    image = assemble(base, only, brought, ImageSettings(), shop, reporter, extra_layers=layers)
    return as_base(image, base, lock, shop)


def previous_lock(build: Build) -> Lock | None:
    """Return the lock of the version before this one (or of the one it came from) that has an image."""
    version = build.version
    earlier = list(
        version.environment.versions.filter(number__lt=version.number)
        .order_by("-number")
        .values_list("hash", flat=True)[:20]
    )
    if version.based_on is not None:
        earlier.append(version.based_on.hash)
    # Not those of other workspaces: what they resolved to is theirs to know.
    in_reach = Image.objects.filter(Q(workspace=build.workspace) | Q(workspace__curated=True), current=True)
    locks = dict(in_reach.filter(hash__in=earlier).exclude(lock=None).values_list("hash", "lock"))
    newest = next((locks[hash] for hash in earlier if hash in locks), None)
    return Lock.model_validate(newest) if newest else None


def _image_settings(build: Build, to_install: Plan) -> ImageSettings:
    # No variables: they are run-time metadata, and definitions that differ in them share the image (rule 3).
    return ImageSettings(definition_hash=build.hash, environment=not to_install.empty)


def _verify(lock: Lock, fetched: Fetched, misfits: list[str], reporter: BuildReporter) -> list[str]:
    """Check that what was installed fits together, and return what does not, the misfits known before included."""
    problems = [*misfits, *check_lock(lock, fetched)]
    for problem in problems:
        reporter.line(f"Warning: {problem}")
    if not problems and lock.packages:
        reporter.line(f"The packages fit together: {len(lock.packages)} checked.")
    return problems


def _row(build: Build, base: Base, lock: Lock, image: AssembledImage) -> dict[str, Any]:
    """Return an image's row, not yet written."""
    return {
        "repository": repository(build.hash),
        "digest": image.digest,
        "size": image.size,
        "layers": [layer.to_json() for layer in image.layers],
        "lock": lock.model_dump(mode="json"),
        "packages": len(lock.packages),
        "base": base.reference,
        "base_digest": base.digest,
        "base_created_at": base.created_at,
        "floating": is_floating(build.version.definition),
        "python": lock.python or base.probe.version,
    }
