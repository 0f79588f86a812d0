"""Request, cancel and retry builds: called by the pages, the API and the commands."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now
from django.utils import timezone

from builds.models import ACTIVE, BaseImage, Build, BuildRequest, BuildState, Image
from builds.queue import claims, fairness, messages
from builds.queue.limits import effective_limits
from builds.queue.tests import needs_smoke_test
from environments.audit.record import record
from environments.models import Version, Workspace


class StateConflict(Exception):
    """The action is not possible in the current state."""


class QueueFull(StateConflict):
    """The workspace has as many queued builds as its limit allows."""


@dataclass(frozen=True)
class ImageStatus:
    """The outcome of requesting a version now: an existing image, a running build, or a new build."""

    image: Image | None
    build: Build | None

    @property
    def state(self) -> str:
        """The status in one word: ready, building or new."""
        return "ready" if self.image else "building" if self.build else "new"


def image_of(version: Version) -> Image | None:
    """Return the current image with a version's content: the workspace's own, else the catalogue's (rule 8)."""
    workspace = version.environment.workspace
    its_own = Q(workspace=workspace)
    images = Image.objects.filter(its_own | Q(workspace__curated=True), hash=version.hash, current=True)
    own_first = Case(When(its_own, then=0), default=1)
    return images.select_related("workspace").order_by(own_first, "pk").first()


def active_build_of(version: Version) -> Build | None:
    """Return the active build of a version's content, if there is one."""
    workspace = version.environment.workspace
    return Build.objects.filter(workspace=workspace, hash=version.hash, state__in=ACTIVE).first()


def image_status(version: Version) -> ImageStatus:
    """Return what requesting this version would do now, from the database alone."""
    return image_status_with(version, image_of(version))


def image_status_with(version: Version, image: Image | None) -> ImageStatus:
    """Return what requesting a version would do now; `image` is the current one with its content."""
    if image is not None and not base_has_moved(version, image) and not _is_to_be_tested(version, image):
        return ImageStatus(image, None)
    return ImageStatus(None, active_build_of(version))


def _is_to_be_tested(version: Version, image: Image) -> bool:
    """Return whether a version's own command has yet to be run in an image that another version has made."""
    command = version.data.get("smoke_test")
    return bool(command) and needs_smoke_test(image, str(command))


def base_has_moved(version: Version, image: Image) -> bool:
    """Return whether a floating base has moved since this image was built, or was not checked recently (rule 18)."""
    if not image.floating:
        return False
    known = BaseImage.objects.filter(reference=BaseImage.reference_of(version.definition)).first()
    if known is None or known.digest != image.base_digest:
        return True
    return known.checked_at < timezone.now() - timedelta(seconds=settings.FLOATING_BASE_SECONDS)


@transaction.atomic
def request_build(
    version: Version,
    user: User | None = None,
    *,
    rebuild: bool = False,
    inline: bool = False,
    background: bool = False,
) -> BuildRequest:
    """Request a version's image: answered by an existing image, or else waiting for a build.

    Equal requests share a build. With `rebuild` a new image is always made (rule 16). With `inline` the caller
    builds it at once: no worker claims it, unless the caller dies before it has begun. With `background` nobody
    waits for it: idle workers build it, and a later request without it makes it a build like any other.
    Raises QueueFull if the workspace has too many queued builds already.
    """
    workspace = version.environment.workspace
    if not rebuild:
        image = image_status(version).image
        # An image that is being cleaned up is built again.
        if image is not None and image.use():
            if workspace.registry:
                transaction.on_commit(messages.send_tags)  # the version has a name there too
            return BuildRequest.objects.create(
                workspace=workspace,
                version=version,
                user=user,
                image=image,
                reused=True,
                seen_at=timezone.now(),
            )
    build, joined = _build_for(version, workspace, rebuild=rebuild, inline=inline, background=background)
    request = BuildRequest.objects.create(
        workspace=workspace, version=version, user=user, build=build, joined=joined
    )
    record(
        "build.joined" if joined else "build.requested",
        str(version),
        workspace=workspace,
        environment=version.environment,
        actor=user,
        build=str(build.pk),
        rebuild=rebuild,
    )
    if joined:
        _bump_revision(build)
    return request


def _bump_revision(build: Build) -> None:
    """Show viewers of the build that its requests have changed."""
    Build.objects.filter(pk=build.pk).update(revision=F("revision") + 1)


def _build_for(
    version: Version, workspace: Workspace, *, rebuild: bool, inline: bool, background: bool
) -> tuple[Build, bool]:
    """Return the build to wait for, and whether it was active already."""
    # Two people press Build at once: the unique constraint admits one row, and the other request joins it.
    # If that build ends in between, a new row is possible.
    while True:
        active = active_build_of(version)
        if active is not None and _join(active, background=background):
            return active, True
        try:
            with transaction.atomic():
                if not inline and not background:
                    check_queue_capacity(workspace)
                build = Build.objects.create(
                    workspace=workspace,
                    version=version,
                    hash=version.hash,
                    rebuild=rebuild,
                    background=background,
                    reserved_until=Now() + timedelta(seconds=settings.LOST_AFTER_SECONDS) if inline else None,
                )
        except IntegrityError:
            continue
        if not inline:
            transaction.on_commit(partial(messages.send_build, build.pk))
        return build, False


def _join(build: Build, *, background: bool) -> bool:
    """Join an active build, locked until the caller commits; return False if it has ended."""
    # A concurrent cancellation either came first, or waits for the lock and then sees the new request.
    locked = Build.objects.select_for_update().filter(pk=build.pk, state__in=ACTIVE).first()
    if locked is None:
        return False
    if locked.stopped_by is not None:
        raise StateConflict(
            f"{locked.stopped_by.get_username()} stopped the build of this definition, and it is ending now. "
            "Try again in a moment."
        )
    if locked.cancel_requested:
        # Everybody left, but the build has not stopped yet: the new request keeps it.
        Build.objects.filter(pk=build.pk).update(cancel_requested=False)
    if locked.background and not background:
        # Somebody waits for it from now on: it is queued like any other, behind those who came before.
        Build.objects.filter(pk=build.pk).update(background=False)
        if locked.state == BuildState.QUEUED:
            transaction.on_commit(partial(messages.send_build, build.pk))
    return True


def check_queue_capacity(workspace: Workspace) -> None:
    """Raise QueueFull if the workspace's queue is full; otherwise the room is reserved until the commit."""
    most = effective_limits(fairness.lock_limits(workspace.pk)).queued
    waiting = Build.objects.filter(workspace=workspace, state=BuildState.QUEUED, background=False).count()
    if waiting >= most:
        raise QueueFull(
            f"The queue of {workspace} is full: {waiting} of {most} builds are waiting. "
            "Try again when some have ended, cancel some, or ask an admin to raise the limit."
        )


@transaction.atomic
def cancel_request(request: BuildRequest, user: User | None) -> None:
    """Cancel a request. The last cancellation stops the build."""
    if not BuildRequest.objects.filter(pk=request.pk, cancelled_at=None).update(cancelled_at=timezone.now()):
        raise StateConflict("This request is already cancelled.")
    build = request.build
    if build is None or not build.active:
        raise StateConflict("This build has already ended.")
    # A concurrent cancellation waits here, and then sees this request as cancelled.
    Build.objects.select_for_update().get(pk=build.pk)
    others = BuildRequest.objects.filter(build=build, cancelled_at=None).exists()
    if not others and not claims.cancel_queued(build.pk):
        claims.request_cancellation(build.pk)
    record(
        "build.left" if others else "build.cancelled",
        str(request.version),
        workspace=request.workspace,
        environment=request.version.environment,
        actor=user,
        build=str(build.pk),
    )
    _bump_revision(build)


def cancel_requests_of(build: Build, user: User) -> None:
    """Cancel this person's requests of the build. Raises StateConflict if they have none."""
    own = BuildRequest.objects.filter(build=build, user=user, cancelled_at=None).select_related(
        "version", "build"
    )
    requests = list(own)
    if not requests:
        raise StateConflict("You haven't requested this build, so you can't cancel it.")
    for request in requests:
        cancel_request(request, user)


def stop_build(build: Build, user: User) -> None:
    """Stop a build for everybody: its requests stay, and their users are notified with the name of this user."""
    with transaction.atomic():
        # A concurrent stop waits here, and then sees that the build was stopped.
        row = Build.objects.select_for_update().get(pk=build.pk)
        if not row.active:
            raise StateConflict("This build has already ended.")
        if row.stopped_by_id is not None:
            raise StateConflict("This build was already stopped and is ending now.")
        Build.objects.filter(pk=build.pk).update(stopped_by=user)
        waiting = BuildRequest.objects.filter(build=build, cancelled_at=None)
        waiting.filter(user=user).update(seen_at=Now())
        waited = set(waiting.filter(user__isnull=False).values_list("user__username", flat=True))
        if not claims.cancel_queued(build.pk):
            claims.request_cancellation(build.pk)
        record(
            "build.stopped",
            str(build.version),
            workspace=build.workspace,
            environment=build.version.environment,
            actor=user,
            build=str(build.pk),
            waited=sorted(waited),
        )


def retry(build: Build, user: User) -> BuildRequest:
    """Request again what a failed or cancelled build did not make."""
    if build.state not in {BuildState.FAILED, BuildState.CANCELLED}:
        raise StateConflict("Only failed or cancelled builds can be retried.")
    return request_build(build.version, user, rebuild=build.rebuild)
